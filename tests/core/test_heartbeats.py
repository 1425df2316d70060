"""The sweeps' heartbeats."""

from datetime import timedelta

import pytest

from apps.core.heartbeats import record_failure, record_heartbeat, silent_sweeps
from apps.core.models import Heartbeat
from tests.factories import NOW

pytestmark = pytest.mark.django_db

NAMES = ["admit_queue", "expire_queue"]


def silent_after(seconds):
    return silent_sweeps(names=NAMES, now=NOW + timedelta(seconds=seconds))


def test_who_never_ran_is_silent():
    record_heartbeat(name="expire_queue", now=NOW)
    assert silent_after(0) == ["admit_queue"]


def test_a_later_beat_takes_the_place_of_an_earlier_one():
    record_heartbeat(name="admit_queue", now=NOW)
    record_heartbeat(name="admit_queue", now=NOW + timedelta(seconds=5))
    assert Heartbeat.objects.get().beat_at == NOW + timedelta(seconds=5)


def test_who_has_only_failed_is_silent():
    record_failure(name="admit_queue", seconds=1)
    record_heartbeat(name="expire_queue", now=NOW)
    assert silent_after(0) == ["admit_queue"]
    assert [beat.name for beat in Heartbeat.objects.beaten()] == ["expire_queue"]


def test_a_run_is_one_statement(django_assert_num_queries):
    record_heartbeat(name="admit_queue", now=NOW)
    with django_assert_num_queries(1):
        record_heartbeat(name="admit_queue", now=NOW, rows=3, seconds=0.5)


@pytest.mark.parametrize(("sweep_seconds", "silence_s"), [(1, 15), (60, 600)])
def test_a_heart_has_stopped_after_ten_beats_and_fifteen_seconds(
    settings, sweep_seconds, silence_s
):
    settings.SWEEP_SECONDS = sweep_seconds
    for name in NAMES:
        record_heartbeat(name=name, now=NOW)
    assert silent_after(silence_s - 1) == []
    assert silent_after(silence_s) == NAMES
