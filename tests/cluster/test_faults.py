"""Two nodes under load, while one of them, or what both stand on, goes away and comes back."""

import time

import httpx
import pytest

from tests.cluster.campaign import Campaign, ask
from tests.cluster.cluster import NODES, WEB_PORT
from tests.faults.audit import audit
from tests.running.encore import wait_until

pytestmark = pytest.mark.timeout(900)

SWEEPS_AGAIN_WITHIN_S = 60.0
# What ends rows, and how its rows are found again.
ENDED_ROWS = {
    "expire_holds": "SELECT count(*) FROM reservations_reservation WHERE status = 'expired'",
    "expire_queue": "SELECT count(*) FROM queue_queueentry"
    " WHERE end_reason IN ('idle', 'session_over')",
}


def test_buyers_go_on_buying(aftermath: Campaign):
    too_long = {
        e.fault.name: aftermath.gap(e)
        for e in aftermath.episodes
        if aftermath.gap(e) > e.fault.gap_max_s
    }
    assert not too_long
    assert not [
        e.fault.name for e in aftermath.episodes if not bought_before_and_after(aftermath, e)
    ]


def bought_before_and_after(campaign, episode):
    before = campaign.per_minute(episode.quiet_since, episode.began)
    return min(before, campaign.per_minute(episode.well, episode.quiet_until)) > 0


def test_sweeps_go_on(aftermath: Campaign):
    late = {
        e.fault.name: aftermath.resumed(e)
        for e in aftermath.episodes
        if aftermath.resumed(e) > SWEEPS_AGAIN_WITHIN_S
    }
    assert not late
    for check in ("database", "broker", "sweeps"):
        for node in NODES:
            address = aftermath.cluster.network.hosts[node]
            assert ask(f"http://{address}:{WEB_PORT}/readyz?check={check}") == 200, (node, check)


def test_nothing_ends_by_itself(aftermath: Campaign):
    """Whatever went away, each program waits for it: nothing has to start it again."""
    assert not aftermath.ended_by_themselves


def test_nothing_acknowledged_is_lost_and_no_seat_is_sold_twice(aftermath: Campaign):
    with aftermath.cluster.connect() as connection:
        findings = audit(connection, aftermath.witness)
    assert not findings, "\n".join(findings)
    assert len(aftermath.purchases()) > 10 * len(aftermath.episodes)


def test_the_invariants_hold(aftermath: Campaign):
    """That nobody was overtaken is one of them."""
    checked = aftermath.cluster.manage("check_integrity", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_answer_was_out_of_order(aftermath: Campaign):
    assert not aftermath.witness.oddities, "\n".join(aftermath.witness.oddities)


def test_two_beats_end_nothing_twice(aftermath: Campaign):
    elapsed_s = aftermath.episodes[-1].quiet_until - aftermath.episodes[0].quiet_since
    with aftermath.cluster.connect() as connection:
        for name, query in ENDED_ROWS.items():
            (ended,) = connection.execute(query).fetchone()
            figures = "SELECT runs, rows_touched FROM core_heartbeat WHERE name = %s"
            runs, touched = connection.execute(figures, [name]).fetchone()
            # More than one beat could send, even though each was away for a while.
            assert runs > elapsed_s, name
            # Some are ended by whoever comes across them; never fewer than the sweeps say.
            assert touched <= ended, name


def test_what_everybody_asks_is_asked_once_a_second(aftermath: Campaign):
    url = f"{aftermath.cluster.proxy}/api/v1/queue/rooms/main"
    answers = [httpx.get(url, timeout=5) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    log = (aftermath.cluster.folder / "nginx.log").read_text()
    assert log.count('"cache":"HIT"') >= 10


def test_nginx_passes_a_dead_node_over(aftermath: Campaign):
    web = aftermath.cluster.process(NODES[0], "web")
    web.kill()
    try:
        began = time.monotonic()
        answers = [
            httpx.get(f"{aftermath.cluster.proxy}/api/v1/concerts", timeout=10) for _ in range(10)
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - began < 10
    finally:
        web.start()
        wait_until(web.is_up, seconds=30, what="the node is back")
