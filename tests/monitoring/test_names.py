"""The comparison of names finds what is wrong; that nothing is, is proven in `tests/live/test_metrics.py`."""

import re
from pathlib import Path

import pytest
import yaml

from tests.monitoring.names import Asked, compare, list_panels, list_rules, read_exposition

DOCS = Path(__file__).resolve().parents[2] / "docs"
TOLD = read_exposition(
    """
# TYPE encore_queue_waiting gauge
encore_queue_waiting{room="main"} 3
# TYPE encore_concert_on_sale gauge
encore_concert_on_sale{concert="a",room="main"} 1
# TYPE encore_payments counter
encore_payments_total{concert="a"} 3
# TYPE seconds histogram
seconds_bucket{view="a",le="+Inf"} 1
seconds_count{view="a"} 1
seconds_sum{view="a"} 1
"""
)


def complain(expression, *labels):
    return compare(TOLD, [Asked(where="here", expression=expression, labels=set(labels))])


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ('max by (room) (encore_queue_waiting{room=~"$room", job="encore"})', ["room"]),
        ("time() - max(encore_queue_waiting) > 3", []),
        ("histogram_quantile(0.9, sum by (le, view) (rate(seconds_bucket[5m])))", ["view"]),
        (
            "sum by (room) (rate(encore_payments_total[5m]) * on (concert) group_left (room)"
            " encore_concert_on_sale)",
            ["room"],
        ),
        ("encore_queue_waiting and on (room) encore_concert_on_sale", ["instance"]),
        ("max(encore_queue_waiting) / max(encore_payments_total)", []),
        ("sum without (room) (encore_concert_on_sale)", ["concert"]),
        ('up{job="encore"} == 0', ["instance"]),
    ],
)
def test_what_is_there_is_found(expression, labels):
    assert complain(expression, *labels) == []


@pytest.mark.parametrize(
    ("expression", "labels", "complaint"),
    [
        ("max(encore_queue_wating)", [], "no metric 'encore_queue_wating'"),
        ("encore_payments", [], "no metric 'encore_payments'"),
        ('encore_queue_waiting{concert="a"}', [], "no label 'concert'"),
        ("sum by (concert) (encore_queue_waiting)", [], "no label 'concert'"),
        ("sum by (room) (max(encore_queue_waiting))", [], "no label 'room'"),
        ("max by (room) (encore_queue_waiting)", ["instance"], "no label 'instance'"),
        ("histogram_quantile(0.9, sum by (view) (seconds_bucket))", [], "no label 'le'"),
        (
            "histogram_quantile(0.9, sum by (le, view) (seconds_bucket))",
            ["le"],
            "no label 'le' in the text",
        ),
        ("max by (room) (encore_queue_waiting) > max(encore_payments_total)", [], "never match"),
        ("encore_queue_waiting > on (concert) encore_payments_total", [], "no label 'concert'"),
        (
            "encore_payments_total * on (concert) group_left (venue) encore_concert_on_sale",
            [],
            "no label 'venue'",
        ),
        ("sum by (", [], "unclosed left parenthesis"),
    ],
)
def test_what_is_not_there_is_complained_of(expression, labels, complaint):
    found = complain(expression, *labels)
    assert found
    assert any(complaint in line and line.startswith("here: ") for line in found), found


def test_what_a_rule_records_is_there_with_its_labels():
    rule = Asked(
        where="rule", expression="max by (room) (encore_queue_waiting)", record="encore:waiting:max"
    )
    good = Asked(where="a", expression='encore:waiting:max{room="a"}')
    bad = Asked(where="b", expression='encore:waiting:max{instance="a"}')
    assert compare(TOLD, [rule, good]) == []
    assert len(compare(TOLD, [rule, bad])) == 1
    assert len(compare(TOLD, [good, rule])) == 1


def test_every_file_is_read():
    """A dashboard or a rule that was not read would have no wrong names."""
    rules, panels = list(list_rules()), list(list_panels())
    assert sum(rule.record is not None for rule in rules) >= 5
    assert sum(rule.where.startswith("alerts.yml") for rule in rules) >= 12
    assert len(panels) > 30
    missing = {"encore_queue_waiting": {"room"}}
    complaints = compare(missing, [*rules, *panels])
    for name in ("rules.yml", "alerts.yml", "encore.json"):
        assert any(line.startswith(name) for line in complaints)


def list_alerts():
    alerts = yaml.safe_load((DOCS.parent / "deploy/prometheus/alerts.yml").read_text())
    return [rule for group in alerts["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", list_alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_how_bad_it_is_and_leads_to_its_runbook(alert):
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    anchor = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert["alert"]).lower()
    assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{anchor}"
    headings = re.findall(r"^#+ (.+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    anchors = {heading.strip().lower().replace(" ", "-") for heading in headings}
    assert anchor in anchors
