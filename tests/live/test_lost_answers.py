"""An answer that never arrives, through HTTP: the request is sent again with its key, and done once."""

import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from apps.core.models import IdempotencyKey
from apps.wallet.models import WalletEntry
from tests.factories import UserFactory

PATIENCE_S = 20
LOOK_S = 0.01


@pytest.fixture
def headers(transactional_db):
    return {
        "Authorization": f"Bearer {AccessToken.for_user(UserFactory())}",
        "Idempotency-Key": f"lost-{timezone.now().timestamp()}",
    }


def send_and_hang_up(server, headers, body):
    """Send a charge, and close the connection when it has had its effect, without reading the answer.
    Earlier the server might not even have begun."""
    address = urlsplit(server)
    content = json.dumps(body).encode()
    lines = [
        "POST /api/v1/wallet/charges HTTP/1.1",
        f"Host: {address.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        wait_for_the_effect()


def wait_for_the_effect():
    deadline = time.monotonic() + PATIENCE_S
    while not IdempotencyKey.objects.exists():
        assert time.monotonic() < deadline, "nothing was done"
        time.sleep(LOOK_S)


def test_a_charge_whose_answer_is_lost_is_made_once(server, headers):
    send_and_hang_up(server, headers, {"amount": 700})
    again = httpx.post(f"{server}/api/v1/wallet/charges", headers=headers, json={"amount": 700})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["balance"] == 700
    assert WalletEntry.objects.count() == 1
