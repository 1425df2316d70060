"""The documentation's site: it builds without a warning, so no link is broken and no page left out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Links of the pages that stand outside the site: of Markdown, with what follows # left off.
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)[^)]*\)")
OUTSIDE = ("README.md", "README.ko.md", "SECURITY.md")


def build(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of `source` as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", source, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def list_missing(page: Path) -> list[str]:
    """Return the links of a page to files that are not there."""
    return [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]


def test_the_site_builds_without_a_warning(tmp_path: Path):
    done = build(DOCS, tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    pages = {page.stem for page in DOCS.glob("*.md")}
    built = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert len(pages) > 10
    assert pages <= built


def test_a_broken_site_would_be_found(tmp_path: Path):
    source = tmp_path / "docs"
    source.mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text(
        "# Index\n\n[no such page](nowhere.md)\n\n[no such heading](other.md#nothing)\n\n"
        "![no such picture](nothing.png)\n\n```{toctree}\nother\n```\n"
    )
    (source / "other.md").write_text("# Other\n")
    (source / "orphan.md").write_text("# Orphan\n")
    done = build(source, tmp_path / "site")
    assert done.returncode == 1
    for word in ("nowhere.md", "nothing", "nothing.png", "orphan.md"):
        assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 4, done.stderr


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_pages_outside_the_site_have_no_broken_link(name: str):
    page = ROOT / name
    assert LINK.search(page.read_text())
    assert list_missing(page) == []


def test_a_broken_link_outside_the_site_would_be_found(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text(
        "[here](README.md#part) [gone](gone.md) [web](https://example.org/x.md) [#](#x)"
    )
    assert list_missing(page) == ["gone.md"]
