"""What is read from the database is read anew by every test."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.metrics.database import COLLECTOR


@pytest.fixture(autouse=True)
def _nothing_kept():
    COLLECTOR.forget()


@pytest.fixture
def read(client):
    """Return a reader of `/metrics`: every sample by its name and its labels' values, in order."""

    def read_metrics():
        COLLECTOR.forget()
        answer = client.get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    return read_metrics
