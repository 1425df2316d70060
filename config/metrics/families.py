"""Tables of figures: one metric for each column, one of its values for each row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


@dataclass(frozen=True)
class Column:
    """A metric: its name, `_total` at its end where it only ever grows, and what it means."""

    name: str
    help: str


def make_metrics(
    columns: Sequence[Column],
    labels: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Sequence[float]]],
) -> Iterator[Metric]:
    """Yield a metric for each column from rows of label values and figures, in the columns' order."""
    metrics = [
        CounterMetricFamily(column.name, column.help, labels=labels)
        if column.name.endswith("_total")
        else GaugeMetricFamily(column.name, column.help, labels=labels)
        for column in columns
    ]
    for values, figures in rows:
        for metric, figure in zip(metrics, figures, strict=True):
            metric.add_metric(values, figure)
    yield from metrics
