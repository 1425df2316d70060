"""Every alert has its section in the runbook, where the alert says that it is."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def anchor_of(heading: str) -> str:
    """Return what follows # in an address of the heading, as the site and code hosts make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def list_anchors(page: str) -> set[str]:
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}


def find_problems(alerts: list[dict], page: str) -> list[str]:
    """Return the alerts without a section of their name, and those that name another."""
    anchors = list_anchors(page)
    problems = []
    for alert in alerts:
        anchor = CAPITAL.sub("-", alert["alert"]).lower()
        if anchor not in anchors:
            problems.append(f"no section #{anchor}")
        if alert["annotations"]["runbook_url"] != f"docs/runbook.md#{anchor}":
            problems.append(f"{alert['alert']} names another section")
    return problems


def list_alerts() -> list[dict]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_every_alert_has_its_section():
    assert len(list_alerts()) > 10
    assert find_problems(list_alerts(), RUNBOOK.read_text()) == []


def test_no_section_is_of_an_alert_that_is_gone():
    names = {CAPITAL.sub("-", alert["alert"]).lower() for alert in list_alerts()}
    told = {anchor for anchor in list_anchors(RUNBOOK.read_text()) if anchor.startswith("encore-")}
    assert told <= names


def test_a_missing_section_would_be_found():
    (first, *_others) = list_alerts()
    wrong = {**first, "annotations": {"runbook_url": "docs/runbook.md#elsewhere"}}
    assert find_problems([wrong], "# The runbook\n") == [
        f"no section #{CAPITAL.sub('-', first['alert']).lower()}",
        f"{first['alert']} names another section",
    ]
