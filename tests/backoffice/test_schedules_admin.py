"""The schedules of beat in the admin: one look says whether everything runs."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.utils import translation
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from apps.backoffice import schedules
from apps.core.heartbeats import record_heartbeat
from config.schedules import GUARD, SWEEPS
from tests.factories import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

LIST = "/admin/django_celery_beat/periodictask/"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def everything_runs():
    for _name, task, _description in (*SWEEPS, GUARD):
        record_heartbeat(name=task.rpartition(".")[2], now=NOW - timedelta(seconds=1))
    PeriodicTask.objects.filter(task__startswith="celery.").delete()


def fetch(client, language="en"):
    answer = client.get(LIST, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.content.decode()


def state_of(name, *, at=NOW):
    task = schedules.with_heartbeats(PeriodicTask.objects.all()).get(name=name)
    return schedules.state_of(task, now=at)


@pytest.mark.parametrize(("language", "word"), [("en", "Everything runs."), ("ko", "모두 정상")])
def test_one_look_says_that_everything_runs(admin_client, everything_runs, language, word):
    page = fetch(admin_client, language)
    assert word in page
    with translation.override(language):
        for title in schedules.TITLES.values():
            assert str(title) in page


@pytest.mark.usefixtures("everything_runs")
def test_one_that_is_late_is_named(admin_client, clock_at_now):
    clock_at_now.move(seconds=30)
    record_heartbeat(name="guard_integrity", now=NOW)
    for name in ("expire_queue", "expire_holds", "refund_called_off"):
        record_heartbeat(name=name, now=NOW + timedelta(seconds=30))
    page = fetch(admin_client)
    assert "Everything runs." not in page
    assert "1 is late: Letting people into the rooms" in " ".join(page.split())


@pytest.mark.usefixtures("everything_runs")
def test_one_that_is_off_is_named(admin_client):
    PeriodicTask.objects.filter(name="guard-integrity").update(enabled=False)
    page = fetch(admin_client)
    assert "Everything runs." not in page
    assert "1 is switched off: Checking the invariants" in " ".join(page.split())


@pytest.mark.parametrize(("silent_s", "state"), [(15, "on time"), (17, "late")])
def test_a_sweep_of_each_second_is_late_when_readyz_says_so(silent_s, state):
    record_heartbeat(name="admit_queue", now=NOW - timedelta(seconds=silent_s))
    assert state_of("admit-queue") == state


@pytest.mark.parametrize(("silent_s", "state"), [(600, "on time"), (601, "late")])
def test_the_guard_may_miss_as_many_beats(silent_s, state):
    record_heartbeat(name="guard_integrity", now=NOW - timedelta(seconds=silent_s))
    assert state_of("guard-integrity") == state


def test_what_never_ran_says_so_and_is_not_late(admin_client):
    assert state_of("admit-queue") == "never"
    page = " ".join(fetch(admin_client).split())
    assert "5 have not run yet: Letting people into the rooms," in page
    assert "Everything runs." not in page


def test_what_has_no_heartbeat_is_known_by_what_beat_writes_down():
    nightly = CrontabSchedule.objects.create(minute="0", hour="4", timezone="UTC")
    four = NOW.replace(hour=4)
    PeriodicTask.objects.create(
        name="nightly", task="apps.other.tasks.nightly", crontab=nightly, last_run_at=four
    )
    task = schedules.with_heartbeats(PeriodicTask.objects.all()).get(name="nightly")
    assert schedules.last_run(task) == four


def test_a_list_of_many_takes_few_queries(admin_client, django_assert_max_num_queries):
    interval = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.SECONDS)
    for number in range(40):
        PeriodicTask.objects.create(name=f"t{number}", task=f"a.b{number}", interval=interval)
    with django_assert_max_num_queries(12):
        fetch(admin_client)
    with django_assert_max_num_queries(12):
        admin_client.get("/admin/django_celery_beat/intervalschedule/")


def form_of(task, **changes):
    form = {
        "name": task.name,
        "task": task.task,
        "description": task.description,
        "enabled": "on",
        "interval": task.interval_id or "",
        "crontab": task.crontab_id or "",
        "args": task.args,
        "kwargs": task.kwargs,
        "expire_seconds": task.expire_seconds or "",
    }
    return {**form, **changes}


def change_url(task):
    return f"{LIST}{task.pk}/change/"


def test_staff_slow_a_sweep_down_and_switch_it_off(admin_client):
    task = PeriodicTask.objects.get(name="admit-queue")
    slow = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.SECONDS)
    form = form_of(task, interval=slow.pk)
    del form["enabled"]
    assert admin_client.post(change_url(task), form).status_code == 302
    task.refresh_from_db()
    assert (task.interval, task.enabled, task.task) == (slow, False, "apps.queue.tasks.admit_queue")


@pytest.mark.parametrize("both", [True, False])
def test_one_timing_is_asked_for_in_words(admin_client, both):
    task = PeriodicTask.objects.get(name="admit-queue")
    before = task.interval_id
    crontab = CrontabSchedule.objects.create(minute="0")
    changes = {"crontab": crontab.pk} if both else {"interval": ""}
    answer = admin_client.post(change_url(task), form_of(task, **changes), headers=ENGLISH)
    errors = answer.context["adminform"].form.errors
    assert errors == {"interval": ["Choose an interval or a crontab, one of the two."]}
    task.refresh_from_db()
    assert (task.interval_id, task.crontab_id) == (before, None)


def test_a_task_that_does_not_exist_cannot_be_chosen(admin_client):
    page = admin_client.get(f"{LIST}add/").content.decode()
    assert "apps.queue.tasks.admit_queue" in page
    assert 'name="regtask"' not in page


@pytest.mark.parametrize("model", ["periodictask", "intervalschedule", "crontabschedule"])
def test_nothing_is_deleted_as_what_runs_by_it_would_go_too(admin_client, model):
    CrontabSchedule.objects.create(minute="0")
    row = admin.site._registry
    shown = next(kind for kind in row if kind._meta.model_name == model)
    count = shown.objects.count()
    url = f"/admin/django_celery_beat/{model}/{shown.objects.first().pk}/delete/"
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert shown.objects.count() == count


def test_what_encore_does_not_use_is_not_shown():
    assert not {SolarSchedule, ClockedSchedule} & set(admin.site._registry)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "every second"), (5, "every 5 seconds"), (60, "every minute"), (300, "every 5 minutes")],
)
def test_intervals_are_told_in_words(seconds, words, settings):
    settings.LANGUAGE_CODE = "en"
    assert schedules.describe_seconds(seconds) == words
