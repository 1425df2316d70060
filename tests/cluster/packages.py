"""What the cluster's machines run: Debian's packages, installed where they are absent, and a newer Debian."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Programs and the packages that bring them. `nft` and `ip` make the network and cut it.
PACKAGES = {
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "/usr/sbin/pgbouncer": "pgbouncer",
    "/usr/bin/redis-server": "redis-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "/usr/sbin/nginx": "nginx-light",
    "/usr/sbin/ip": "iproute2",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/debootstrap": "debootstrap",
}
NEWER = "trixie"
NEWER_PACKAGES = "postgresql-17,pgbouncer,valkey-server"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "encore-cluster"
# What Debian asks before it starts a service that it has installed; 101 means no.
POLICY = Path("/usr/sbin/policy-rc.d")


def install_packages() -> None:
    """Install what is absent, without anything being started by it."""
    absent = [package for program, package in PACKAGES.items() if not Path(program).exists()]
    if not absent:
        return
    with no_services():
        run("apt-get", "update")
        run("apt-get", "install", "--yes", "--no-install-recommends", *absent)


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Have Debian start no service meanwhile."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def bootstrap_newer() -> Path:
    """Return the root folder of a newer Debian, made at first need and kept in the user's cache."""
    root = CACHE / NEWER
    if not root.exists():
        unfinished = CACHE / f"{NEWER}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        try:
            run(
                "debootstrap", "--variant=minbase", f"--include={NEWER_PACKAGES}", NEWER, unfinished
            )
            unfinished.rename(root)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return root


def run(*command: object) -> str:
    """Run a command and return its output; fail with what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
