"""The project as an app: it holds the operators' commands, and makes the Celery application and the beat schedules."""

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models.signals import post_migrate


class EncoreConfig(AppConfig):
    """Makes the application that tasks are sent by; registers the making of the schedules after each migration."""

    name = "config"
    verbose_name = "Encore"

    def ready(self) -> None:
        if settings.TRACING_ENABLED:
            from config import tracing

            tracing.start()
        # Here and not with the package: the supervisor and the web server's first process need no Celery, 9 MB.
        from config import (
            celery,  # noqa: F401  makes the application
            checks,  # noqa: F401  registers the database check
        )
        from config.schedules import ensure_schedules

        # Of the app whose tables they are in: Django tells nobody of an app without models.
        post_migrate.connect(
            lambda **_kwargs: ensure_schedules(),
            sender=apps.get_app_config("django_celery_beat"),
            weak=False,
            dispatch_uid="schedules",
        )
