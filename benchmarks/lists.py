"""How long the lists of the back office take over many rows: `make bench-lists`.

Staff's pages are asked for through Django's test client, from the request to the last tag, in a database
as `make bench-integrity` makes it, with more places in line. The figures go into docs/performance.md.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

import django
import psycopg

from benchmarks.integrity import DATABASE, fill
from benchmarks.queue.report import table
from benchmarks.servers import ROOT, Workbench, describe_machine, workbench

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-lists: begin -->\n", "<!-- bench-lists: end -->\n"
ROUNDS = 5
DEEP_PAGE = 100
# What somebody may type: an address, a number, a seat, a reference, words that are nowhere.
SEARCHES = (
    "c7@encore.example", "c7", "42", "A 1-12", "payment:42", "reservation:42", "wallet:42", "첫눈",
)  # fmt: skip
LISTS = (
    "queue.queueentry",
    "reservations.reservation",
    "payments.payment",
    "wallet.wallet",
    "wallet.walletentry",
    "concerts.seat",
    "accounts.user",
)

# Behind the places of those who bought: more that have ended, and one in ten that waits.
MORE_ENTRIES = (
    "SET session_replication_role = replica",
    """INSERT INTO queue_queueentry (room_id, customer_id, number, place, token_hash, state, joined_at,
              ended_at, ended_turn, end_reason)
       SELECT w.id, 1 + n %% %(count)s, n, n, sha256(n::text::bytea), becomes, now(),
              CASE becomes WHEN 'ended' THEN now() END, CASE becomes WHEN 'ended' THEN 1 END,
              CASE becomes WHEN 'ended' THEN 'left' ELSE '' END
         FROM (SELECT n, CASE WHEN n > %(entries)s - %(count)s / 2 THEN 'waiting' ELSE 'ended' END
                         AS becomes
                 FROM generate_series(%(count)s + 1, %(entries)s) AS n) AS numbers
        CROSS JOIN queue_waitingroom w WHERE w.slug = 'main'""",
    """INSERT INTO queue_presence (entry_id, last_seen_at)
       SELECT id, now() FROM queue_queueentry WHERE state = 'waiting'""",
    "UPDATE queue_dispenser SET last_number = %(entries)s",
    # The rows above have numbers of their own; whoever signs in gets one behind them.
    "SELECT setval(pg_get_serial_sequence('accounts_user', 'id'), 9 * %(count)s)",
    "RESET session_replication_role",
    "ANALYZE",
)


def url_of(label: str) -> str:
    """Return the address of the list of “app.model”."""
    from django.urls import reverse

    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def list_requests(client: Any, label: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what staff ask of a list, and how: the first page, the second, searches, and each choice of
    each filter."""
    changelist = client.get(url_of(label)).context["cl"]
    yield "first page", {}
    if changelist.multi_page:
        yield "second page", {"p": "2"}
    if changelist.search_fields:
        yield from (("search", {"q": text}) for text in SEARCHES)
    for spec in changelist.filter_specs:
        for choice in spec.choices(changelist):
            if "form" in choice:
                yield from (("filter", chosen) for chosen in _list_choices(choice["form"]))
            elif "query_string" in choice:
                yield "filter", dict(parse_qsl(choice["query_string"].lstrip("?")))


def _list_choices(form: Any) -> Iterator[dict[str, str]]:
    """Yield what the form of one of Unfold's filters may send."""
    from django.forms import ModelChoiceField

    for name, field in form.fields.items():
        if isinstance(field, ModelChoiceField):
            yield from ({name: str(row.pk)} for row in field.queryset[:1])
        else:
            choices = getattr(field, "choices", ())
            yield from ({name: str(value)} for value, _text in choices if value)


def measure(client: Any, label: str, parameters: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds that a page's statements take, and all of it: the medians of some rounds."""
    from django.db import connection

    took = []
    for _round in range(ROUNDS):
        statements_s = 0.0

        def watch(execute: Any, *arguments: Any) -> Any:
            nonlocal statements_s
            began = time.perf_counter()
            try:
                return execute(*arguments)
            finally:
                statements_s += time.perf_counter() - began

        began = time.perf_counter()
        with connection.execute_wrapper(watch):
            answer = client.get(url_of(label), parameters)
        took.append((statements_s * 1_000, (time.perf_counter() - began) * 1_000))
        if answer.status_code != 200:
            raise RuntimeError(f"{label} {parameters} answered {answer.status_code}")
    statements, pages = zip(*took, strict=True)
    return statistics.median(statements), statistics.median(pages)


def measure_list(client: Any, label: str) -> list[str]:
    """Return the row of a list: its pages, and the slowest of its searches and filters."""
    from django.apps import apps

    taken: dict[str, list[tuple[float, float, str]]] = {}
    for how, parameters in [
        *list_requests(client, label),
        (f"page {DEEP_PAGE}", {"p": str(DEEP_PAGE)}),
    ]:
        asked = "&".join(f"{name}={value}" for name, value in parameters.items())
        taken.setdefault(how, []).append((*measure(client, label, parameters), asked))
    rows = apps.get_model(label)._default_manager.count()
    cells = [label, f"{rows:,}"]
    for how in ("first page", "second page", f"page {DEEP_PAGE}"):
        cells.append(_describe(max(taken[how])) if how in taken else "")
    for how in ("search", "filter"):
        slowest = max(taken[how]) if how in taken else None
        cells.append(f"{_describe(slowest)} (`{slowest[2]}`)" if slowest else "")
    return cells


def _describe(took: tuple[float, float, str]) -> str:
    statements, page, _asked = took
    return f"{statements:.0f}, {page:.0f} ms"


def add_entries(bench: Workbench, *, count: int, entries: int) -> None:
    """Add places in line until there are so many, and staff who look at them."""
    parameters = {"count": count, "entries": entries}
    with bench.connect(DATABASE, user="postgres") as connection:
        for statement in MORE_ENTRIES:
            psycopg.ClientCursor(connection).execute(statement, parameters)


def write(rows: Sequence[Sequence[str]]) -> str:
    """Put the figures into the page; return them."""
    head = [
        f"In PostgreSQL, in all; median of {ROUNDS}", "rows", "first page", "second page", f"page {DEEP_PAGE}",
        "slowest search", "slowest filter",
    ]  # fmt: skip
    measured = f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {describe_machine()}.\n\n"
    text = measured + table(head, rows)
    section = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.write_text(section.sub(lambda _match: BEGIN + text + END, PAGE.read_text()))
    return text


def main() -> int:
    """Make a database, ask for every big list, and write the times down."""
    parser = argparse.ArgumentParser(prog="make bench-lists", description=__doc__)
    parser.add_argument("--reservations", type=int, default=200_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    with workbench() as bench:
        bench.make_database(DATABASE)
        os.environ.update(bench.environment(DATABASE))
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        from django.test import Client
        from django.test.utils import setup_test_environment

        from apps.accounts.models import User
        from apps.queue.apps import make_main_room

        setup_test_environment()
        make_main_room()
        fill(bench, count=options.reservations)
        add_entries(bench, count=options.reservations, entries=options.entries)
        client = Client()
        client.force_login(User.objects.create_superuser("staff@bench.example", None))
        print(write([measure_list(client, label) for label in LISTS]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
