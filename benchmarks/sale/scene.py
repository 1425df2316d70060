"""The concert that is sold while it is measured, its customers, and what they have done before a step."""

import json
from collections.abc import Iterator
from pathlib import Path

import jwt
import psycopg

from benchmarks.queue.lines import fill_line
from benchmarks.servers import Workbench

DATABASE = "sale"
# Nobody comes twice in a round.
CUSTOMERS = 8_000
BALANCE = 1_000_000_000
PRICE = 100_000
# Performances: two houses whose seats are listed, and for each step of each round one that is sold.
LISTED, HUGE = 1, 2
HOUSES = {LISTED: 2_000, HUGE: 50_000}
STEPS = ("hold", "reserve", "pay")

_CONCERT = (
    "INSERT INTO concerts_venue (id, name, time_zone) VALUES (1, 'bench', 'Asia/Seoul')",
    """INSERT INTO concerts_concert (id, slug, title, artist, description, venue_id, sales_open_at,
              sales_close_at, seats_per_customer, cancel_until_hours, currency, published, room,
              sale_stopped_reason)
       VALUES (1, 'bench', 'bench', 'bench', '', 1, now() - interval '1 day', now() + interval '1 day',
               4, 24, 'KRW', true, 'main', '')""",
    f"""INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)
       SELECT id, 0, 'KRW', now() FROM accounts_user WHERE id <= {CUSTOMERS}""",
    f"""INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)
       SELECT customer_id, 'charge', {BALANCE}, {BALANCE}, '', now() FROM wallet_wallet""",
)
_PERFORMANCE = """
INSERT INTO concerts_performance (id, concert_id, starts_at, date)
SELECT %(id)s::int, 1, d + interval '10 hours', d
  FROM (SELECT current_date + 30 + %(id)s::int AS d) AS day
"""
_SEATS = f"""
INSERT INTO concerts_seat (performance_id, section, row, number, grade, price, x, y, position, blocked,
       blocked_reason, changed_in)
SELECT %(id)s, 'A', (1 + n / 100)::text, (1 + n %% 100)::text, 'R', {PRICE}, n %% 100, n / 100, n, false,
       '', 0
  FROM generate_series(0, %(seats)s::int - 1) AS n
"""
# Customer n has the nth seat.
_HOLDS = f"""
WITH made AS (
    INSERT INTO reservations_reservation (customer_id, performance_id, status, total, currency, held_at,
           expires_at, reserved_at, changed_in)
    SELECT 1 + position, performance_id, %(status)s::text, {PRICE}, 'KRW', now(), now() + interval '5 hours',
           CASE WHEN %(status)s::text = 'reserved' THEN now() END, 0
      FROM concerts_seat WHERE performance_id = %(id)s
 RETURNING id, customer_id)
INSERT INTO reservations_reservationseat (reservation_id, seat_id, price)
SELECT made.id, seat.id, {PRICE}
  FROM made JOIN concerts_seat seat ON seat.performance_id = %(id)s AND seat.position = made.customer_id - 1
"""
# Who has paid is out: everybody comes back in.
_ADMIT = """
WITH back AS (
    UPDATE queue_queueentry SET state = 'admitted', ended_at = NULL, ended_turn = NULL, end_reason = ''
     WHERE state = 'ended' RETURNING id)
INSERT INTO queue_presence SELECT id, now() FROM back ON CONFLICT DO NOTHING
"""


class Scene:
    """The database, and the files of requests."""

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        claims = {"token_type": "access", "iss": "encore", "exp": 4_102_444_800, "jti": "bench"}
        self.access = [
            jwt.encode({**claims, "sub": str(customer)}, bench.secret_key, algorithm="HS256")
            for customer in range(1, CUSTOMERS + 1)
        ]
        self.last_performance = max(HOUSES)

    def make(self) -> None:
        """Make the concert, and let all customers into its room."""
        self.bench.make_database(DATABASE)
        with self.bench.connect(DATABASE) as connection:
            fill_line(connection, 0, inside=CUSTOMERS)
            for statement in _CONCERT:
                connection.execute(statement)
            for performance, seats in HOUSES.items():
                self._make_house(connection, performance, seats)
            connection.execute("VACUUM ANALYZE")

    def prepare(self, step: str) -> Path:
        """Make a performance for one round of a step, with what came before it, and return the file of
        the requests: one of each customer."""
        self.last_performance += 1
        performance = self.last_performance
        with self.bench.connect(DATABASE) as connection:
            self._make_house(connection, performance, CUSTOMERS)
            if step != "hold":
                status = "held" if step == "reserve" else "reserved"
                connection.execute(_HOLDS, {"id": performance, "status": status})
            connection.execute(_ADMIT)
            for table in ("concerts_seat", "reservations_reservation", "queue_queueentry"):
                connection.execute(f"VACUUM ANALYZE {table}")
            file = self.folder / step
            file.write_text("".join(self._write(connection, step, performance)))
        return file

    def write_readers(self, path: str) -> Path:
        """Return the file of requests of every customer for one address."""
        file = self.folder / "readers"
        file.write_text(
            "".join(
                f"{access}\ttoken-{customer}\t\t{path}\n"
                for customer, access in enumerate(self.access, start=1)
            )
        )
        return file

    def seats_path(self, performance: int) -> str:
        """Return the address of a performance's seats."""
        with self.bench.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT date FROM concerts_performance WHERE id = %s", [performance]
            ).fetchone()
        assert row is not None
        return f"/api/v1/concerts/1/dates/{row[0]}/seats"

    def _make_house(self, connection: psycopg.Connection, performance: int, seats: int) -> None:
        connection.execute(_PERFORMANCE, {"id": performance})
        connection.execute(_SEATS, {"id": performance, "seats": seats})

    def _write(self, connection: psycopg.Connection, step: str, performance: int) -> Iterator[str]:
        if step == "hold":
            path = self.seats_path(performance).removesuffix("seats") + "holds"
            query = "SELECT 1 + position, id FROM concerts_seat WHERE performance_id = %s"
        else:
            path = "/api/v1/reservations" if step == "reserve" else "/api/v1/payments"
            query = "SELECT customer_id, id FROM reservations_reservation WHERE performance_id = %s"
        for customer, subject in connection.execute(query, [performance]).fetchall():
            body = {
                "hold": {"seat_ids": [subject]},
                "reserve": {"hold_id": subject},
                "pay": {"reservation_id": subject},
            }[step]
            yield "\t".join(
                (
                    self.access[customer - 1],
                    f"token-{customer}",
                    f"{step}-{subject}",
                    path,
                    json.dumps(body) + "\n",
                )
            )
