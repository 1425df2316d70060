"""Machines that are network namespaces of this one, on a bridge of their own, and a way to cut two apart.

Names and addresses are unique to the run. Whatever still runs in a namespace when it is taken down is
killed, by process id.
"""

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network

from tests.cluster.packages import run
from tests.running.encore import wait_until

ENDED_WITHIN_S = 15.0
# One of 16,384 networks that hardly anybody uses.
NETWORKS = IPv4Network("10.192.0.0/10")


class Network:
    """Hosts by name, each with an address; where the tests run is the outside, with the first one."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(3)
        self._bridge = f"eb{self.id}"
        self._network = choose_network()
        self._addresses = self._network.hosts()
        self.outside = str(next(self._addresses))
        self.hosts: dict[str, str] = {}

    def __enter__(self) -> "Network":
        try:
            run("ip", "link", "add", self._bridge, "type", "bridge")
            run("ip", "address", "add", f"{self.outside}/24", "dev", self._bridge)
            run("ip", "link", "set", self._bridge, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """Kill what is left on the hosts, and take them and the bridge down."""
        try:
            for pid in self.list_all_processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda: not self.list_all_processes(),
                seconds=ENDED_WITHIN_S,
                what="all processes of the cluster ended",
            )
        finally:
            for host in self.hosts:
                subprocess.run(["ip", "netns", "delete", self.namespace(host)], check=False)
            subprocess.run(["ip", "link", "delete", self._bridge], check=False)

    def add_host(self, name: str) -> str:
        """Make a host and return its address."""
        namespace, inner, outer = self.namespace(name), "eth0", f"e{self.id}{len(self.hosts)}"
        run("ip", "netns", "add", namespace)
        address = self.hosts[name] = str(next(self._addresses))
        # Never without the namespace: the name of the inner end is that of this machine's own card.
        link = ("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        run(*link, "netns", namespace)
        run("ip", "link", "set", outer, "master", self._bridge, "up")
        inside = ("ip", "-n", namespace)
        run(*inside, "address", "add", f"{address}/24", "dev", inner)
        run(*inside, "link", "set", inner, "up")
        run(*inside, "link", "set", "lo", "up")
        return address

    def namespace(self, host: str) -> str:
        """Return the name of the host's namespace."""
        return f"encore-{self.id}-{host}"

    def on(self, host: str) -> list[str]:
        """Return what to put before a command so that it runs on the host; it keeps the process id."""
        return ["ip", "netns", "exec", self.namespace(host)]

    def list_processes(self, host: str) -> list[int]:
        """Return the ids of what runs on a host."""
        command = ["ip", "netns", "pids", self.namespace(host)]
        listed = subprocess.run(command, check=False, capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def list_all_processes(self) -> list[int]:
        """Return the ids of what runs on any of the hosts."""
        return [pid for host in self.hosts for pid in self.list_processes(host)]

    @contextlib.contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """Lose every packet between two hosts. Neither is told: each just hears nothing any more."""
        for here, there in ((one, other), (other, one)):
            rules = (
                "add table inet cut\n"
                "add chain inet cut arriving { type filter hook input priority 0; }\n"
                f"add rule inet cut arriving ip saddr {self.hosts[there]} drop\n"
            )
            subprocess.run([*self.on(here), "nft", "-f", "-"], check=True, input=rules, text=True)
        try:
            yield
        finally:
            for host in (one, other):
                run(*self.on(host), "nft", "delete", "table", "inet", "cut")


def choose_network() -> IPv4Network:
    """Return a network that this machine does not use."""
    used = run("ip", "-4", "route")
    while True:
        number = secrets.randbelow(1 << 14)
        network = IPv4Network((int(NETWORKS.network_address) + (number << 8), 24))
        if str(network.network_address) not in used:
            return network


def require_namespaces() -> None:
    """Fail with the reason where hosts cannot be made here."""
    name = f"encore-try-{secrets.token_hex(3)}"
    tried = subprocess.run(
        ["ip", "netns", "add", name], check=False, capture_output=True, text=True
    )
    assert tried.returncode == 0, (
        f"The cluster is made of network namespaces, which cannot be made here: {tried.stderr.strip()}."
        " Run it as root on Linux, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN."
    )
    run("ip", "netns", "delete", name)
