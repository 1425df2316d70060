"""What the metrics tell of the sweeps, and how a run is written down, whatever happens to the database."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, OperationalError, connection
from django.db.transaction import atomic
from django_celery_beat.models import PeriodicTask

from apps.core import sweeps
from apps.core.models import Heartbeat
from apps.core.sweeps import run_sweep
from config import guard, tasks
from config.metrics.sweeps import SCHEDULES
from config.schedules import ensure_schedules

SWEEP = "expire_holds"
GONE = "/nowhere/at/all"


@pytest.fixture
def stopwatch(monkeypatch):
    """A stopwatch that goes on by half a second whenever it is read."""
    times = iter(range(1_000))
    monkeypatch.setattr(sweeps, "perf_counter", lambda: next(times) / 2)


def fail(*, now):
    raise ZeroDivisionError


def figures(values, name=SWEEP):
    return {
        key[0].removeprefix("encore_sweep_"): value
        for key, value in values.items()
        if key[0].startswith("encore_sweep_") and key[1] == name
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now", "stopwatch")
class TestRuns:
    def test_what_has_never_run_is_told_all_the_same(self, read):
        ensure_schedules()
        assert figures(read()) == {
            "runs_total": 0,
            "failures_total": 0,
            "rows_total": 0,
            "seconds_total": 0,
            "last_seconds": 0,
            "lag_seconds": math.inf,
            "interval_seconds": 1,
        }

    def test_runs_add_up_and_the_last_stands_by_itself(self, read, clock_at_now):
        ensure_schedules()
        run_sweep(SWEEP, lambda now: 3)
        clock_at_now.move(seconds=7)
        run_sweep(SWEEP, lambda now: 4)
        clock_at_now.move(seconds=2)
        assert figures(read()) == {
            "runs_total": 2,
            "failures_total": 0,
            "rows_total": 7,
            "seconds_total": 1,
            "last_seconds": 0.5,
            "lag_seconds": 2,
            "interval_seconds": 1,
        }

    def test_a_failure_is_a_run_and_no_heartbeat(self, read, clock_at_now):
        run_sweep(SWEEP, lambda now: 3)
        clock_at_now.move(seconds=7)
        with pytest.raises(ZeroDivisionError):
            run_sweep(SWEEP, fail)
        told = figures(read())
        assert (told["runs_total"], told["failures_total"], told["rows_total"]) == (2, 1, 3)
        assert (told["seconds_total"], told["lag_seconds"]) == (1, 7)

    def test_what_has_only_failed_has_never_run_to_its_end(self, read):
        with pytest.raises(ZeroDivisionError):
            run_sweep(SWEEP, fail)
        told = figures(read())
        assert (told["runs_total"], told["failures_total"]) == (1, 1)
        assert told["lag_seconds"] == math.inf
        assert not Heartbeat.objects.beaten().exists()

    def test_a_clock_that_is_ahead_is_no_negative_lag(self, read, clock_at_now):
        run_sweep(SWEEP, lambda now: 0)
        clock_at_now.move(seconds=-5)
        assert figures(read())["lag_seconds"] == 0

    @pytest.mark.parametrize("done", ["switched off", "deleted"])
    def test_what_does_not_run_has_no_interval(self, read, done):
        ensure_schedules()
        schedule = PeriodicTask.objects.filter(name="expire-holds")
        schedule.delete() if done == "deleted" else schedule.update(enabled=False)
        assert figures(read())["interval_seconds"] == 0
        assert figures(read(), "admit_queue")["interval_seconds"] == 1

    def test_the_guard_is_one_of_them(self, read, room, fences):
        ensure_schedules()
        assert guard.NAME in SCHEDULES.values()
        assert tasks.guard_integrity() == 0
        told = figures(read(), guard.NAME)
        assert (told["runs_total"], told["interval_seconds"], told["lag_seconds"]) == (1, 60, 0)
        assert told["last_seconds"] > 0


class TestTheDatabaseIsInTheWay:
    @pytest.mark.django_db
    def test_the_first_error_is_the_one_that_is_raised(self, monkeypatch, caplog):
        def refuse(**_figures):
            raise OperationalError("no heartbeat either")

        monkeypatch.setattr(sweeps, "record_failure", refuse)
        with pytest.raises(ZeroDivisionError):
            run_sweep(SWEEP, fail)
        logged = [(record.levelno, record.getMessage()) for record in caplog.records]
        assert logged == [
            (logging.ERROR, "sweep expire_holds failed"),
            (logging.WARNING, "the failure of expire_holds was not counted: no heartbeat either"),
        ]

    @pytest.mark.django_db(transaction=True)
    def test_a_database_that_is_gone(self, monkeypatch, caplog):
        connection.close()
        with monkeypatch.context() as away:
            away.setitem(connection.settings_dict, "HOST", GONE)
            with pytest.raises(OperationalError, match=GONE):
                run_sweep(SWEEP, lambda now: Heartbeat.objects.count())
        assert "the failure of expire_holds was not counted" in caplog.text
        assert not Heartbeat.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_a_connection_that_was_lost_while_the_database_is_there(self):
        def lose(*, now):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(OperationalError):
            run_sweep(SWEEP, lose)
        assert Heartbeat.objects.get(name=SWEEP).failures == 1

    @pytest.mark.django_db(transaction=True)
    def test_what_is_done_around_a_dry_run_goes_on(self):
        """The failure of a dry run is rolled back with it, and breaks nothing before that."""

        def break_transaction(*, now):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

        with pytest.raises(DataError), atomic():
            run_sweep(SWEEP, break_transaction)
        assert not Heartbeat.objects.exists()
        run_sweep(SWEEP, lambda now: 1)
        assert Heartbeat.objects.get(name=SWEEP).runs == 1

    @pytest.mark.django_db(transaction=True)
    def test_two_that_run_at_once_lose_nothing(self, in_threads):
        in_threads(lambda: [run_sweep(SWEEP, lambda now: 1) for _ in range(20)], count=4)
        heartbeat = Heartbeat.objects.get(name=SWEEP)
        assert (heartbeat.runs, heartbeat.rows_touched) == (80, 80)


@pytest.fixture
def in_threads():
    """Return a runner of a function in threads with connections of their own."""

    def run(work, *, count):
        def alone():
            try:
                work()
            finally:
                connection.close()

        with ThreadPoolExecutor(count) as pool:
            for done in [pool.submit(alone) for _ in range(count)]:
                done.result()

    return run
