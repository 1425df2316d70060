from typing import Any

from django.apps import AppConfig
from django.apps import apps as current
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class QueueConfig(AppConfig):
    """The label is Django's, so the standard library's `queue` is not in the way."""

    name = "apps.queue"
    verbose_name = _("Waiting rooms")

    def ready(self) -> None:
        post_migrate.connect(make_main_room, sender=self, dispatch_uid="main_room")


def make_main_room(apps: Any = current, **_kwargs: Any) -> None:
    """Make the room `main` after migrating, but not half-way, where the tables are not yet, or no
    longer, what the code expects."""
    from apps.core.clock import read_clock
    from apps.queue.services import ensure_main_room

    if "queue" in apps.all_models and list_columns(apps) == list_columns(current):
        ensure_main_room(now=read_clock())


def list_columns(registry: Any) -> set[tuple[str, str]]:
    """Return the columns of the queue's tables in a registry of models."""
    models = registry.get_app_config("queue").get_models()
    return {(model.__name__, field.column) for model in models for field in model._meta.fields}
