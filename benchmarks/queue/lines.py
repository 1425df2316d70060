"""Lines to measure: a room with so many waiting, and who they are."""

from collections.abc import Sequence
from pathlib import Path

import jwt
import psycopg

INSIDE = 500
# Nobody may fall silent, or be out of time, while the line is measured.
IDLE_S = 3_600
SESSION_S = 36_000

_CUSTOMERS = """
INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active, is_staff, created_at)
SELECT g, '', false, 'bench' || g || '@encore.example', '', true, false, now()
  FROM generate_series(%(first)s::int, %(last)s::int) g
"""

_ENTRIES = """
INSERT INTO queue_queueentry
       (room_id, customer_id, number, place, token_hash, state, joined_at, admitted_at,
        admitted_turn, session_expires_at, end_reason)
SELECT r.id, g, g, g, sha256(convert_to('token-' || g, 'UTF8')), %(state)s::text, now(),
       CASE WHEN %(state)s::text = 'admitted' THEN now() END,
       CASE WHEN %(state)s::text = 'admitted' THEN 1 END,
       CASE WHEN %(state)s::text = 'admitted' THEN now() + make_interval(secs => r.session_seconds) END, ''
  FROM generate_series(%(first)s::int, %(last)s::int) g, queue_waitingroom r WHERE r.slug = 'main'
"""

_FINISH = """
INSERT INTO queue_presence SELECT id, joined_at FROM queue_queueentry ORDER BY id;
UPDATE queue_dispenser SET last_number = (SELECT max(number) FROM queue_queueentry);
SELECT setval('accounts_user_id_seq', (SELECT max(id) FROM accounts_user));
VACUUM ANALYZE
"""


def make_customers(connection: psycopg.Connection, *, first: int, last: int) -> None:
    """Make customers with these ids."""
    connection.execute(_CUSTOMERS, {"first": first, "last": last})


def fill_line(
    connection: psycopg.Connection, waiting: int, *, inside: int = INSIDE, idle_s: int = IDLE_S
) -> None:
    """Put people into the room `main`, which then is full, and so many into its line.

    The customer of the number `n` has the id `n` and the token `token-n`.
    """
    connection.execute(
        "UPDATE queue_waitingroom SET capacity = %s, idle_seconds = %s, session_seconds = %s",
        [inside, idle_s, SESSION_S],
    )
    last = inside + waiting
    make_customers(connection, first=1, last=last)
    connection.execute(_ENTRIES, {"state": "admitted", "first": 1, "last": inside})
    connection.execute(_ENTRIES, {"state": "waiting", "first": inside + 1, "last": last})
    for statement in _FINISH.split(";"):
        connection.execute(statement)


def write_tokens(path: Path, numbers: Sequence[int], *, secret_key: str) -> None:
    """Write the access token and the queue token of these numbers' customers, a line each."""
    claims = {"token_type": "access", "iss": "encore", "exp": 4_102_444_800, "jti": "bench"}
    with path.open("w") as file:
        for number in numbers:
            access = jwt.encode({**claims, "sub": str(number)}, secret_key, algorithm="HS256")
            file.write(f"{access}\ttoken-{number}\n")
