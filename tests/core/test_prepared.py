"""Statements that are written once say what the ORM's own would say."""

import pytest
from django.db import connection
from django.db.models import BigIntegerField, CharField, DateTimeField
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from apps.concerts.models import Seat
from apps.core.db import lock_rows, transaction
from apps.core.models import Heartbeat, IdempotencyKey
from apps.core.prepared import Prepared, PreparedUpdate, insert_row, update_row
from apps.queue.models import Presence, QueueEntry
from apps.reservations.models import Reservation
from tests.factories import NOW
from tests.reservations.support import make_hold

pytestmark = pytest.mark.django_db

ENTRY = Prepared(
    lambda entry_id: QueueEntry.objects.select_related("room", "presence").filter(pk=entry_id),
    entry_id=BigIntegerField(),
)
SEATS = Prepared(
    lambda ids, grade: Seat.objects.filter(pk__any=ids, grade=grade).order_by("-position"),
    ids=BigIntegerField(),
    grade=CharField(),
)


def dictionary(instance):
    return {name: value for name, value in instance.__dict__.items() if name != "_state"}


def test_an_instance_is_as_the_orm_makes_it(admitted):
    (found,) = ENTRY.fetch(entry_id=admitted.pk)
    expected = QueueEntry.objects.get(pk=admitted.pk)
    assert dictionary(found) == dictionary(expected)
    assert (found._state.adding, found._state.db) == (False, "default")
    assert dictionary(found.room) == dictionary(expected.room)
    assert found.presence.last_seen_at == expected.presence.last_seen_at
    assert found.presence.entry is found


def test_what_was_read_along_is_not_asked_for_again(admitted):
    (found,) = ENTRY.fetch(entry_id=admitted.pk)
    with CaptureQueriesContext(connection) as asked:
        assert (found.room.slug, found.presence.entry_id) == ("main", admitted.pk)
    assert len(asked) == 0


def test_what_is_not_there_is_none(admitted):
    Presence.objects.all().delete()
    (found,) = ENTRY.fetch(entry_id=admitted.pk)
    with pytest.raises(Presence.DoesNotExist):
        _ = found.presence
    assert ENTRY.fetch(entry_id=admitted.pk + 1) == []


def test_an_array_of_any_length_is_one_statement(seats):
    ids = [seat.pk for seat in seats]
    grade = seats[0].grade
    assert SEATS.fetch(ids=ids, grade=grade) == seats[::-1]
    assert SEATS.fetch(ids=ids[:1], grade=grade) == seats[:1]
    assert SEATS.fetch(ids=[], grade=grade) == []
    assert SEATS.fetch(ids=ids, grade="100% other") == []


def test_a_constant_is_part_of_the_text_and_a_parameter_is_not(customer, seats):
    odd = Prepared(
        lambda now: Reservation.objects.overdue(now).exclude(currency="100%s").values_list("pk"),
        now=DateTimeField(),
    )
    held = make_hold(customer, seats[:1])
    with CaptureQueriesContext(connection) as asked:
        assert odd.fetch(now=held.expires_at) == [(held.pk,)]
        assert odd.fetch(now=NOW) == []
    first, second = (query["sql"] for query in asked)
    assert first == second
    assert "IN ('held', 'reserved')" in first
    assert first.count("%s") == 2  # the moment, and of the constant `100%%s`


def test_rows_are_locked_as_rows_of_the_orm_are(seats):
    with transaction(), CaptureQueriesContext(connection) as asked:
        rows = lock_rows(SEATS, ids=[seat.pk for seat in seats], grade=seats[0].grade)
    assert rows == seats
    assert asked[0]["sql"].endswith(
        'ORDER BY "concerts_seat"."id" ASC FOR NO KEY UPDATE OF "concerts_seat"'
    )


def test_whoever_watches_the_connection_sees_the_statements(seats):
    watched = []

    def watch(execute, sql, parameters, many, context):
        watched.append(sql)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(watch):
        SEATS.fetch(ids=[seats[0].pk], grade="")
    assert len(watched) == 1


def test_a_change_touches_the_rows_and_says_how_many(seats):
    block = PreparedUpdate(
        lambda ids, reason: (
            Seat.objects.filter(pk__any=ids, blocked=False),
            {"blocked": True, "blocked_reason": reason},
        ),
        ids=BigIntegerField(),
        reason=CharField(),
    )
    assert block.run(ids=[seat.pk for seat in seats[:2]], reason="a") == 2
    assert block.run(ids=[seat.pk for seat in seats[:3]], reason="b") == 1
    reasons = Seat.objects.order_by("pk").values_list("blocked_reason", flat=True)
    assert list(reasons) == ["a", "a", "b", ""]


def test_a_row_is_changed_in_the_named_fields_alone(seats):
    seat = seats[0]
    seat.price, seat.grade = 1, "not this"
    update_row(seat, "price")
    fresh = Seat.objects.get(pk=seat.pk)
    assert (fresh.price, fresh.grade) == (1, seats[1].grade)


def make_key(body):
    return IdempotencyKey(
        customer_id=1, key="k", request_digest=b"\0" * 32, status=201, body=body, created_at=NOW
    )


def test_a_row_is_written_with_all_its_fields():
    written = make_key("a")
    insert_row(written)
    assert dictionary(IdempotencyKey.objects.get()) == dictionary(written)
    with pytest.raises(IntegrityError, match="idempotency_key_once"):
        insert_row(make_key("b"))


def test_a_row_takes_the_place_of_another():
    first, second = make_key("a"), make_key("b")
    insert_row(first)
    insert_row(second, in_place_of=("customer_id", "key"))
    assert IdempotencyKey.objects.get().body == "b"
    assert first.pk == second.pk


def test_a_field_that_the_database_fills_in_is_not_forgotten():
    with pytest.raises(AssertionError, match="every field is given"):
        insert_row(Heartbeat(name="a", beat_at=NOW))
