"""`manage.py prune_history`: what is old goes, in batches; what may still be asked for stays."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import pruning
from apps.core.errors import Busy
from apps.core.models import IdempotencyKey
from apps.queue import services
from apps.queue.models import Draw, Presence, QueueEntry, Turn
from config.management.commands import prune_history
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

TODAY = "2026-11-01"


def ago(days, **more):
    return NOW - timedelta(days=days, **more)


def make_ended(*days, room=None, **fields):
    """Make entries that ended so many days ago, without ever having entered."""
    return [
        QueueEntryFactory(
            room=room or RoomFactory(),
            at=ago(days_ago, minutes=10),
            state="ended",
            ended_at=ago(days_ago),
            ended_turn=0,
            end_reason="left",
            **fields,
        )
        for days_ago in days
    ]


def make_turn(room, turn, *, days, entered=1):
    return Turn.objects.create(
        room=room,
        turn=turn,
        at=ago(days),
        entered=entered,
        capacity=1,
        **dict.fromkeys(("finished", "gave_up", "waiting", "admitted", "waiting_s", "inside_s"), 0),
    )


def make_key(days, **more):
    return IdempotencyKey.objects.create(
        customer_id=1,
        key=f"key {days} {more}",
        request_digest=b"",
        status=201,
        body="{}",
        created_at=ago(days, **more),
    )


def run(*options):
    """Return what the command prints as JSON, and what it says beside it."""
    out, err = StringIO(), StringIO()
    call_command("prune_history", "--json", *options, stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


def read_all():
    models = (QueueEntry, Turn, IdempotencyKey, Presence, Draw)
    return [list(model.objects.order_by("pk").values()) for model in models]


class TestWhatGoes:
    def test_entries_that_ended_before(self, room):
        old, young = make_ended(10, 5)
        result, _err = run("--before", ago(7).isoformat())
        assert result == {
            "before": ago(7).isoformat(),
            "queue_entries": 1,
            "turns": 0,
            "idempotency_keys": 0,
            "dry_run": False,
            "complete": True,
        }
        assert list(QueueEntry.objects.all()) == [young]
        assert not QueueEntry.objects.filter(pk=old.pk).exists()

    def test_the_moment_itself_stays(self, room):
        make_ended(7)
        assert run("--before", ago(7).isoformat())[0]["queue_entries"] == 0
        just_after = ago(7) + timedelta(microseconds=1)
        assert run("--before", just_after.isoformat())[0]["queue_entries"] == 1

    def test_who_is_live_stays_however_old(self, room):
        waiting = QueueEntryFactory(room=room, at=ago(20))
        inside = QueueEntryFactory(room=room, at=ago(20), admitted=True)
        assert run("--before", TODAY)[0]["queue_entries"] == 0
        assert set(QueueEntry.objects.all()) == {waiting, inside}
        assert Presence.objects.count() == 2

    def test_turns_go_with_those_who_entered_by_them(self, room):
        for turn, days in enumerate((10, 9, 8, 2), start=1):
            make_turn(room, turn, days=days)
        make_ended(9, admitted_at=ago(10), session_expires_at=ago(9), admitted_turn=1)
        make_ended(3, admitted_at=ago(8), session_expires_at=ago(3), admitted_turn=3)
        result, _err = run("--before", ago(7).isoformat())
        assert (result["queue_entries"], result["turns"]) == (1, 2)
        # The third is as old, but somebody is left who entered by it.
        assert list(Turn.objects.order_by("turn").values_list("turn", flat=True)) == [3, 4]

    def test_the_turns_of_one_room_do_not_hold_those_of_another(self, room):
        other = RoomFactory(slug="other")
        make_turn(room, 5, days=10)
        make_turn(other, 5, days=10)
        QueueEntryFactory(room=other, at=ago(10), admitted=True, admitted_turn=1)
        assert run("--before", ago(7).isoformat())[0]["turns"] == 1
        assert Turn.objects.get().room == other

    def test_keys_from_before(self, room):
        make_key(10)
        young = make_key(5)
        assert run("--before", ago(7).isoformat())[0]["idempotency_keys"] == 1
        assert IdempotencyKey.objects.get() == young

    def test_draws_stay(self, room):
        draw = Draw.objects.create(room=room, opens_at=ago(10), drawn_at=ago(10), seed="s")
        make_ended(9, draw=draw)
        assert run("--before", TODAY)[0]["queue_entries"] == 1
        assert Draw.objects.get() == draw

    def test_what_a_repeated_request_may_ask_for_stays(self, room, settings):
        settings.IDEMPOTENCY_HOURS = 48
        young, old = make_ended(1, 3)
        kept = make_key(1, hours=23)
        make_key(2, hours=1)
        turn = make_turn(room, 1, days=1)
        result, err = run("--before", NOW.isoformat())
        assert result["before"] == ago(2).isoformat()
        assert "What is younger than 48 hours stays" in err
        assert list(QueueEntry.objects.all()) == [young]
        assert old not in QueueEntry.objects.all()
        assert IdempotencyKey.objects.get() == kept
        assert Turn.objects.get() == turn

    def test_a_history_that_was_played_goes_and_what_is_left_is_clean(self, room):
        room.capacity = 1
        room.save()
        for days in (10, 9, 8):
            entries = [
                services.issue_token(
                    customer_id=UserFactory().pk, room_slug="main", now=ago(days)
                ).status.entry
                for _person in range(3)
            ]
            services.leave_line(entry_id=entries[0].pk, now=ago(days))
            services.admit_queue(now=ago(days) + timedelta(seconds=1))
        services.expire_queue(now=ago(7))
        result, _err = run("--before", ago(8.5).isoformat())
        assert (result["queue_entries"], QueueEntry.objects.count()) == (6, 3)
        assert result["turns"] > 0
        out = StringIO()
        call_command("verify_queue", "main", stdout=out)
        assert out.getvalue().startswith("main: 3 entries, 6 pruned, ")


class TestBatches:
    def test_all_go_whatever_the_size_of_a_batch(self, room):
        for batch in (1, 2, 3, 4, 10_000):
            make_ended(*[10] * 4)
            young = make_ended(2)
            make_ended(*[10] * 2)
            result, _err = run("--before", ago(7).isoformat(), "--batch", str(batch))
            assert result["queue_entries"] == 6
            assert list(QueueEntry.objects.all()) == young
            QueueEntry.objects.all().delete()

    def test_each_batch_reads_on_where_the_last_one_stopped(self, room):
        make_ended(*[10] * 5)
        rows = QueueEntry.objects.filter(state="ended")
        with CaptureQueriesContext(connection) as captured:
            assert list(pruning.delete_in_batches(rows, batch=2)) == [2, 2, 1]
        selects = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
        starts = [int(sql.split('"id" > ')[1].split()[0].rstrip(")")) for sql in selects]
        # The last one finds no more.
        assert len(starts) == 4
        assert starts == sorted(set(starts))
        assert all("LIMIT 2" in sql for sql in selects)

    def test_progress_is_told(self, room, monkeypatch):
        monkeypatch.setattr(prune_history, "BATCHES_PER_LINE", 2)
        make_ended(*[10] * 5)
        _result, err = run("--before", ago(5).isoformat(), "--batch", "1")
        assert err.splitlines() == ["queue entries: 2 deleted", "queue entries: 4 deleted"]

    def test_a_second_run_finds_nothing(self, room):
        make_ended(10)
        make_key(10)
        run("--before", TODAY)
        result, _err = run("--before", TODAY)
        assert [result[name] for name in prune_history.HISTORY] == [0, 0, 0]

    @pytest.mark.parametrize(
        ("error", "message", "status"),
        [
            (KeyboardInterrupt, "Stopped. Run it again to go on.", 130),
            (Busy, "The database is busy. Run it again to go on.", 1),
        ],
    )
    def test_when_it_is_stopped_it_says_what_is_done_and_can_go_on(
        self, room, monkeypatch, error, message, status
    ):
        make_ended(*[10] * 5)
        make_key(10)
        delete = pruning.delete_in_batches

        def delete_two_batches(rows, *, batch):
            batches = delete(rows, batch=batch)
            yield next(batches)
            yield next(batches)
            raise error

        out = StringIO()
        with monkeypatch.context() as stopping:
            stopping.setattr(prune_history, "delete_in_batches", delete_two_batches)
            with pytest.raises(CommandError, match=message) as caught:
                call_command(
                    "prune_history", "--before", TODAY, "--batch", "2", "--json", stdout=out
                )
        assert caught.value.returncode == status
        result = json.loads(out.getvalue())
        assert (result["queue_entries"], result["complete"]) == (4, False)
        assert (QueueEntry.objects.count(), IdempotencyKey.objects.count()) == (1, 1)
        result, _err = run("--before", TODAY)
        assert (result["queue_entries"], result["idempotency_keys"]) == (1, 1)


class TestDryRun:
    def test_it_counts_what_would_go_and_deletes_nothing(self, room):
        make_ended(10, 9, 1)
        make_turn(room, 1, days=10)
        make_ended(10, admitted_at=ago(10), session_expires_at=ago(9), admitted_turn=1)
        make_key(10)
        before = read_all()
        counted, _err = run("--before", ago(5).isoformat(), "--dry-run")
        assert read_all() == before
        assert [counted[name] for name in prune_history.HISTORY] == [3, 1, 1]
        done, _err = run("--before", ago(5).isoformat())
        assert {**done, "dry_run": True} == counted

    def test_in_words(self, room):
        make_ended(10)
        out = StringIO()
        call_command("prune_history", "--before", ago(5).isoformat(), "--dry-run", stdout=out)
        assert out.getvalue() == (
            f"from before {ago(5).isoformat()}: 1 queue entries, 0 turns, 0 idempotency keys would "
            "be deleted\n"
        )


class TestTheMoment:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-10-20", "2026-10-20T00:00:00+09:00"),
            ("2026-10-20T12:30:00", "2026-10-20T12:30:00+09:00"),
            ("2026-10-20 12:30", "2026-10-20T12:30:00+09:00"),
            ("2026-10-20T12:30:00Z", "2026-10-20T12:30:00+00:00"),
            ("2026-10-20T12:30:00-05:00", "2026-10-20T12:30:00-05:00"),
            ("0001-01-01", "0001-01-01T00:00:00+08:27:52"),
        ],
    )
    def test_a_day_or_a_moment_by_the_time_zone_of_the_settings(self, room, text, moment):
        assert run("--before", text)[0]["before"] == moment

    @pytest.mark.parametrize(
        "text",
        ["", "yesterday", "2026-13-01", "2026-02-30", "2026-10-20T25:00:00", "10", "\udcff"],
    )
    def test_what_is_neither_is_told(self, room, text):
        make_ended(10)
        with pytest.raises(CommandError, match="--before must be a day"):
            run("--before", text)
        assert QueueEntry.objects.count() == 1

    @pytest.mark.parametrize("text", ["2026-11-02", "2026-11-01T01:00:01Z", "9999-12-31"])
    def test_the_future_is_refused(self, room, text):
        make_ended(10)
        with pytest.raises(CommandError, match="--before must not be in the future"):
            run("--before", text)
        assert QueueEntry.objects.count() == 1

    @pytest.mark.parametrize("batch", ["0", "-1", "10001", "many"])
    def test_a_wrong_batch_is_told(self, room, batch):
        make_ended(10)
        with pytest.raises(CommandError, match="--batch must be a whole number from 1 to 10000"):
            run("--before", TODAY, f"--batch={batch}")
        assert QueueEntry.objects.count() == 1

    def test_help_shows_an_example_and_what_is_lost(self, capsys):
        with pytest.raises(SystemExit) as end:
            call_command("prune_history", "--help")
        assert end.value.code == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "Example: manage.py prune_history --before" in text
        assert "verify_queue can replay only what has not been pruned" in text
