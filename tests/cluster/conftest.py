"""The clusters that faults are injected into. Only `make test-cluster` runs these tests."""

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.campaign import Campaign, SweepWatch, describe
from tests.cluster.cluster import POOLED, STRAIGHT, Cluster, Variant
from tests.cluster.injections import POOLED_FAULTS, STRAIGHT_FAULTS
from tests.cluster.network import require_namespaces
from tests.cluster.packages import install_packages
from tests.faults.buyers import Load
from tests.faults.concert import prepare
from tests.faults.witness import Witness

# A line for each request of each buyer would bury what a failing test has to say.
logging.getLogger("httpx").setLevel(logging.WARNING)

BUYERS = 12
SEATS_PER_DATE = 60
FAULTS = {STRAIGHT.name: STRAIGHT_FAULTS, POOLED.name: POOLED_FAULTS}
FIGURES = Path(tempfile.gettempdir()) / "encore-cluster.json"

_reports: list[dict[str, Any]] = []


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """What the cluster's machines run."""
    require_namespaces()
    install_packages()


@contextlib.contextmanager
def under_load(cluster: Cluster) -> Iterator[Campaign]:
    """Let buyers buy, at both nodes and through nginx, while the block injects faults."""
    tokens = prepare(cluster.manage, cluster.folder, buyers=BUYERS, seats_per_date=SEATS_PER_DATE)
    witness = Witness()
    with (
        SweepWatch(cluster) as watch,
        Load(accesses=tokens, addresses=cluster.addresses(), witness=witness, loyal=True) as load,
    ):
        campaign = Campaign(cluster, load, witness, watch)
        campaign.warm_up()
        try:
            yield campaign
        finally:
            _reports.append(campaign.report())
            FIGURES.write_text(json.dumps(_reports, ensure_ascii=False, indent=2))


# One cluster at a time: a parameter of this scope is over before the next one begins.
@pytest.fixture(scope="session", params=[STRAIGHT, POOLED], ids=["straight", "pooled"])
def aftermath(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """A cluster that has been through every fault under load, with what its buyers were told."""
    variant: Variant = request.param
    with Cluster(variant) as cluster:
        with under_load(cluster) as campaign:
            campaign.strike_all(FAULTS[variant.name])
        yield campaign


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures, and where they are kept."""
    for report in _reports:
        terminalreporter.write_line("")
        terminalreporter.write_line(describe(report))
    if _reports:
        terminalreporter.write_line(f"\nThe figures are in {FIGURES}.")
