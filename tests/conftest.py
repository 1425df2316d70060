"""Fixtures that more than one folder of tests needs."""

import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.models import User
from apps.concerts.models import Performance, Seat
from apps.core import clock, request_ids
from apps.queue.models import QueueEntry, WaitingRoom
from apps.reservations import seat_lists
from tests.factories import (
    NOW,
    PerformanceFactory,
    QueueEntryFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)

# Tests ask the site for its pages before anybody has asked for an address.
admin.autodiscover()

# Who is started in the background, or by `nohup`, is told to ignore these, and so are the processes that tests
# start: they shall notice Ctrl-C and the end of a terminal all the same.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let tests with real connections empty the ledger between them; one test puts the fence back."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wallet_walletentry DISABLE TRIGGER wallet_entry_no_truncate")


@pytest.fixture
def fences(db: None) -> Iterator[None]:
    """Put the one fence back that these tests do without."""
    with connection.cursor() as cursor:
        # Rows that are still to be checked would keep the table from being altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE wallet_walletentry ENABLE TRIGGER wallet_entry_no_truncate")
        yield
        if not connection.in_atomic_block:
            cursor.execute(
                "ALTER TABLE wallet_walletentry DISABLE TRIGGER wallet_entry_no_truncate"
            )


@pytest.fixture(autouse=True)
def _nothing_is_being_done() -> None:
    """Forget the request and the command of the tests before: a thread keeps the id of its last request until the
    next, and a process that of its command for good."""
    request_ids._run.request_id = request_ids._run.caller = ""
    request_ids._work.set(request_ids._run)


@pytest.fixture(autouse=True)
def _quick_and_clean(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    seat_lists.kept_dates.clear()
    # A test asks again sooner than anybody could.
    monkeypatch.setattr(seat_lists, "LOOK_SHARED_MS", 0)


class Clock:
    """A clock that tests move. Views, tasks and commands read it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def move(self, **delta: float) -> datetime:
        """Move by a timedelta's arguments and return the new time."""
        self.now += timedelta(**delta)
        return self.now


@pytest.fixture
def clock_at_now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock of the interfaces at `NOW`; move it with `move(seconds=…)`.

    Access tokens are checked by the real clock, so those of `sign_in` are good whatever this says.
    """
    stopped = Clock(NOW)
    monkeypatch.setattr(clock, "timezone", SimpleNamespace(now=lambda: stopped.now))
    return stopped


@pytest.fixture
def roles(db: None) -> None:
    """The roles of staff, as the migrations make them: tests with real connections empty every table."""
    import_module("apps.backoffice.migrations.0001_roles").make_roles(apps, None)


@pytest.fixture
def room(db: None) -> WaitingRoom:
    return RoomFactory()


@pytest.fixture
def performance(room: WaitingRoom) -> Performance:
    return PerformanceFactory()


@pytest.fixture
def seats(performance: Performance) -> list[Seat]:
    return make_seats(performance, 4)


@pytest.fixture
def customer(db: None) -> User:
    return UserFactory()


@pytest.fixture
def sign_in() -> Callable[..., APIClient]:
    """Return a maker of API clients: `sign_in(customer)`, `sign_in(customer, entry)`."""

    def make(customer: User, entry: QueueEntry | None = None, **headers: str) -> APIClient:
        client = APIClient(raise_request_exception=False)
        headers["HTTP_AUTHORIZATION"] = f"Bearer {AccessToken.for_user(customer)}"
        if entry is not None:
            headers["HTTP_X_QUEUE_TOKEN"] = f"token-{entry.number}"
        client.credentials(**headers)
        return client

    return make


@pytest.fixture
def admitted(room: WaitingRoom, customer: User) -> QueueEntry:
    """The customer's entry, admitted to `main` at `NOW`; its token is `token-<number>`."""
    return QueueEntryFactory(room=room, customer=customer, admitted=True)


@pytest.fixture
def buyer(
    sign_in: Callable[..., APIClient], customer: User, admitted: QueueEntry, clock_at_now: Clock
) -> APIClient:
    """A client of a customer who is inside `main`, with the clock at `NOW`."""
    return sign_in(customer, admitted)
