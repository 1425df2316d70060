"""What beat runs over the line: in batches, past locked rows, twice without harm, errors logged."""

import json
import logging
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from apps.core.models import Heartbeat
from apps.queue import limits, services, tasks
from apps.queue.models import QueueEntry, WaitingRoom
from tests.factories import NOW, QueueEntryFactory, RoomFactory

LATER = NOW + timedelta(seconds=60)


def count_ended():
    return QueueEntry.objects.filter(state="ended").count()


def run_command(name, *options):
    out = StringIO()
    call_command(name, *options, stdout=out)
    return out.getvalue().strip()


@pytest.mark.django_db
class TestExpireQueue:
    def test_it_goes_on_in_batches_until_all_are_done(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_BATCH", 2)
        QueueEntryFactory.create_batch(5, room=room)
        assert services.expire_queue(now=LATER) == count_ended() == 5

    def test_one_run_is_bounded(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_BATCH", 1)
        monkeypatch.setattr(limits, "SWEEP_BATCHES_PER_RUN", 2)
        QueueEntryFactory.create_batch(3, room=room)
        assert services.expire_queue(now=LATER) == 2
        assert services.expire_queue(now=LATER) == 1

    def test_a_second_run_changes_nothing(self, room):
        QueueEntryFactory(room=room)
        QueueEntryFactory(room=room, admitted=True)
        assert services.expire_queue(now=LATER) == 2
        before = list(QueueEntry.objects.order_by("pk").values())
        assert services.expire_queue(now=LATER + timedelta(days=1)) == 0
        assert list(QueueEntry.objects.order_by("pk").values()) == before

    def test_every_room_has_its_own_limits(self, room):
        patient = RoomFactory(slug="patient", idle_seconds=61)
        QueueEntryFactory(room=room)
        QueueEntryFactory(room=patient)
        assert services.expire_queue(now=LATER) == 1
        assert QueueEntry.objects.exclude(state="ended").get().room == patient

    def test_over_long_sessions_end_with_their_own_reason_and_time(self, room):
        entry = QueueEntryFactory(room=room, admitted=True)
        calling = NOW + timedelta(seconds=590)
        QueueEntry.objects.update(last_seen_at=calling)
        assert services.expire_queue(now=NOW + timedelta(seconds=700)) == 1
        entry.refresh_from_db()
        assert entry.end_reason == "session_over"
        assert entry.ended_at == entry.session_expires_at

    def test_nothing_is_deleted(self, room):
        QueueEntryFactory.create_batch(3, room=room)
        services.expire_queue(now=LATER)
        assert QueueEntry.objects.count() == 3


@pytest.mark.django_db(transaction=True)
class TestBesideAnotherConnection:
    """Rows that somebody else has locked are passed over, never waited for."""

    @pytest.fixture
    def elsewhere(self, db):
        with closing(connections.create_connection("default")) as other:
            other.set_autocommit(False)
            yield other
            other.rollback()
            other.set_autocommit(True)

    @pytest.fixture
    def room(self):
        return RoomFactory(capacity=2)

    def lock(self, elsewhere, table, pk):
        with elsewhere.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [pk])

    def test_expire_queue_passes_over_locked_entries(self, room, elsewhere):
        locked, free = QueueEntryFactory.create_batch(2, room=room)
        self.lock(elsewhere, "queue_queueentry", locked.pk)
        assert services.expire_queue(now=LATER) == 1
        assert QueueEntry.objects.get(state="ended") == free
        elsewhere.rollback()
        assert services.expire_queue(now=LATER) == 1

    def test_admit_queue_passes_over_a_locked_room(self, room, elsewhere):
        other_room = RoomFactory(slug="first-snow")
        waiting = QueueEntryFactory(room=room)
        QueueEntryFactory(room=other_room)
        self.lock(elsewhere, "queue_waitingroom", room.pk)
        assert services.admit_queue(now=NOW) == 1
        assert QueueEntry.objects.get(state="waiting") == waiting
        elsewhere.rollback()
        assert services.admit_queue(now=NOW) == 1

    def test_a_poll_does_not_wait_for_somebody_who_admits(self, room, elsewhere):
        entry = QueueEntryFactory(room=room)
        self.lock(elsewhere, "queue_waitingroom", room.pk)
        assert services.poll_line(entry=entry, now=NOW).position == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now")
class TestTasks:
    @pytest.fixture(autouse=True)
    def _logs(self, caplog):
        caplog.set_level(logging.DEBUG)

    def test_admit_queue_says_how_many_entered(self, room, caplog):
        QueueEntryFactory.create_batch(2, room=room)
        assert tasks.admit_queue() == 2
        assert "sweep admit_queue touched 2 rows" in caplog.text
        assert Heartbeat.objects.get(name="admit_queue").beat_at == NOW

    def test_expire_queue_says_how_many_ended(self, room, clock_at_now, caplog):
        QueueEntryFactory.create_batch(2, room=room)
        clock_at_now.move(minutes=1)
        assert tasks.expire_queue() == 2
        assert "sweep expire_queue touched 2 rows" in caplog.text
        assert Heartbeat.objects.get(name="expire_queue").beat_at == LATER

    def test_a_run_that_touched_nothing_is_no_line_in_the_log(self, room, caplog):
        assert tasks.expire_queue() == 0
        (record,) = [record for record in caplog.records if "expire_queue" in record.getMessage()]
        assert record.levelno == logging.DEBUG
        assert Heartbeat.objects.filter(name="expire_queue").exists()

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_8_3_1_an_error_is_logged_and_the_next_run_goes_on(
        self, room, caplog, monkeypatch, name
    ):
        entry = QueueEntryFactory(
            room=room, at=NOW - timedelta(seconds=60 * (name == "expire_queue"))
        )
        with monkeypatch.context() as broken:
            broken.setattr(services, name, fail)
            with pytest.raises(OperationalError):
                getattr(tasks, name)()
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.getMessage() == f"sweep {name} failed"
        assert "the database is away" in caplog.text
        assert not Heartbeat.objects.exists()
        entry.refresh_from_db()
        assert entry.state == "waiting"
        assert getattr(tasks, name)() == 1


def fail(*, now):
    raise OperationalError("the database is away")


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now")
class TestCommands:
    def test_admit_queue(self, room):
        QueueEntryFactory.create_batch(2, room=room)
        assert run_command("admit_queue") == "admit_queue: 2 rows"
        assert QueueEntry.objects.filter(state="admitted").count() == 2

    def test_expire_queue(self, room, clock_at_now):
        QueueEntryFactory(room=room)
        clock_at_now.move(minutes=1)
        assert json.loads(run_command("expire_queue", "--json")) == {
            "sweep": "expire_queue",
            "touched": 1,
        }
        assert count_ended() == 1

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_a_dry_run_counts_and_changes_nothing(self, room, name):
        QueueEntryFactory(room=room, at=NOW - timedelta(seconds=60 * (name == "expire_queue")))
        before = [list(model.objects.values()) for model in (QueueEntry, WaitingRoom, Heartbeat)]
        assert json.loads(run_command(name, "--json", "--dry-run"))["touched"] == 1
        after = [list(model.objects.values()) for model in (QueueEntry, WaitingRoom, Heartbeat)]
        assert after == before

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_help_shows_an_example(self, name, capsys):
        with pytest.raises(SystemExit) as end:
            call_command(name, "--help")
        assert end.value.code == 0
        assert f"manage.py {name}" in " ".join(capsys.readouterr().out.split())
