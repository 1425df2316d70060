"""The pages of the back office that belong to no single model."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern


def list_pages(site: AdminSite) -> list[URLPattern]:
    """Return the pages, each for members of staff alone; which of these, each page says itself."""
    return []
