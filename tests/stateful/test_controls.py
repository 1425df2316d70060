"""Negative controls: a rule of the product is taken away, and the machine must find out."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Q

from apps.concerts.models import Performance
from apps.core import idempotency
from apps.payments import services as payments
from apps.payments import transitions as refunds
from apps.queue import admission
from apps.queue import transitions as queue
from apps.queue.models import QueueEntry
from apps.reservations import availability, models, services
from apps.reservations.claims import Claims
from tests.stateful.running import run_machine

EXAMPLES = 12

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
    pytest.mark.no_cover,
]

BUYING = ("join", "charge", "hold", "reserve", "pay")
WAITING = ("join", "poll", "leave", "sweep", "wait")


def skip(*_args, **_kwargs):
    return None


def forget_deadlines_in_lists(patch):
    live = Q(status__in=["held", "reserved", "confirmed"])
    patch.setattr(models, "live", lambda now, prefix="": prefixed(live, prefix))
    # What is written with it, for this test alone.
    for statement in (availability.CLAIMS, availability.CHANGED):
        patch.setattr(statement, "_written", {})


def prefixed(condition, prefix):
    return Q(*[(f"{prefix}{field}", value) for field, value in condition.children])


def forget_deadlines(patch):
    patch.setattr(models, "is_overdue", lambda expires_at, now: False)


def be_late_by_a_microsecond(patch):
    patch.setattr(models, "is_overdue", lambda expires_at, now: expires_at < now)


def forget_the_limit(patch):
    patch.setattr(services, "require_within_limit", skip)


def forgive_lapses(patch):
    patch.setattr(services, "require_few_lapses", skip)


def count_no_holds_of_ones_own(patch):
    patch.setattr(Claims, "count_own", lambda _claims: 0)


def take_no_money(patch):
    patch.setattr(payments, "post_entry", skip)


def give_no_money_back(patch):
    patch.setattr(refunds, "post_entry", skip)


def forget_the_cut_off(patch):
    patch.setattr(Performance, "cancellable_until", lambda self: self.starts_at + timedelta(days=9))


def keep_the_token(patch):
    patch.setattr(payments, "end_entry", skip)


def move_the_deadline(patch):
    def reserve(hold, *, now: datetime):
        hold.status, hold.reserved_at = hold.Status.RESERVED, now
        hold.expires_at = now + timedelta(minutes=5)
        hold.save()

    patch.setattr(services, "reserve", reserve)


def let_the_last_in(patch):
    def lock_tail(room, count):
        line = QueueEntry.objects.filter(room=room, state="waiting")
        return list(line.select_related("presence").order_by("-place")[:count])

    patch.setattr(admission, "lock_head", lock_tail)


def let_one_too_many_in(patch):
    count = admission.count_free_places
    patch.setattr(
        admission, "count_free_places", lambda *args, **kwargs: count(*args, **kwargs) + 1
    )


def leave_freed_places_empty(patch):
    patch.setattr(queue, "on_commit", skip)


def count_who_has_left(patch):
    patch.setattr(queue, "mark_departures", skip)


def answer_any_body(patch):
    patch.setattr(idempotency, "digest_request", lambda request: b"same")


# These need some ten seconds or more until an order of steps shows them.
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("take_away", "only"),
    [
        (forget_deadlines_in_lists, (*BUYING, "wait_until")),
        (forget_deadlines, (*BUYING, "wait_until")),
        pytest.param(be_late_by_a_microsecond, (*BUYING, "wait_until"), marks=SLOW),
        pytest.param(forget_the_limit, BUYING, marks=SLOW),
        pytest.param(forgive_lapses, ("join", "hold", "wait_until"), marks=SLOW),
        (count_no_holds_of_ones_own, BUYING),
        (take_no_money, BUYING),
        pytest.param(give_no_money_back, (*BUYING, "cancel"), marks=SLOW),
        pytest.param(forget_the_cut_off, (*BUYING, "cancel", "leap"), marks=SLOW),
        (keep_the_token, BUYING),
        (move_the_deadline, (*BUYING, "wait")),
        (let_the_last_in, WAITING),
        (let_one_too_many_in, WAITING),
        (leave_freed_places_empty, WAITING),
        (count_who_has_left, ("join", "sweep")),
        (answer_any_body, ("charge",)),
    ],
)
def test_a_rule_that_is_gone_is_missed(clock_at_now, monkeypatch, take_away, only):
    take_away(monkeypatch)
    with pytest.raises(AssertionError, match="expected"):
        run_machine(clock_at_now, examples=EXAMPLES, shrink=False, only=only)
