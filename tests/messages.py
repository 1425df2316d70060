"""Compile the translations, or with `--check` say where they are stale or missing.

Needs no gettext on the machine: the sources are read by Python itself, the catalogues by polib.
"""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import polib
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
SOURCES = ("apps", "config")
MARKERS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
# What Django makes of a template's texts: `gettext('…')`, `ngettext('…', '…', count)`.
IN_TEMPLATE = re.compile(r"""(?:_|gettext|ngettext)\(u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""")
# Their texts may stand in our catalogues where they have no Korean of their own.
LIBRARIES = ("unfold", "import_export", "django_otp")


def list_sources() -> Iterator[str]:
    """Yield every text that the code and the templates mark for translation."""
    for folder in SOURCES:
        yield from list_texts(ROOT / folder)
    yield from list_template_texts(ROOT / "templates")


def list_texts(folder: Path) -> Iterator[str]:
    """Yield the texts that the code under a folder marks for translation."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in MARKERS
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield node.args[0].value


def list_template_texts(folder: Path) -> Iterator[str]:
    """Yield the texts that the templates under a folder mark for translation."""
    for path in sorted(folder.rglob("*.html")):
        for match in IN_TEMPLATE.finditer(templatize(path.read_text())):
            yield ast.literal_eval(match[1])


def list_library_texts() -> Iterator[str]:
    """Yield the texts of the libraries whose pages staff see."""
    for name in LIBRARIES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        yield from list_texts(Path(spec.origin).parent)
        yield from list_template_texts(Path(spec.origin).parent)


def find_problems() -> list[str]:
    """Return what is missing, unused or not compiled."""
    # Templates are read without the project's settings.
    settings.configured or settings.configure()
    wanted = set(list_sources())
    allowed = wanted | set(list_library_texts())
    problems = []
    for path in CATALOGUES:
        catalogue = polib.pofile(str(path))
        translated = {entry.msgid for entry in catalogue if entry.translated()}
        problems += [f"{path}: not translated: {text}" for text in sorted(wanted - translated)]
        unused = {entry.msgid for entry in catalogue} - allowed
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
