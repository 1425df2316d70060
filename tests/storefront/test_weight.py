"""How much a phone has to load."""

import gzip
import secrets
from pathlib import Path

import apps

APPS = Path(next(iter(apps.__path__)))
STATIC = (APPS / "storefront" / "static" / "storefront", APPS / "core" / "static" / "seating")
# All scripts and styles together, compressed one by one as they are sent.
LIMIT_BYTES = 100_000


def weigh(folder):
    files = [path for path in folder.rglob("*") if path.suffix in (".js", ".css")]
    assert files
    return sum(len(gzip.compress(path.read_bytes())) for path in files)


def test_script_and_style_are_light():
    assert sum(map(weigh, STATIC)) < LIMIT_BYTES


def test_a_heavy_script_is_found(tmp_path):
    (tmp_path / "library.js").write_bytes(secrets.token_bytes(LIMIT_BYTES))
    assert weigh(tmp_path) > LIMIT_BYTES
