"""The Celery application, configured by the `CELERY_` settings."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

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


@setup_logging.connect
def keep_django_logging(**_kwargs: object) -> None:
    """Leave the logging to Django's `LOGGING`: one format for web, worker and beat."""
