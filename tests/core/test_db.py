"""Transactions and row locks, with a second real connection where one is needed."""

from contextlib import closing

import pytest
from django.db import InterfaceError, OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from apps.core.db import lock_row, lock_rows, rehearsal, transaction
from apps.core.errors import Busy
from apps.queue.models import QueueEntry, WaitingRoom
from tests.core.contents import read_contents
from tests.factories import (
    PerformanceFactory,
    QueueEntryFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)


def slugs():
    return set(WaitingRoom.objects.values_list("slug", flat=True)) - {"main"}


def write_and_fail(error):
    with transaction():
        RoomFactory(slug="outer")
        with transaction():
            RoomFactory(slug="inner")
            raise error


def write_and_lock(room):
    with transaction():
        RoomFactory(slug="two")
        return lock_row(WaitingRoom.objects.filter(pk=room.pk))


@pytest.mark.django_db
class TestTransaction:
    def test_an_inner_one_joins_the_outer(self):
        with CaptureQueriesContext(connection) as queries, transaction(), transaction():
            UserFactory()
        savepoints = [query for query in queries if query["sql"].startswith("SAVEPOINT")]
        assert len(savepoints) == 1  # that of the outer one, inside the test's own transaction

    def test_an_error_rolls_all_of_it_back(self):
        with pytest.raises(KeyError):
            write_and_fail(KeyError())
        assert slugs() == set()

    def test_after_an_error_the_next_one_opens_anew(self):
        for _time in range(2):
            with pytest.raises(KeyError):
                write_and_fail(KeyError())
        with transaction():
            RoomFactory(slug="two")
        assert slugs() == {"two"}

    @pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
    def test_a_database_that_does_not_answer_is_busy(self, kind):
        with pytest.raises(Busy) as busy:
            write_and_fail(kind("deadlock detected"))
        assert isinstance(busy.value.__cause__, kind)
        assert slugs() == set()

    def test_a_rehearsal_changes_nothing(self):
        with rehearsal():
            with transaction():
                RoomFactory(slug="one")
            assert slugs() == {"one"}
        assert slugs() == set()


@pytest.mark.django_db
class TestLockRows:
    def sql_of(self, rows, **options):
        with CaptureQueriesContext(connection) as queries, transaction():
            lock_rows(rows, **options)
        (select,) = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
        return select

    def test_rows_are_locked_in_order_and_no_more_than_these(self):
        rows = QueueEntry.objects.select_related("room").order_by("-joined_at")
        sql = self.sql_of(rows)
        assert sql.endswith(
            'ORDER BY "queue_queueentry"."id" ASC FOR NO KEY UPDATE OF "queue_queueentry"'
        )

    def test_limit_and_skip_locked(self):
        sql = self.sql_of(WaitingRoom.objects.all(), limit=7, skip_locked=True)
        assert sql.endswith('LIMIT 7 FOR NO KEY UPDATE OF "queue_waitingroom" SKIP LOCKED')

    def test_the_rows_come_as_they_are_now(self, room):
        entries = QueueEntryFactory.create_batch(3, room=room)
        with transaction():
            assert lock_rows(QueueEntry.objects.order_by("-pk")) == entries
            assert lock_rows(QueueEntry.objects.all(), limit=2) == entries[:2]
            assert lock_row(QueueEntry.objects.filter(pk=entries[1].pk)) == entries[1]
            assert lock_row(QueueEntry.objects.filter(pk=0)) is None


@pytest.mark.django_db(transaction=True)
class TestBesideAnotherConnection:
    @pytest.fixture
    def elsewhere(self, db):
        with closing(connections.create_connection("default")) as other:
            other.set_autocommit(False)
            yield other
            other.rollback()
            other.set_autocommit(True)

    @pytest.fixture(autouse=True)
    def _impatient(self, db):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
            yield
            cursor.execute("RESET lock_timeout")

    def lock(self, elsewhere, row):
        with elsewhere.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {row._meta.db_table} WHERE id = %s FOR NO KEY UPDATE", [row.pk]
            )

    def test_a_row_that_is_locked_for_too_long_is_busy(self, elsewhere):
        room = RoomFactory(slug="one")
        self.lock(elsewhere, room)
        with pytest.raises(Busy):
            write_and_lock(room)
        assert slugs() == {"one"}
        with transaction():
            assert lock_rows(WaitingRoom.objects.filter(pk=room.pk), skip_locked=True) == []
        elsewhere.rollback()
        assert write_and_lock(room) == room
        assert slugs() == {"one", "two"}

    def test_rows_that_refer_to_a_locked_one_can_still_be_written(self, elsewhere):
        room = RoomFactory(slug="one")
        self.lock(elsewhere, room)
        assert QueueEntryFactory(room=room).pk

    def test_a_seat_that_is_locked_for_too_long_is_told_as_busy(self, elsewhere, buyer, room):
        performance = PerformanceFactory()
        wanted, other = make_seats(performance, 2)
        performance.refresh_from_db()
        url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
        self.lock(elsewhere, wanted)
        before = read_contents()
        answer = buyer.post(url, {"seat_ids": [wanted.pk]})
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer["Retry-After"] == "1"
        assert read_contents() == before
        assert buyer.post(url, {"seat_ids": [other.pk]}).status_code == 201
        elsewhere.rollback()
        assert buyer.post(url, {"seat_ids": [wanted.pk]}).status_code == 201
