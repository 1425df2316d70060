"""`manage.py load_demo`."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core.clock import read_clock
from config.demo import is_loaded, list_sign_ins, load_demo


class Command(BaseCommand):
    """Loads the demo at the first start, and tells how to sign in at each."""

    help = (
        "Make the demo's concerts, customer and staff where they are missing, and print how to sign "
        "in. Example: manage.py load_demo --json"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="say whether anything is missing, and make nothing",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing and print the sign-ins."""
        if options["dry_run"]:
            self._foresee(as_json=options["json"])
            return
        password_file = settings.DATA_DIR / "staff_password"
        loaded = load_demo(password_file=password_file, now=read_clock())
        sign_ins = list_sign_ins(password_file=password_file)
        if options["json"]:
            result = {
                "loaded": loaded,
                "sign_ins": [asdict(sign_in) for sign_in in sign_ins],
                "dry_run": False,
            }
            self.stdout.write(json.dumps(result))
            return
        for sign_in in sign_ins:
            password = (
                sign_in.password or "(no longer kept here; change it with manage.py changepassword)"
            )
            self.stdout.write(f"{sign_in.role:<8}  {sign_in.email}  {password}")

    def _foresee(self, *, as_json: bool) -> None:
        missing = not is_loaded()
        if as_json:
            self.stdout.write(json.dumps({"loaded": missing, "sign_ins": [], "dry_run": True}))
        else:
            self.stdout.write("the demo would be loaded" if missing else "nothing is missing")
