"""The examples of a page: commands in ```sh blocks, each with the answer that the page shows below it.

All run in one shell, in the page's order. What is shown must be what comes: the same fields, the same
values. What differs each time is compared by its form: ids, times, and where the page writes “…”.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$|^<!-- (?P<step>.*?) -->$", re.MULTILINE | re.DOTALL
)
ANSWERS = ("json", "http", "text")
LIMIT_S = 180
ELISION = "…"
MARK = "\x1e"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
DIGITS = re.compile(r"\d+")
# Numbers that are others each time, by the name of their field, and texts that have such a number in them.
VARYING = re.compile(r"(.*_)?ids?|alternatives|number|place|waiting|.*_seconds")
VARYING_TEXT = "reference"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A block of commands at a line of the page, and what is shown as its answer."""

    line: int
    commands: str
    kind: str = ""
    shown: str = ""


def read_examples(page: str, steps: Mapping[str, str] | None = None) -> list[Example]:
    """Return the examples of a page. `steps` are the commands for what its comments say, which a reader
    does by hand. Raise `ValueError` where an answer follows no commands."""
    examples: list[Example] = []
    for match in BLOCK.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        kind, text = match["kind"], match["text"]
        if match["step"]:
            examples.append(Example(line=line, commands=(steps or {})[match["step"]]))
        elif kind == "sh":
            examples.append(Example(line=line, commands=text))
        elif kind in ANSWERS:
            if not examples or examples[-1].kind:
                raise ValueError(f"line {line}: an answer to no commands")
            asked = examples.pop()
            examples.append(
                Example(line=asked.line, commands=asked.commands, kind=kind, shown=text)
            )
    return examples


def run_examples(examples: list[Example], *, environment: dict[str, str]) -> list[str]:
    """Run all commands in one shell and return what each example printed."""
    script = "".join(f"printf '{MARK}'\n{example.commands}\n" for example in examples)
    python = f"{sys.executable} {ROOT}/manage.py"
    done = subprocess.run(
        ["bash", "-e", "-c", script.replace(".venv/bin/python manage.py", python)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr}"
    return done.stdout.split(MARK)[1:]


def find_differences(example: Example, printed: str) -> list[str]:
    """Return how what was printed differs from what the page shows; nothing where it shows nothing."""
    match example.kind:
        case "json":
            return compare(json.loads(example.shown), json.loads(printed))
        case "http":
            return compare_http(example.shown, printed)
        case "text":
            return compare(example.shown.strip(), printed.strip())
    return []


def compare_http(shown: str, printed: str) -> list[str]:
    """Compare the status, the headers that are shown, and the body where one is shown."""
    shown_head, _, shown_body = shown.partition("\n\n")
    head, _, body = printed.replace("\r\n", "\n").partition("\n\n")
    (shown_status, *shown_headers), (status, *lines) = shown_head.splitlines(), head.splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    differences = compare(shown_status.strip(), status.strip(), "status")
    for line in shown_headers:
        name, _, value = line.partition(": ")
        real = headers.get(name.lower(), "no such header")
        differences += compare(value.strip().lower(), real.strip(), name)
    if shown_body.strip():
        differences += compare(json.loads(shown_body), json.loads(body))
    elif body.strip():
        differences.append("there is a body, and none is shown")
    return differences


def compare(shown: Any, real: Any, path: str = "", *, varies: bool = False) -> list[str]:
    """Return where `real` is not what is `shown`, each difference with its path."""
    where = path or "the answer"
    if isinstance(shown, dict) and isinstance(real, dict):
        differences = [f"{where}: {key} is not shown" for key in real.keys() - shown.keys()]
        differences += [f"{where}: there is no {key}" for key in shown.keys() - real.keys()]
        for key in shown.keys() & real.keys():
            one, other = shown[key], real[key]
            if key == VARYING_TEXT:
                one, other = DIGITS.sub("0", one), DIGITS.sub("0", other)
            varies = VARYING.fullmatch(key) is not None
            differences += compare(one, other, f"{path}.{key}", varies=varies)
        return differences
    if isinstance(shown, list) and isinstance(real, list):
        more = shown[-1:] == [ELISION]
        shown = shown[:-1] if more else shown
        if len(real) < len(shown) or (len(real) > len(shown) and not more):
            return [f"{where}: {len(shown)} are shown, {len(real)} came"]
        pairs = zip(shown, real, strict=False)
        return [
            difference
            for index, (one, other) in enumerate(pairs)
            for difference in compare(one, other, f"{path}[{index}]", varies=varies)
        ]
    if isinstance(shown, int) and isinstance(real, int) and varies:
        return []
    if type(shown) is type(real) and is_alike(shown, real):
        return []
    return [f"{where}: {shown!r} is shown, {real!r} came"]


def is_alike(shown: Any, real: Any) -> bool:
    """Say whether two plain values are the same, or two times, or as a text with “…” says."""
    if shown == real or not isinstance(shown, str):
        return bool(shown == real)
    if any(form.fullmatch(shown) and form.fullmatch(real) for form in (TIME, DATE)):
        return True
    parts = [re.escape(part) for part in shown.split(ELISION)]
    return len(parts) > 1 and re.fullmatch(".+".join(parts), real, re.DOTALL) is not None
