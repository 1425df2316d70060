"""The back office as an app, and Django's admin with its site."""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class BackOfficeConfig(AppConfig):
    """Pages for staff that show more than one app."""

    name = "apps.backoffice"


class EncoreAdminConfig(SimpleAdminConfig):
    """Django's admin on the back office's own site.

    Its pages are loaded with the addresses, `config.urls`: worker, beat and most commands have no use for them,
    and need 30 MB and half a second of processor time less.
    """

    default_site = "apps.backoffice.site.BackOfficeSite"

    def ready(self) -> None:
        """Register the checks, which must not find the admin empty because nobody has asked for it."""
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(**kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong with the admin's pages."""
    admin.autodiscover()
    return check_admin_app(**kwargs)
