"""Compile the translations, or with `--check` say where they are stale or missing.

Needs no gettext on the machine: the sources are read by Python itself, the catalogues by polib.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
SOURCES = ("apps", "config")
MARKERS = {"_", "gettext", "gettext_lazy"}


def list_sources() -> Iterator[str]:
    """Yield every text that the code marks for translation."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in MARKERS
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                ):
                    yield node.args[0].value


def find_problems() -> list[str]:
    """Return what is missing, unused or not compiled."""
    wanted = set(list_sources())
    problems = []
    for path in CATALOGUES:
        catalogue = polib.pofile(str(path))
        translated = {entry.msgid for entry in catalogue if entry.translated()}
        problems += [f"{path}: not translated: {text}" for text in sorted(wanted - translated)]
        unused = {entry.msgid for entry in catalogue} - wanted
        problems += [f"{path}: no longer used: {text}" for text in sorted(unused)]
        compiled = path.with_suffix(".mo")
        if not compiled.exists() or compiled.read_bytes() != catalogue.to_binary():
            problems.append(f"{compiled}: run `make messages`")
    return problems


def main() -> int:
    if "--check" in sys.argv:
        problems = find_problems()
        print("\n".join(problems) or "translations are complete")
        return int(bool(problems))
    for path in CATALOGUES:
        path.with_suffix(".mo").write_bytes(polib.pofile(str(path)).to_binary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
