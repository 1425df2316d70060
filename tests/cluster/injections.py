"""The faults, one function each. Each blocks for as long as its fault lasts and leaves none of it behind."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.cluster import NODES, Cluster
from tests.cluster.processes import Process

# For as long as an operator, or what restarts programs for one, needs to start one again.
DOWN_S = 10.0
CUT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault. `gap_max_s` is how long buyers altogether may go without a purchase."""

    name: str
    inject: Callable[[Cluster], None]
    gap_max_s: float


def kill_for_a_while(process: Process) -> None:
    """Kill a program with all that it has started; start it again later."""
    process.kill()
    time.sleep(DOWN_S)
    process.start()


def kill_web(cluster: Cluster) -> None:
    kill_for_a_while(cluster.process(NODES[0], "web"))


def kill_worker(cluster: Cluster) -> None:
    kill_for_a_while(cluster.process(NODES[0], "worker"))


def kill_beat(cluster: Cluster) -> None:
    kill_for_a_while(cluster.process(NODES[0], "beat"))


def restart_broker(cluster: Cluster) -> None:
    """Stop the broker, and with it the cache where they are one; start it again with nothing in it."""
    broker = cluster.broker
    broker.stop()
    time.sleep(DOWN_S)
    broker.start()


def restart_postgres(cluster: Cluster) -> None:
    """Stop PostgreSQL as an upgrade of its package does, and start it again."""
    server = cluster.processes["postgres"]
    server.stop()
    server.start()


def kill_postgres(cluster: Cluster) -> None:
    """Kill PostgreSQL's first process; its others end when they notice, and what it did is recovered."""
    server = cluster.processes["postgres"]
    server.kill_first()
    server.start()


def restart_pgbouncer(cluster: Cluster) -> None:
    pooler = cluster.processes["pgbouncer"]
    pooler.stop()
    pooler.start()


def cut_node_off(cluster: Cluster) -> None:
    """Lose every packet between a node and the database, while buyers and nginx still reach the node."""
    with cluster.network.cut(NODES[1], "database"):
        time.sleep(CUT_S)


NODE_FAULTS = (
    # Buyers use the other node.
    Fault(name="web server of a node killed", inject=kill_web, gap_max_s=30),
    Fault(name="worker of a node killed", inject=kill_worker, gap_max_s=15),
    Fault(name="beat of a node killed", inject=kill_beat, gap_max_s=15),
    # What only sweeps need.
    Fault(name="broker restarted", inject=restart_broker, gap_max_s=15),
    Fault(name="node cut off from the database", inject=cut_node_off, gap_max_s=30),
)
STRAIGHT_FAULTS = (
    *NODE_FAULTS,
    Fault(name="PostgreSQL restarted", inject=restart_postgres, gap_max_s=30),
)
POOLED_FAULTS = (
    *NODE_FAULTS,
    Fault(name="PostgreSQL killed", inject=kill_postgres, gap_max_s=30),
    Fault(name="PgBouncer restarted", inject=restart_pgbouncer, gap_max_s=30),
)
