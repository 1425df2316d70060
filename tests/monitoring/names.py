"""Compares every name in the dashboard, the rules and the alerts with what `/metrics` really tells.

    python -m tests.monitoring.names http://127.0.0.1:8000/metrics

A panel that asks for a metric or a label that there is not shows nothing, and an alert never fires: no
program would say so. Of a server, it needs one purchase behind it, or there are metrics without values.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import promql_parser as promql
import yaml
from prometheus_client.parser import text_string_to_metric_families

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = ("rules.yml", "alerts.yml")
DASHBOARD = DEPLOY / "grafana" / "encore.json"
# Prometheus gives these to every series that it reads, and tells one of its own.
TARGET = {"job", "instance"}
OWN = {"up": TARGET}
SET_OPERATORS = {"and", "or", "unless"}
# {{ $labels.room }} of an alert, {{room}} of a panel.
_ALERT_LABEL = re.compile(r"\$labels\.(\w+)")
_PANEL_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_VARIABLE = re.compile(r"label_values\((\w+), (\w+)\)")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An expression, where it stands, the labels that the text beside it names, and what it records."""

    where: str
    expression: str
    labels: set[str] = field(default_factory=set)
    record: str | None = None


def read_exposition(text: str) -> dict[str, set[str]]:
    """Return the labels of every sample, by its name."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            names.setdefault(sample.name, set(TARGET)).update(sample.labels)
    return names


def list_rules(folder: Path = DEPLOY / "prometheus") -> Iterator[Asked]:
    """Yield the rules and the alerts, those that record something first."""
    for name in RULES:
        for group in yaml.safe_load((folder / name).read_text())["groups"]:
            for rule in group["rules"]:
                texts = " ".join(rule.get("annotations", {}).values())
                yield Asked(
                    where=f"{name}: {rule.get('alert') or rule['record']}",
                    expression=rule["expr"],
                    labels=set(_ALERT_LABEL.findall(texts)),
                    record=rule.get("record"),
                )


def list_panels(path: Path = DASHBOARD) -> Iterator[Asked]:
    """Yield what the dashboard's panels and variables ask for."""
    dashboard = json.loads(path.read_text())
    for variable in dashboard["templating"]["list"]:
        found = _VARIABLE.fullmatch(variable["definition"])
        assert found, f"not understood: {variable['definition']}"
        yield Asked(
            where=f"{path.name}: ${variable['name']}", expression=found[1], labels={found[2]}
        )
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(
                where=f"{path.name}: {panel['title']}",
                expression=target["expr"].replace("$__rate_interval", "5m"),
                labels=set(_PANEL_LABEL.findall(target["legendFormat"])),
            )


def compare(told: dict[str, set[str]], asked: Iterable[Asked]) -> list[str]:
    """Return what is wrong, where; nothing where all that is asked for is told."""
    known = {**OWN, **told}
    complaints: list[str] = []
    for each in asked:
        reader = Reader(known)
        try:
            labels = reader.labels_of(promql.parse(each.expression)) or set()
        except ValueError as error:
            complaints.append(f"{each.where}: {error}")
            continue
        reader.require(each.labels, labels, f"the text beside {each.expression.strip()}")
        complaints += [f"{each.where}: {complaint}" for complaint in reader.complaints]
        if each.record:
            known[each.record] = labels
    return complaints


class Reader:
    """Reads one expression: the labels that its result has, and what is wrong on the way."""

    def __init__(self, known: dict[str, set[str]]) -> None:
        self.known = known
        self.complaints: list[str] = []

    def require(self, wanted: Iterable[str], there: set[str], what: str) -> None:
        """Complain of labels that are not there."""
        for label in sorted(set(wanted) - there):
            self.complaints.append(f"no label {label!r} in {what}")

    def labels_of(self, node: Any) -> set[str] | None:
        """Return the labels of a node's result; None of a number."""
        match node:
            case promql.VectorSelector():
                return self._read_selector(node)
            case promql.MatrixSelector():
                return self._read_selector(node.vector_selector)
            case promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
                return self.labels_of(node.expr)
            case promql.AggregateExpr():
                return self._read_aggregate(node)
            case promql.Call():
                return self._read_call(node)
            case promql.BinaryExpr():
                return self._read_binary(node)
        return None

    def _read_selector(self, node: Any) -> set[str]:
        if node.name not in self.known:
            self.complaints.append(f"no metric {node.name!r}")
            return set()
        labels = self.known[node.name]
        self.require((matcher.name for matcher in node.matchers.matchers), labels, node.name)
        return set(labels)

    def _read_aggregate(self, node: Any) -> set[str]:
        inner = self.labels_of(node.expr) or set()
        if node.modifier is None:
            return set()
        named = set(node.modifier.labels)
        self.require(named, inner, str(node.expr))
        return named if node.modifier.type == promql.AggModifierType.By else inner - named

    def _read_call(self, node: Any) -> set[str] | None:
        parts = [labels for part in node.args if (labels := self.labels_of(part)) is not None]
        if not parts:
            return None
        labels = set().union(*parts)
        if node.func.name == "histogram_quantile":
            self.require(["le"], labels, str(node))
            labels -= {"le"}
        return labels

    def _read_binary(self, node: Any) -> set[str] | None:
        left, right = self.labels_of(node.lhs), self.labels_of(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        modifier = node.modifier
        matching = modifier and modifier.matching
        if not matching:
            if left != right:
                self.complaints.append(f"never match: {sorted(left)} and {sorted(right)} in {node}")
            return left
        if matching.type != promql.LabelModifierType.Include:
            self.complaints.append(f"say what is matched `on`: {node}")
        named = set(matching.labels)
        self.require(named, left, str(node.lhs))
        self.require(named, right, str(node.rhs))
        if str(node.op) in SET_OPERATORS:
            return left
        taken = set(modifier.group_labels or ())
        match modifier.card:
            case promql.VectorMatchCardinality.ManyToOne:
                self.require(taken, right, str(node.rhs))
                return left | taken
            case promql.VectorMatchCardinality.OneToMany:
                self.require(taken, left, str(node.lhs))
                return right | taken
        return named


def main(arguments: list[str]) -> int:
    """Compare with what a server tells; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("address", help="of /metrics")
    parser.add_argument("--token", default="", help="METRICS_TOKEN")
    options = parser.parse_args(arguments)
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    answer = httpx.get(options.address, headers=headers, timeout=30)
    answer.raise_for_status()
    asked = [*list_rules(), *list_panels()]
    complaints = compare(read_exposition(answer.text), asked)
    print("\n".join(complaints) or f"{len(asked)} expressions: all that they name is there")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
