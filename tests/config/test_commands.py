"""What every command of ours keeps, and how each ends: `docs/commands.md` tells of them all."""

import argparse
import io
import os
import re
import signal
from pkgutil import iter_modules

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection
from django.db.transaction import atomic
from django.utils.translation import get_language

from apps.core.errors import Busy
from config import command_line
from config.management.commands import create_customers, load_concerts
from tests.config.processes import ROOT, manage, managing

DOCS = (ROOT / "docs" / "commands.md").read_text()

# What an operator was promised.
PROMISED = {
    *("up", "load_concerts", "export_concerts", "create_customer", "create_customers"),
    *("admit_queue", "expire_queue", "expire_holds", "room", "queue_status", "remove_from_queue"),
    *("release_hold", "refund_payment", "check_integrity", "export_sales", "prune_history"),
    "rehearse_onsale",
}
# They change nothing.
READERS = {"check_integrity", "export_concerts", "export_sales", "queue_status", "verify_queue"}
# Starts everything, and shows it.
SUPERVISOR = {"up"}
# Django's own with another way of waiting: its options are Django's, `--plan` for `--dry-run`.
DJANGOS = {"migrate"}


def find_commands():
    """Return the apps of our commands by their names."""
    found = {}
    for folder in [ROOT / "config", *(ROOT / "apps").iterdir()]:
        commands = folder / "management" / "commands"
        if commands.is_dir():
            app = ".".join(folder.relative_to(ROOT).parts)
            found |= {module.name: app for module in iter_modules([str(commands)])}
    return found


APPS = find_commands()
OURS = sorted(APPS.keys() - DJANGOS)


def make_parser(name):
    return load_command_class(APPS[name], name).create_parser("manage.py", name)


def list_options(name):
    """Return the options of a command of its own, by their strings."""
    inherited = {
        option
        for action in BaseCommand().create_parser("manage.py", name)._actions
        for option in action.option_strings
    }
    return {
        option: action
        for action in make_parser(name)._actions
        for option in action.option_strings
        if option not in inherited
    }


def test_what_was_promised_is_there():
    assert set(OURS) >= PROMISED


@pytest.mark.parametrize("name", OURS)
class TestEach:
    def test_help_says_what_it_does_with_an_example_that_it_takes(self, name):
        parser = make_parser(name)
        told = f"{parser.description} {parser.epilog or ''}"
        example = re.search(rf"Example: (?:\w+=\S+ )?(?:python )?manage\.py {name}\b(.*)", told)
        assert example, told
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                assert action.help or action.metavar, action
        options = set(re.findall(r"(?<=\s)--[a-z-]+", example[1]))
        assert options <= set(list_options(name)), options

    def test_what_writes_can_be_rehearsed(self, name):
        if name not in READERS | SUPERVISOR:
            assert "--dry-run" in list_options(name)
        else:
            assert "--dry-run" not in list_options(name)

    def test_programs_can_read_what_it_says(self, name):
        assert ("--json" in list_options(name)) == (name not in SUPERVISOR)

    def test_it_is_in_the_manual_with_every_option_and_an_example(self, name):
        section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", DOCS, re.DOTALL | re.MULTILINE)
        assert section, f"docs/commands.md has no section {name}"
        missing = [option for option in list_options(name) if option not in section[1]]
        assert missing == []
        assert f"$ python manage.py {name}" in section[1]


def test_the_manual_tells_of_no_other():
    assert set(re.findall(r"^### (\w+)$", DOCS, re.MULTILINE)) == set(APPS)
    for name, option in re.findall(r"manage\.py (\w+)[^\n|]*?(--[a-z-]+)", DOCS):
        if name in OURS:
            assert option in list_options(name), f"{name} {option}"


def test_a_command_without_an_example_would_be_found():
    help_of = load_command_class("django.core", "check").create_parser("manage.py", "check")
    assert "Example:" not in help_of.format_help()


