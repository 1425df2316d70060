"""The back office as an app, and Django's admin with its site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AppConfig):
    """Pages for staff that show more than one app."""

    name = "apps.backoffice"


class EncoreAdminConfig(AdminConfig):
    """Django's admin on the back office's own site."""

    default_site = "apps.backoffice.site.BackOfficeSite"
