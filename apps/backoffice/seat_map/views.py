"""The page of the seat map, what it asks for while it is open, and what it sends."""

from typing import Any

import orjson
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import time_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice.seat_map.acts import ACTS, VIEW_RESERVATION, Act, Request
from apps.backoffice.seat_map.seats import STATES, read_seats
from apps.backoffice.seat_map.texts import list_texts
from apps.concerts.limits import SEATS_PER_PERFORMANCE_MAX
from apps.concerts.models import Performance
from apps.core.admin import actor_of
from apps.core.audit import clean_reason
from apps.core.clock import read_clock
from apps.core.errors import DomainError, InvalidRequest
from apps.core.limits import ID_MAX, REASON_LENGTH_MAX
from apps.core.media import encode_json
from apps.core.problems import problem_response
from apps.reservations.availability import parse_version
from apps.reservations.models import Reservation

# How often an open map asks for changes.
POLL_MS = 2_000


@require_GET
def show_map(request: HttpRequest, performance_id: int) -> HttpResponse:
    """Answer the page."""
    performance = _open(request, performance_id)
    texts = list_texts()
    here = {"performance_id": performance.pk}
    setup = {
        "seatsUrl": reverse("admin:seat_map_seats", kwargs=here),
        "claimUrl": reverse(
            "admin:seat_map_claim", kwargs={**here, "reservation_id": 0}
        ).removesuffix("0/"),
        "previewUrl": reverse("admin:seat_map_preview", kwargs=here),
        "actUrl": reverse("admin:seat_map_act", kwargs=here),
        "pollMs": POLL_MS,
        "reasonLengthMax": REASON_LENGTH_MAX,
        "language": get_language(),
        "timeZone": settings.TIME_ZONE,
        "namesClaims": request.user.has_perm(VIEW_RESERVATION),
        "acts": {name: str(act.title) for name, act in ACTS.items() if _may(request, act)},
        "texts": texts,
    }
    context = {
        **admin.site.each_context(request),
        "title": _("Seat map"),
        "subtitle": str(performance),
        "performance": performance,
        "setup": setup,
        "texts": texts,
        "states": [(name, texts["states"][index]) for index, name in enumerate(STATES)],
        "acts": setup["acts"],
        "is_fullwidth": "1",
    }
    return TemplateResponse(request, "backoffice/seat_map.html", context)


@require_GET
@gzip_page
def list_map_seats(request: HttpRequest, performance_id: int) -> HttpResponse:
    """Answer all seats, or with `?since=` those that have changed."""
    performance = _open(request, performance_id)
    since = request.GET.get("since")
    try:
        answer = read_seats(
            performance,
            since=None if since is None else parse_version(since),
            now=read_clock(),
            names_claims=request.user.has_perm(VIEW_RESERVATION),
        )
    except DomainError as error:
        return problem_response(error)
    return _answer(answer)


@require_GET
def show_claim(request: HttpRequest, performance_id: int, reservation_id: int) -> HttpResponse:
    """Answer who has the seats of a reservation, and where their pages are."""
    performance = _open(request, performance_id)
    if not request.user.has_perm(VIEW_RESERVATION):
        raise PermissionDenied
    claim: Reservation = get_object_or_404(
        Reservation.objects.select_related("customer"),
        performance=performance,
        pk=reservation_id,
    )
    customer_url = reverse("admin:accounts_user_change", args=[claim.customer_id])
    unpaid = claim.status in (Reservation.Status.HELD, Reservation.Status.RESERVED)
    return _answer(
        {
            "id": claim.pk,
            "status": claim.get_status_display(),
            "until": time_format(localtime(claim.expires_at), "H:i:s") if unpaid else "",
            "url": reverse("admin:reservations_reservation_change", args=[claim.pk]),
            "customer": str(claim.customer),
            "customer_url": customer_url if request.user.has_perm("accounts.view_user") else "",
        }
    )


@require_POST
def preview_act(request: HttpRequest, performance_id: int) -> HttpResponse:
    """Answer what an act would do; nothing is written."""
    performance = _open(request, performance_id)
    try:
        act, wanted, _body = _read(request, performance)
        consequences = act.preview(wanted)
    except DomainError as error:
        return problem_response(error)
    return _answer({"title": act.title, "consequences": consequences, "dangerous": act.dangerous})


@require_POST
def run_act(request: HttpRequest, performance_id: int) -> HttpResponse:
    """Do an act for a reason, and answer what was done."""
    performance = _open(request, performance_id)
    try:
        act, wanted, body = _read(request, performance)
        reason = clean_reason(str(body.get("reason", "")))
        return _answer({"told": act.run(wanted, actor_of(request), reason)})
    except DomainError as error:
        return problem_response(error)


def may_see_map(request: HttpRequest) -> bool:
    """Say whether this member of staff may look at seats."""
    return request.user.has_perm("concerts.view_seat")


def _open(request: HttpRequest, performance_id: int) -> Performance:
    if not may_see_map(request):
        raise PermissionDenied
    performances = Performance.objects.select_related("concert__venue")
    performance: Performance = get_object_or_404(performances, pk=performance_id)
    return performance


def _may(request: HttpRequest, act: Act) -> bool:
    return request.user.has_perms(act.permissions)


def _read(request: HttpRequest, performance: Performance) -> tuple[Act, Request, dict[str, Any]]:
    """Return what the body asks for. Raise `InvalidRequest`, and `PermissionDenied` where this member of
    staff may not."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest.of("body", "invalid", _("This is no JSON.")) from error
    act = ACTS.get(str(body.get("act"))) if isinstance(body, dict) else None
    if act is None:
        raise InvalidRequest.of("act", "invalid", _("There is no such action."))
    if not _may(request, act):
        raise PermissionDenied
    (reservation_id,) = _read_ids([body.get("reservation", 0)], "reservation")
    wanted = Request(
        performance=performance,
        seat_ids=_read_ids(body.get("seats"), "seats"),
        to_ids=_read_ids(body.get("to", []), "to"),
        reservation_id=reservation_id,
        now=read_clock(),
    )
    if not wanted.seat_ids:
        raise InvalidRequest.of("seats", "required", _("Choose seats first."))
    return act, wanted, body


def _read_ids(given: Any, field: str) -> list[int]:
    good = isinstance(given, list) and len(given) <= SEATS_PER_PERFORMANCE_MAX
    if not good or any(type(pk) is not int or not 0 <= pk <= ID_MAX for pk in given):
        raise InvalidRequest.of(field, "invalid", _("These are no ids."))
    return list(given)


def _answer(body: Any) -> HttpResponse:
    response = HttpResponse(encode_json(body), content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
