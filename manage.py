#!/usr/bin/env python
"""Operators' entry point: `python manage.py help`."""

import os
import sys


def main() -> int:
    """Run one management command; a wrong setting ends with one plain line instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018  loads the settings, and with them the environment
    except ImproperlyConfigured as error:
        print(f"Encore cannot start: {error}", file=sys.stderr)
        return 1
    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
