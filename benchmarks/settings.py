"""Encore's settings, with one more address: the endpoint that does nothing, as a yardstick."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
# Nobody has collected the files of the pages.
WHITENOISE_USE_FINDERS = True
