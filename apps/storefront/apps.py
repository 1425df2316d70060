"""The storefront as an app."""

from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """What a customer sees in a browser. It is a client of the public API and imports no other app."""

    name = "apps.storefront"
