"""Signed receipts of places in line: proof of a number and a time that nobody can deny or forge.

A receipt is a JWS (RFC 7515) signed with Ed25519 (RFC 8037). The public key is at
`/queue/receipt-keys` as a JWK set (RFC 7517), under its thumbprint (RFC 7638) as `kid`.
"""

import base64
import hashlib
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from apps.queue.models import QueueEntry

ALGORITHM = "EdDSA"
TYPE = "encore-receipt+jwt"


class InvalidReceipt(Exception):
    """The receipt was not signed by this service's key."""


def sign_receipt(entry: QueueEntry) -> str:
    """Return the receipt of an entry: its room, its number, and when it joined."""
    claims = {
        "room": entry.room.slug,
        "number": entry.number,
        "joined_at": entry.joined_at.isoformat(),
    }
    key, public = _keys(settings.SECRET_KEY)
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": public["kid"], "typ": TYPE})


def read_receipt(receipt: str) -> dict[str, Any]:
    """Return what a receipt says. Raise `InvalidReceipt`."""
    key, _public = _keys(settings.SECRET_KEY)
    try:
        return jwt.decode(receipt, key.public_key(), algorithms=[ALGORITHM])
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise InvalidReceipt(str(error)) from error


def receipt_keys() -> dict[str, Any]:
    """Return the public key as a JWK set."""
    _key, public = _keys(settings.SECRET_KEY)
    return {"keys": [public]}


@cache
def _keys(secret: str) -> tuple[Ed25519PrivateKey, dict[str, str]]:
    """Return the private key that follows from the secret, and its public half as a JWK."""
    derivation = HKDF(hashes.SHA256(), length=32, salt=None, info=b"encore queue receipt")
    key = Ed25519PrivateKey.from_private_bytes(derivation.derive(secret.encode()))
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    thumbprint = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    return key, {
        **required,
        "kid": _base64url(thumbprint),
        "alg": ALGORITHM,
        "use": "sig",
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
