from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class QueueConfig(AppConfig):
    """The label is Django's, so the standard library's `queue` is not in the way."""

    name = "apps.queue"
    verbose_name = _("Waiting rooms")

    def ready(self) -> None:
        from apps.queue.services import ensure_main_room

        post_migrate.connect(
            lambda **_kwargs: ensure_main_room(), sender=self, weak=False, dispatch_uid="main_room"
        )
