"""What the back office shows of the libraries' tables."""

from django.contrib import admin
from django_otp.plugins.otp_static.admin import StaticDevice
from django_otp.plugins.otp_totp.admin import TOTPDevice

from apps.backoffice import schedules
from apps.backoffice.concerts import admin as concerts

__all__ = ["concerts", "schedules"]

# Whoever could read these could sign in as anybody: they have no page.
admin.site.unregister((TOTPDevice, StaticDevice))
