"""Fixtures of the tests of seats."""

from typing import Any, NamedTuple

import pytest
from rest_framework.test import APIClient

from tests.reservations.support import BAD_TOKENS, assert_refused, make_bad_client


class BadToken(NamedTuple):
    """A client whose token lets nobody in, and the answer that it gets."""

    client: APIClient
    status: int
    code: str
    fields: dict[str, Any]

    def assert_refuses(self, answer: Any) -> None:
        assert_refused(answer, self.status, self.code, **self.fields)


@pytest.fixture
def room(room):
    """The room `main`, with time enough inside to see deadlines pass."""
    room.idle_seconds = room.session_seconds = 3_600
    room.save()
    return room


@pytest.fixture(params=BAD_TOKENS)
def bad_token(request, room, customer, sign_in, clock_at_now):
    client = make_bad_client(request.param, customer=customer, room=room, sign_in=sign_in)
    return BadToken(client, *BAD_TOKENS[request.param])
