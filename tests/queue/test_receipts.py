"""Receipts: anybody can check them with the published key, and nobody can make one."""

import base64
import hashlib
import json
from datetime import datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.queue.models import QueueEntry
from apps.queue.receipts import InvalidReceipt, read_receipt, receipt_keys, sign_receipt
from tests.factories import ConcertFactory, QueueEntryFactory, RoomFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now", "room")]

TOKENS = "/api/v1/queue/tokens"
KEYS = "/api/v1/queue/receipt-keys"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint_of(key):
    """Return the RFC 7638 thumbprint of an Ed25519 key: its members in order, without spaces."""
    text = f'{{"crv":"{key["crv"]}","kty":"{key["kty"]}","x":"{key["x"]}"}}'
    return encode(hashlib.sha256(text.encode()).digest())


@pytest.fixture
def receipt(sign_in, customer):
    return sign_in(customer).post(TOKENS).json()["receipt"]


class TestChecking:
    def test_a_receipt_is_checked_with_the_published_key_alone(self, sign_in, customer, client):
        answer = sign_in(customer).post(TOKENS).json()
        (key,) = client.get(KEYS).json()["keys"]
        header = jwt.get_unverified_header(answer["receipt"])
        assert header == {"alg": "EdDSA", "kid": key["kid"], "typ": "encore-receipt+jwt"}
        claims = jwt.decode(answer["receipt"], jwt.PyJWK(key), algorithms=["EdDSA"])
        assert set(claims) == {"room", "number", "joined_at"}
        assert (claims["room"], claims["number"]) == ("main", answer["number"])
        entry = QueueEntry.objects.get()
        assert entry.number == claims["number"]
        assert datetime.fromisoformat(claims["joined_at"]) == entry.joined_at
        assert datetime.fromisoformat(answer["joined_at"]) == entry.joined_at

    def test_it_names_the_room_of_the_concert(self, sign_in, customer):
        RoomFactory(slug="first-snow")
        concert = ConcertFactory(room="first-snow")
        answer = sign_in(customer).post(TOKENS, {"concert_id": concert.pk}).json()
        assert read_receipt(answer["receipt"])["room"] == "first-snow"

    def test_a_moment_is_kept_to_the_microsecond(self, room):
        joined_at = datetime.fromisoformat("2026-11-01T01:00:00.000001+00:00")
        entry = QueueEntryFactory(room=room, at=joined_at)
        claims = read_receipt(sign_receipt(entry))
        assert datetime.fromisoformat(claims["joined_at"]) == joined_at

    def test_each_place_has_a_receipt_of_its_own(self, sign_in, customer, receipt):
        again = sign_in(customer).post(TOKENS).json()["receipt"]
        assert read_receipt(again)["number"] == read_receipt(receipt)["number"] + 1

    def test_only_who_joins_gets_one(self, sign_in, customer, admitted):
        answer = sign_in(customer, admitted).get(f"{TOKENS}/current").json()
        assert "receipt" not in answer


class TestKeys:
    def test_the_set_holds_the_public_key_and_nothing_private(self, client, settings):
        answer = client.get(KEYS)
        assert answer.status_code == 200
        assert "public" in answer["Cache-Control"]
        (key,) = answer.json()["keys"]
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        assert (key["alg"], key["use"]) == ("EdDSA", "sig")
        assert len(decode(key["x"])) == 32
        assert settings.SECRET_KEY not in answer.content.decode()

    def test_its_id_is_its_thumbprint(self, client):
        # The example of RFC 8037, appendix A.3.
        assert (
            thumbprint_of(
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                }
            )
            == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        )
        (key,) = client.get(KEYS).json()["keys"]
        assert key["kid"] == thumbprint_of(key)

    def test_the_key_follows_from_the_secret(self, settings, receipt):
        (before,) = receipt_keys()["keys"]
        own = settings.SECRET_KEY
        settings.SECRET_KEY = "another secret that is as long as the first one was"
        (other,) = receipt_keys()["keys"]
        assert other["x"] != before["x"]
        assert other["kid"] != before["kid"]
        with pytest.raises(InvalidReceipt):
            read_receipt(receipt)
        settings.SECRET_KEY = own
        assert receipt_keys()["keys"] == [before]
        assert read_receipt(receipt)["room"] == "main"


def with_number(receipt, number):
    """Return the receipt with another number and the signature that it has."""
    header, payload, signature = receipt.split(".")
    claims = {**json.loads(decode(payload)), "number": number}
    return ".".join([header, encode(json.dumps(claims).encode()), signature])


def by_another_key(claims, _receipt):
    headers = {"kid": receipt_keys()["keys"][0]["kid"]}
    return jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=headers)


def by_no_key(claims, _receipt):
    return jwt.encode(claims, None, algorithm="none")


def by_the_public_key(claims, _receipt):
    """As a secret for a signature that the reader might check with it."""
    return jwt.encode(claims, decode(receipt_keys()["keys"][0]["x"]), algorithm="HS256")


def without_signature(_claims, receipt):
    return receipt.rsplit(".", 1)[0] + "."


def with_a_changed_payload(claims, receipt):
    return with_number(receipt, claims["number"])


class TestForging:
    @pytest.mark.parametrize(
        "forge",
        [by_another_key, by_no_key, by_the_public_key, without_signature, with_a_changed_payload],
    )
    def test_a_forged_receipt_is_refused(self, receipt, forge):
        claims = {**read_receipt(receipt), "number": 0}
        with pytest.raises(InvalidReceipt):
            read_receipt(forge(claims, receipt))
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(
                forge(claims, receipt), jwt.PyJWK(receipt_keys()["keys"][0]), algorithms=["EdDSA"]
            )

    def test_the_same_payload_with_its_signature_is_accepted(self, receipt):
        """What is refused above is refused for the change alone."""
        number = read_receipt(receipt)["number"]
        header, payload, signature = receipt.split(".")
        assert read_receipt(f"{header}.{payload}.{signature}")["number"] == number
        assert with_number(receipt, number + 1) != receipt

    @pytest.mark.parametrize("text", ["", "a", "a.b.c", "ä.ö.ü", "\0.\0.\0", "x" * 100_000])
    def test_what_is_no_receipt_is_refused(self, text):
        with pytest.raises(InvalidReceipt):
            read_receipt(text)

    def test_bytes_that_are_no_text_are_refused(self):
        """As a terminal hands them over."""
        with pytest.raises(InvalidReceipt):
            read_receipt("\udcff.a.b")
