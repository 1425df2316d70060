"""Which code is the old one, and where it runs: from git, on packages of its own where these differ."""

import importlib.metadata
import io
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.running.encore import ROOT

MIGRATIONS = (":(glob)apps/*/migrations/*.py", ":(glob)config/migrations/*.py")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s#]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Version:
    """Code that can be run: its folder, its interpreter, and what people call it."""

    name: str
    folder: Path
    python: str


def working_tree() -> Version:
    """Return the code that is being worked on."""
    return Version(name="new", folder=ROOT, python=sys.executable)


def find_old_commit() -> str:
    """Return the newest commit whose schema is older than the working tree's; `ENCORE_OLD` overrides it."""
    if chosen := os.environ.get("ENCORE_OLD"):
        return git("rev-parse", "--verify", f"{chosen}^{{commit}}").decode().strip()
    if git("status", "--porcelain", "--", *MIGRATIONS).strip():
        return git("rev-parse", "HEAD").decode().strip()
    return git("rev-list", "-1", "HEAD", "--", *MIGRATIONS).decode().strip() + "^"


def check_out(commit: str, *, folder: Path) -> Version:
    """Put the code of a commit into `folder` and return it, with the packages that it is pinned to."""
    code = folder / "code"
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(code, filter="data")
    python = sys.executable
    if not are_installed(code / "requirements.txt"):
        environment = folder / "environment"
        python = str(environment / "bin" / "python")
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", code / "requirements.txt"], check=True)
    return Version(name="old", folder=code, python=python)


def are_installed(requirements: Path) -> bool:
    """Say whether this interpreter has each package in the version that is asked for."""
    try:
        return all(
            importlib.metadata.version(name) == version
            for name, version in _PIN.findall(requirements.read_text())
        )
    except importlib.metadata.PackageNotFoundError:
        return False


def git(*arguments: str) -> bytes:
    """Return what git prints. Raises `subprocess.CalledProcessError`."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
