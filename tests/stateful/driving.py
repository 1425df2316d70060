"""Doing one thing to the product and to the model, by the service or by the API, and seeing that both
come to the same."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.models import User
from apps.core.errors import DomainError
from tests.core.contents import read_contents
from tests.stateful.base import Refused
from tests.stateful.comparison import same
from tests.stateful.line import Entry
from tests.stateful.world import KeptAnswer, World

ANSWERED = {
    "QueueTokenExpired": (403, "queue_token_expired"),
    "QueueNotAdmitted": (403, "queue_not_admitted"),
    "WrongWaitingRoom": (403, "wrong_waiting_room"),
    "InsufficientBalance": (402, "insufficient_balance"),
    "HoldNotFound": (404, "hold_not_found"),
    "ReservationNotFound": (404, "reservation_not_found"),
    "SeatNotFound": (404, "seat_not_found"),
    "DateNotBookable": (409, "date_not_bookable"),
    "SeatLimitExceeded": (409, "seat_limit_exceeded"),
    "SeatUnavailable": (409, "seat_unavailable"),
    "SeatAlreadyReserved": (409, "seat_already_reserved"),
    "ReservationAlreadyPaid": (409, "reservation_already_paid"),
    "ReservationNotCancellable": (409, "reservation_not_cancellable"),
    "BalanceLimitExceeded": (409, "balance_limit_exceeded"),
    "HoldExpired": (410, "hold_expired"),
    "IdempotencyKeyReused": (422, "idempotency_key_reused"),
    "TooManyLapsedHolds": (429, "too_many_lapsed_holds"),
    "InvalidRequest": (400, "invalid_request"),
}


def in_json(value: Any) -> Any:
    """Return a field of an error as an answer has it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


@dataclass(frozen=True, kw_only=True)
class Request:
    """Something that a customer asks for: how the model sees it, and how the product is asked.

    `predict` changes the model or raises `Refused`, and has changed nothing then. `accept` takes what
    the model and the service, or the body of the answer, came to.
    """

    name: str
    customer: int
    entry: Entry | None
    predict: Callable[[datetime], Any]
    serve: Callable[[datetime], Any]
    path: str
    body: dict[str, Any]
    status: int
    accept: Callable[[Any, Any], None]


class Driver:
    """Sends requests to both sides. `tally` counts what they came to, by request."""

    def __init__(self, world: World, tally: Counter[tuple[str, str]]) -> None:
        self.world = world
        self.tally = tally
        self.clients = {
            user.pk: self._sign_in(user) for user in User.objects.filter(pk__in=world.customers)
        }

    def _sign_in(self, user: User) -> APIClient:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
        return client

    def do(
        self,
        name: str,
        predict: Callable[[], Any],
        serve: Callable[[], Any],
        accept: Callable[[Any, Any], None] = lambda _expected, _found: None,
    ) -> None:
        """Do it by the service; where the model refuses, the service does, and writes nothing."""
        try:
            expected = predict()
        except Refused as refused:
            self.tally[name, refused.name] += 1
            before = read_contents()
            try:
                found = serve()
            except DomainError as error:
                same(f"error of {name}", type(error).__name__, refused.name)
                fields = {field: error.fields.get(field) for field in refused.fields}
                same(f"fields of {refused.name}", fields, refused.fields)
            else:
                raise AssertionError(f"{name} came to {found}, expected {refused}") from None
            same(f"rows after {refused.name}", read_contents(), before)
        else:
            self.tally[name, "done"] += 1
            accept(expected, serve())

    def serve(self, request: Request, now: datetime) -> None:
        """Ask the service."""
        self.do(
            request.name,
            lambda: request.predict(now),
            lambda: request.serve(now),
            request.accept,
        )

    def send(self, request: Request, *, key: str | None, now: datetime) -> None:
        """Ask the API, with an idempotency key where one is given."""
        if request.entry:
            request.entry.call(now)
        kept = self.world.find_kept(request.customer, key, now)
        try:
            if kept and kept.request != (request.path, request.body):
                raise Refused("IdempotencyKeyReused")
            expected = None if kept else request.predict(now)
        except Refused as refused:
            self.tally[request.name, refused.name] += 1
            answer = self._post(request, key)
            same(f"answer to {request.name}", self._outcome(answer), ANSWERED[refused.name])
            fields = {field: answer.json().get(field) for field in refused.fields}
            wanted = {field: in_json(value) for field, value in refused.fields.items()}
            same(f"fields of {refused.name}", fields, wanted)
            if refused.name == "SeatUnavailable":
                self._check_alternatives(answer.json()["alternatives"], request, now)
            return
        answer = self._post(request, key)
        same(f"answer to {request.name}", self._outcome(answer), (request.status, None))
        same("replayed", answer.get("Idempotent-Replayed"), "true" if kept else None)
        if kept:
            self.tally[request.name, "replayed"] += 1
            same("repeated answer", answer.json(), kept.body)
            return
        self.tally[request.name, "done"] += 1
        request.accept(expected, answer.json())
        if key:
            self.world.kept[request.customer, key] = KeptAnswer(
                request=(request.path, request.body), body=answer.json(), at=now
            )

    def _post(self, request: Request, key: str | None) -> Any:
        headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
        if request.entry:
            headers["HTTP_X_QUEUE_TOKEN"] = request.entry.token
        return self.clients[request.customer].post(
            f"/api/v1{request.path}", request.body, format="json", **headers
        )

    def _outcome(self, answer: Any) -> tuple[int, str | None]:
        return answer.status_code, answer.json().get("code")

    def _check_alternatives(self, groups: list[list[int]], request: Request, now: datetime) -> None:
        """What is offered instead is free, as many as were wanted, and no seat twice."""
        sales = self.world.sales
        free = {seat.id for seat in sales.seats if sales.seat_status(seat, now) == "available"}
        offered = [seat for group in groups for seat in group]
        assert len(set(offered)) == len(offered), groups
        assert set(offered) <= free, groups
        assert {len(group) for group in groups} <= {len(request.body["seat_ids"])}, groups
