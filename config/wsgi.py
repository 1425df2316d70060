"""The WSGI application that granian serves."""

import os
import signal

from django.core.wsgi import get_wsgi_application

from config.embedded.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if os.environ.get("ENCORE_SUPERVISED") == "1":
    # A killed server process must not leave workers behind that hold the port.
    die_with_parent(signal.SIGKILL)

application = get_wsgi_application()