# How they end


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line on a command that ends in some way; return its status and last words."""
    before = signal.getsignal(signal.SIGTERM)

    def run(how, *arguments):
        def end(_arguments):
            if isinstance(how, BaseException):
                raise how
            how()

        monkeypatch.setattr(command_line, "execute_from_command_line", end)
        status = command_line.run(["manage.py", "check", *arguments])
        return status, capfd.readouterr().err

    yield run
    signal.signal(signal.SIGTERM, before)


class TestTheEnd:
    def test_well(self, run):
        assert run(lambda: None) == (0, "")

    def test_by_ctrl_c_or_sigterm(self, run):
        told = "Stopped. What was not finished was undone; it can be run again.\n"
        assert run(KeyboardInterrupt()) == (130, told)
        assert run(lambda: os.kill(os.getpid(), signal.SIGTERM)) == (130, told)

    def test_without_the_database(self, run):
        assert run(OperationalError("gone\n  away")) == (
            *(1, "The database did not answer: gone away\n"),
        )
        assert run(Busy()) == (1, "The database did not answer: it is busy\n")
        busy = Busy()
        busy.__cause__ = OperationalError("deadlock")
        assert run(busy) == (1, "The database did not answer: deadlock\n")
        with pytest.raises(OperationalError):
            run(OperationalError("gone"), "--traceback")

    def test_an_error_of_ours_is_no_silence_of_the_database(self, run):
        with pytest.raises(ZeroDivisionError):
            run(ZeroDivisionError())

    def test_english_is_spoken(self, run):
        spoken = []
        run(lambda: spoken.append(get_language()))
        assert spoken == ["en"]


class TestStopped:
    """Commands of many steps say how far they came."""

    def test_create_customers(self, db, monkeypatch, tmp_path):
        real, calls = create_customers.make_customers, []

        def stop_at_the_second(**options):
            calls.append(options)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(**options)

        monkeypatch.setattr(create_customers, "make_customers", stop_at_the_second)
        monkeypatch.setattr(create_customers, "BATCH", 2)
        err = io.StringIO()
        tokens = str(tmp_path / "tokens.csv")
        with pytest.raises(CommandError) as caught:
            call_command("create_customers", "5", "--access-tokens", tokens, stderr=err)
        assert str(caught.value) == "Stopped; the first 2 are there. Run it again."
        assert caught.value.returncode == 130
        assert err.getvalue() == "2 of 5\n"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("as_json", [True, False])
    def test_load_concerts(self, monkeypatch, as_json):
        results = iter([{"file": "a", "loaded": True, "errors": [], "rooms": {}, "concerts": []}])

        def load(_self, _name, *, dry_run):
            try:
                return next(results)
            except StopIteration:
                raise KeyboardInterrupt from None

        monkeypatch.setattr(load_concerts.Command, "_load", load)
        out = io.StringIO()
        with pytest.raises(CommandError, match=r"Stopped; 2 of 3 files were not loaded") as caught:
            call_command("load_concerts", "a", "b", "c", json=as_json, stdout=out)
        assert caught.value.returncode == 130
        assert ('"file": "a"' in out.getvalue()) == as_json


# Nobody listens on port 9.
AWAY = {"DATABASE_URL": "postgresql://encore:secret@127.0.0.1:9/encore"}


@pytest.mark.django_db(transaction=True)
class TestTheProcess:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("room", "main", "pause", "--reason", "x"),
            ("create_customer", "fan@encore.example"),
            ("release_hold", "1", "--reason", "x"),
            ("export_sales", "iu-2026"),
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_without_a_database_it_ends_with_a_line_and_one(self, arguments):
        done = manage(*arguments, **AWAY)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "secret" not in done.stderr

    def test_what_is_told_goes_to_stdout_and_progress_to_stderr(self, tmp_path):
        done = manage("create_customers", "1001", "--json")
        assert done.returncode == 0
        assert done.stdout.startswith('{"customers": 1001')
        assert done.stderr.splitlines() == ["1,000 of 1,001", "1,001 of 1,001"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ctrl_c_and_sigterm_say_how_far_it_came(self, number):
        with managing("create_customers", "1000000", "--prefix", "x") as process:
            assert process.stderr.readline() == "1,000 of 1,000,000\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (130, "")
        assert "Traceback" not in err
        last = err.splitlines()[-1]
        assert re.fullmatch(
            r"CommandError: Stopped; the first [\d,]+,000 are there. Run it again.", last
        )

    def test_a_command_of_one_transaction_is_undone(self, room):
        with atomic(), connection.cursor() as cursor:
            # It waits for this row, so it is in the middle when it is stopped.
            cursor.execute("SELECT 1 FROM queue_waitingroom FOR UPDATE")
            with managing("room", "main", "close", "--reason", "x") as process:
                wait_until_somebody_waits(cursor)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=30)
            assert (process.returncode, out) == (130, "")
            assert err.startswith("Stopped.")
        room.refresh_from_db()
        assert room.state == "open"


def wait_until_somebody_waits(cursor):
    """Wait until another connection waits for a lock; the statement sees each moment anew."""
    for _attempt in range(3_000):
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), pg_sleep(0.01), count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock'"
        )
        if cursor.fetchone()[2]:
            return
    raise AssertionError("nobody waits")
