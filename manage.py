#!/usr/bin/env python
"""Operators' entry point: `python manage.py help`."""

import os
import sys


def main() -> int:
    """Run one management command; a wrong setting ends with one plain line instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018  loads the settings, and with them the environment
    except ImproperlyConfigured as error:
        print(f"Encore cannot start: {error}", file=sys.stderr)
        return 1
    from config.command_line import run

    return run(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
