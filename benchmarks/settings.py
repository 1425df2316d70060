"""Encore's settings, with one more address: the endpoint that does nothing, as a yardstick."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
