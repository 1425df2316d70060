"""The Celery application, configured by the `CELERY_` settings."""

import os
import re
import signal
from typing import Any

from celery import Celery
from celery.app import utils
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
)
from django.conf import settings

from apps.core.request_ids import begin_work, current_work, end_work

# Under which a task carries the id of the request that sent it.
REQUEST_ID = "request_id"

# `celery report` shows every setting, and hides what its name says is secret: with these, addresses that
# have a password in them too.
celery_report: Any = utils
celery_report.HIDDEN_SETTINGS = re.compile(
    celery_report.HIDDEN_SETTINGS.pattern + "|URL|CONNINFO|CONN_STRING|LOCATION", re.IGNORECASE
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Worker and beat would run Django's checks and look at no result: 40 MB and half a second for addresses and
# admin pages, which neither has any use for.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("encore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def wake_by_notification(conf: Any = None, **_kwargs: object) -> None:
    """Have PostgreSQL wake the worker when a task arrives, where it is the broker.

    The worker alone asks for it: asking replaces a trigger, and beat doing the same at the same moment
    would end in a deadlock.
    """
    if settings.BROKER_IS_PGMQ:
        conf.broker_transport_options = {**conf.broker_transport_options, "use_notify": True}


@beat_init.connect
def end_at_once(**_kwargs: object) -> None:
    """End beat as soon as it is told to: it keeps nothing that it would have to write down.

    Celery's own handler saves the schedule, in the middle of whatever beat is doing; where that is a
    statement, it waits for the connection that it has itself, for good.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_received: os._exit(0))


@setup_logging.connect
def keep_django_logging(**_kwargs: object) -> None:
    """Leave the logging to Django's `LOGGING`: one format for web, worker and beat."""


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_kwargs: object) -> None:
    """Let a task carry the id of the request, task or command that sends it."""
    if request_id := current_work().request_id:
        headers[REQUEST_ID] = request_id


@task_prerun.connect
def begin_task(task: Any, task_id: str, **_kwargs: object) -> None:
    """Name what is logged by the id that the task carries, else, as of beat's, by the task's own."""
    request_id = task.request.get(REQUEST_ID) or task_id
    task.request.work = begin_work(request_id=request_id, caller=task.name)


@task_postrun.connect
def end_task(task: Any, **_kwargs: object) -> None:
    """End what `begin_task` began."""
    end_work(task.request.work)
