"""The admin site: who enters, and the pages that belong to no single model."""

from django.urls import URLPattern
from unfold.sites import UnfoldAdminSite

from apps.backoffice import urls


class BackOfficeSite(UnfoldAdminSite):
    """Where staff work."""

    def extra_urls(self) -> list[URLPattern]:
        """Return the pages of the back office beside those of its models."""
        return urls.list_pages(self)
