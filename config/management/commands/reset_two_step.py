"""`manage.py reset_two_step`."""

import json
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User, normalise_email
from apps.backoffice.two_step.services import reset_two_step
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import DomainError
from config.staff import add_reason, describe_error, read_actor


class Command(BaseCommand):
    """Takes the two-step sign-in of a member of staff away, who has lost it."""

    help = (
        "Take the two-step sign-in of a member of staff away, with its recovery codes, so that the "
        "password is enough until it is set up anew. Make sure first that it is they who ask. "
        'Example: manage.py reset_two_step clerk@encore.example --reason "lost the phone; called back"'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("email", metavar="EMAIL", help="who signs in with it")
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="check, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take it away, and say so."""
        email: str = options["email"]
        dry_run: bool = options["dry_run"]
        user = User.objects.filter(email=normalise_email(email)).first()
        if user is None:
            raise CommandError(f"There is nobody with the e-mail {email!r}.")
        actor = read_actor(options)
        try:
            with rehearsal() if dry_run else nullcontext():
                reset_two_step(
                    user_id=user.pk, actor=actor, reason=options["reason"], now=read_clock()
                )
        except DomainError as error:
            raise CommandError(f"{email}: {describe_error(error)} Nothing was changed.") from None
        result = {"email": user.email, "dry_run": dry_run}
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
        else:
            verb = "would be taken away" if dry_run else "taken away"
            self.stdout.write(f"{user.email}: two-step sign-in {verb}")
