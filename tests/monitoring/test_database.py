"""Metrics that are read from the database: when, what where it is away, and that they are nobody's."""

import re

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.tokens import AccessToken

from config import readiness
from config.metrics import database
from tests.factories import NOW, QueueEntryFactory, UserFactory, make_seats
from tests.reservations.support import make_paid

PARTS = {"line", "sale", "seats", "sweeps", "integrity"}


@pytest.mark.django_db
class TestReading:
    def test_all_parts_are_read(self, read):
        values = read()
        told = {key[1]: value for key, value in values.items() if key[0] == "encore_metrics_read"}
        assert told == dict.fromkeys(PARTS, 1)
        assert values["encore_database_up",] == 1

    def test_readiness_is_told_by_check(self, read, monkeypatch):
        monkeypatch.setitem(readiness.CHECKS, "broker", lambda: "")
        values = read()
        # No sweep has run yet.
        assert values["encore_ready", "database"] == 1
        assert values["encore_ready", "broker"] == 1
        assert values["encore_ready", "sweeps"] == 0

    def test_a_part_that_fails_is_left_out_and_the_others_are_told(self, read, monkeypatch, room):
        def refuse(_now):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

        monkeypatch.setitem(database.PARTS, "sale", database.Part(refuse))
        values = read()
        told = {key[1]: value for key, value in values.items() if key[0] == "encore_metrics_read"}
        assert told == {**dict.fromkeys(PARTS, 1), "sale": 0}
        assert values["encore_queue_waiting", "main"] == 0
        assert values["encore_integrity_broken", "1"] == 0

    def test_figures_are_kept_for_a_while_and_no_longer(self, client, room, monkeypatch):
        time = [100.0]
        monkeypatch.setattr(database, "monotonic", lambda: time[0])

        def count_reads():
            with CaptureQueriesContext(connection) as captured:
                client.get("/metrics")
            return len(captured)

        assert count_reads() > 0
        time[0] += database.CACHE_S - 0.1
        assert count_reads() == 0
        time[0] += 0.1
        assert count_reads() > 0


@pytest.mark.django_db
@pytest.mark.parametrize("fails", [False, True])
def test_a_part_without_counters_rests_for_as_long_as_its_cost_says(client, monkeypatch, fails):
    """Also where it fails: a database that is too slow for it is not asked all the time."""
    time, read_at = [100.0], []
    monkeypatch.setattr(database, "monotonic", lambda: time[0])

    def dawdle(_now):
        read_at.append(time[0])
        time[0] += 2
        if fails:
            raise DatabaseError("too slow")
        return iter(())

    monkeypatch.setitem(database.PARTS, "seats", database.Part(dawdle, rest=20))
    for _ in range(20):
        client.get("/metrics")
        time[0] += database.CACHE_S
    assert read_at == [100, 142, 184]


def test_no_part_with_a_counter_rests(db):
    """It would seem to go back, where a process that has rested answers after one that has not."""
    for part in database.PARTS.values():
        kinds = {metric.type for metric in part.read(NOW)}
        assert "counter" not in kinds or part.rest == 0
    assert database.PARTS["seats"].rest


@pytest.mark.django_db(transaction=True)
def test_a_part_that_takes_too_long_is_left_out(read, monkeypatch):
    def dawdle(_now):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(database, "PART_TIMEOUT_MS", 50)
    monkeypatch.setitem(database.PARTS, "sale", database.Part(dawdle))
    assert read()["encore_metrics_read", "sale"] == 0


class TestTheDatabaseIsAway:
    @pytest.mark.django_db(transaction=True)
    def test_requests_are_told_and_that_it_is_down(self, read, client, monkeypatch):
        client.get("/api/v1/concerts")
        connection.close()
        with monkeypatch.context() as away:
            away.setitem(connection.settings_dict, "HOST", "/nowhere/at/all")
            away.setitem(readiness.CHECKS, "broker", lambda: "")
            values = read()
        assert values["encore_database_up",] == 0
        assert values["encore_ready", "database"] == 0
        assert values["encore_ready", "broker"] == 1
        assert values["encore_ready", "sweeps"] == 0
        assert any(key[0].startswith("django_http_responses_total") for key in values)
        told = {key[0] for key in values if key[0].startswith("encore_")}
        assert told == {"encore_database_up", "encore_ready", "encore_lock_timeouts_total"}
        # It is there again.
        assert read()["encore_database_up",] == 1

    @pytest.mark.django_db
    def test_it_goes_away_while_it_is_read(self, read, monkeypatch):
        def lose(_now):
            raise DatabaseError("the connection is lost")

        for part in PARTS:
            monkeypatch.setitem(database.PARTS, part, database.Part(lose))
        values = read()
        assert {values["encore_metrics_read", part] for part in PARTS} == {0}


@pytest.mark.django_db
def test_nothing_of_a_customers_is_told(client, performance, clock_at_now):
    """Neither who they are, nor their tokens, nor the ids of what is theirs."""
    customer = UserFactory(pk=918_273_645, email="haneul@encore.example", name="김하늘")
    sold = make_paid(customer, make_seats(performance, 1))
    type(sold).objects.filter(pk=sold.pk).update(payment_id=None, status="cancelled",
        ended_at=sold.held_at, end_cause="customer")  # fmt: skip
    entry = QueueEntryFactory(customer=customer, number=564_738_291, place=1)
    headers = {
        "Authorization": f"Bearer {AccessToken.for_user(customer)}",
        "X-Queue-Token": f"token-{entry.number}",
    }
    client.get("/api/v1/queue/tokens/current", headers=headers)
    client.get("/api/v1/reservations/918273645", headers=headers)
    client.get("/api/v1/nothing/haneul@encore.example?email=haneul@encore.example")
    client.get("/receipts/918273645")
    told = client.get("/metrics").content.decode()
    assert "/api/v1/queue/tokens/current" in told
    for secret in ("haneul", "김하늘", "918273645", "564738291", "Bearer", "token-"):
        assert secret not in told
    assert not re.search(r"[\w.]+@[\w.]+", told)
