"""How Sphinx makes the site of these pages. `make docs` builds it; every warning is an error."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

project = "Encore"
author = "the authors of Encore"
release = version = _PROJECT["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
# A link to a heading is checked like a link to a page: down to this level.
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"Encore {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
