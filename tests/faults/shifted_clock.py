"""Encore's web application on a machine whose clock is wrong by `FAULTS_CLOCK_SHIFT_S` seconds."""

import os
from datetime import timedelta
from types import SimpleNamespace

from django.utils import timezone

from apps.core import clock
from config.wsgi import application

__all__ = ["application"]

_shift = timedelta(seconds=int(os.environ["FAULTS_CLOCK_SHIFT_S"]))
clock.timezone = SimpleNamespace(now=lambda: timezone.now() + _shift)
