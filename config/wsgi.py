"""The WSGI application that granian serves."""

import multiprocessing
import os
import signal

if multiprocessing.parent_process() is not None:
    # A worker is forked with the handlers of granian's first process, which do nothing in it: until it has loaded
    # what follows and has its own, it would not notice that it is to end, and be killed after 5 s.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.embedded.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if os.environ.get("ENCORE_SUPERVISED") == "1":
    # A killed server process must not leave workers behind that hold the port.
    die_with_parent(signal.SIGKILL)

application = get_wsgi_application()
# Else the first request of each worker would wait for all addresses, and for the admin's pages, to be loaded.
get_resolver().url_patterns  # noqa: B018
