"""The polls a second of docs/scaling.md are what the code's own rule gives."""

import re
from pathlib import Path

import pytest

from apps.queue import limits
from apps.queue.estimates import estimate_wait_s, poll_interval_s
from apps.queue.models import Turnstile, WaitingRoom
from tests.factories import NOW

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
CAPACITY, SESSION_S = 500, 600
# As many draws of chance as tell their mean.
JITTERS = [(step + 0.5) / 20 for step in range(20)]


def make_room(*, waiting: int, idle_s: int) -> WaitingRoom:
    room = WaitingRoom(
        slug="x", state="open", capacity=CAPACITY, idle_seconds=idle_s, session_seconds=SESSION_S
    )
    room.turnstile = Turnstile(room=room, admitted=CAPACITY, waiting=waiting)
    return room


def polls_per_s(*, waiting: int, idle_s: int) -> float:
    """Return how often a line asks a second: each position as often as it is told to."""
    room = make_room(waiting=waiting, idle_s=idle_s)

    def rate(position: int) -> float:
        wait_s = estimate_wait_s(room, position, now=NOW)
        asked_s = [
            poll_interval_s(room, wait_s=wait_s, position=position, jitter=jitter)
            for jitter in JITTERS
        ]
        return len(asked_s) / sum(asked_s)

    # Behind this position the idle limit alone decides, alike for all.
    soonest_per_s = CAPACITY / limits.SESSION_MIN_S
    front = min(waiting, int(idle_s * limits.POLL_IDLE_FRACTION * soonest_per_s) + 1)
    return sum(map(rate, range(1, front + 1))) + (waiting - front) * rate(waiting)


def read_table() -> list[tuple[int, int, int]]:
    """Return waiting, idle limit and polls a second of each cell."""
    table = PAGE.read_text().split("<!-- polls: begin -->\n")[1].split("<!-- polls: end -->")[0]
    head, _line, *rows = table.splitlines()
    idle_limits = [int(number) for number in re.findall(r"idle (\d+) s", head)]
    cells = [[int(n) for n in re.findall(r"\d+", row.replace(",", ""))] for row in rows]
    return [
        (waiting, idle_s, polls)
        for waiting, *told in cells
        for idle_s, polls in zip(idle_limits, told, strict=True)
    ]


@pytest.mark.parametrize(("waiting", "idle_s", "told"), read_table())
def test_the_page_tells_how_often_a_line_asks(waiting: int, idle_s: int, told: int):
    assert polls_per_s(waiting=waiting, idle_s=idle_s) == pytest.approx(told, rel=0.005)


def test_the_table_is_read():
    assert (1_000_000, 300, 11_452) in read_table()
    assert polls_per_s(waiting=1_000, idle_s=60) != pytest.approx(100, rel=0.005)
