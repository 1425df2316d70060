"""From a held seat to a paid one."""

import pytest

pytestmark = pytest.mark.django_db


def test_hold_reserve_pay(buyer, performance, seats, customer):
    url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}"
    assert len(buyer.get(f"{url}/seats").json()["results"]) == 4
    hold = buyer.post(f"{url}/holds", {"seat_ids": [seats[0].pk]})
    assert hold.status_code == 201, hold.content
    assert hold.json()["expires_at"] == "2026-11-01T01:05:00Z"
    assert buyer.post("/api/v1/reservations", {"hold_id": hold.json()["id"]}).status_code == 201
