"""`manage.py up`: the embedded default, see `config.embedded.up`."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.embedded.programs import Options
from config.embedded.terminal import Terminal
from config.embedded.up import run

_PROJECT_DIR = Path(__file__).resolve().parents[3]
_HIGHEST_PORT = 65_535


class Command(BaseCommand):
    """Run everything on this machine until Ctrl-C."""

    help = (
        "Run Encore on this machine: database, web server, worker and beat, with demo data. "
        "Ctrl-C stops everything; the data stays under DATA_DIR."
    )
    epilog = "Example: python manage.py up --no-demo --port 8080"
    # The database is what this command starts, so nothing may be asked of it before.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Add the example below the options."""
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=self.epilog,
            formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--no-demo", action="store_true", help="load no demo data")
        parser.add_argument(
            "--port",
            type=int,
            default=settings.PORT,
            help="port to listen on (default: PORT, %(default)s)",
        )
        parser.add_argument(
            "--stop-with-parent",
            action="store_true",
            help="stop when the process that started this one ends, as `make run` wants",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Supervise until told to stop, and exit with 0 only then."""
        port: int = options["port"]
        if not 1 <= port <= _HIGHEST_PORT:
            self.stderr.write(f"--port must be from 1 to {_HIGHEST_PORT}, not {port}.")
            sys.exit(2)
        status = run(
            options=Options(
                project_dir=_PROJECT_DIR,
                data_dir=settings.DATA_DIR,
                host=getattr(settings, "HOST", "127.0.0.1"),
                port=port,
                web_workers=settings.WEB_WORKERS,
                environment={
                    "DEBUG": "0",
                    "SECRET_KEY": settings.SECRET_KEY,
                    "ALLOWED_HOSTS": ",".join(settings.ALLOWED_HOSTS),
                    "DATA_DIR": str(settings.DATA_DIR),
                },
                embedded_database=settings.EMBEDDED_DATABASE,
                broker_conninfo=settings.BROKER_CONNINFO if settings.BROKER_IS_PGMQ else "",
                broker_queues=[settings.CELERY_TASK_DEFAULT_QUEUE],
                # Its sign-ins are known to everybody: nothing for a database of somebody's own.
                load_demo=settings.EMBEDDED_DATABASE and not options["no_demo"],
                stop_with_parent=options["stop_with_parent"],
            ),
            terminal=Terminal(sys.stdout),
        )
        sys.exit(status)
