"""The concert that is sold while it is measured, its customers, and what they have done before a step."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import psycopg

from benchmarks.queue.lines import fill_line, make_customers
from benchmarks.servers import Workbench

DATABASE = "sale"
# Nobody comes twice in a round: so many can be served in five seconds at 3,000 a second.
CUSTOMERS = 16_000
BALANCE = 1_000_000_000
PRICE = 100_000
# Performances: two whose seats are listed, one with overdue holds, and for each step one that is sold.
LISTED, OVERDUE = 1, 2
HOUSES = {LISTED: 2_000, OVERDUE: 100_000}
HUGE = 50_000
STEPS = ("hold", "reserve", "pay")
# Who waits, does so in a room of their own, which is full: nobody moves up while others buy.
LINE = "line"
WAITING = 10_000

_CONCERT = (
    "INSERT INTO concerts_venue (name, time_zone) VALUES ('bench', 'Asia/Seoul')",
    """INSERT INTO concerts_concert (slug, title, artist, description, venue_id, sales_open_at,
              sales_close_at, seats_per_customer, cancel_until_hours, currency, published, room,
              sale_stopped_reason)
       VALUES ('bench', 'bench', 'bench', '', 1, now() - interval '1 day', now() + interval '1 day',
               4, 24, 'KRW', true, 'main', '')""",
    f"""INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)
       SELECT id, 0, 'KRW', now() FROM accounts_user WHERE id <= {CUSTOMERS}""",
    f"""INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)
       SELECT customer_id, 'charge', {BALANCE}, {BALANCE}, '', now() FROM wallet_wallet""",
)
_PERFORMANCE = """
INSERT INTO concerts_performance (concert_id, starts_at, date)
SELECT 1, d + interval '10 hours', d FROM (SELECT current_date + 30 + %(days)s::int AS d) AS day
RETURNING id
"""
_SEATS = f"""
INSERT INTO concerts_seat (performance_id, section, row, number, grade, price, x, y, position, blocked,
       blocked_reason, changed_in)
SELECT %(id)s, 'A', (1 + n / 100)::text, (1 + n %% 100)::text, 'R', {PRICE}, n %% 100, n / 100, n, false,
       '', 0
  FROM generate_series(0, %(seats)s::int - 1) AS n
"""
# Customer n, or whoever is so many after, has the nth seat.
_HOLDS = f"""
WITH made AS (
    INSERT INTO reservations_reservation (customer_id, performance_id, status, total, currency, held_at,
           expires_at, reserved_at, changed_in)
    SELECT 1 + position + %(after)s::int, performance_id, %(status)s::text, {PRICE}, 'KRW',
           now() - interval '6 minutes', now() + %(expires_in)s::interval,
           CASE WHEN %(status)s::text = 'reserved' THEN now() END, 0
      FROM concerts_seat WHERE performance_id = %(id)s
 RETURNING id, customer_id)
INSERT INTO reservations_reservationseat (reservation_id, seat_id, price)
SELECT made.id, seat.id, {PRICE}
  FROM made JOIN concerts_seat seat
    ON seat.performance_id = %(id)s AND seat.position = made.customer_id - 1 - %(after)s::int
"""
_LINE = """
WITH made AS (
    INSERT INTO queue_queueentry (room_id, customer_id, number, place, token_hash, state, joined_at,
           admitted_at, admitted_turn, session_expires_at, end_reason)
    SELECT %(room)s, g, g, g, sha256(convert_to('waiting-' || g, 'UTF8')),
           CASE WHEN g = 1 THEN 'admitted' ELSE 'waiting' END, now(),
           CASE WHEN g = 1 THEN now() END, CASE WHEN g = 1 THEN 1 END,
           CASE WHEN g = 1 THEN now() + interval '10 hours' END, ''
      FROM generate_series(1, %(last)s::int) AS g RETURNING id, number),
called AS (INSERT INTO queue_presence SELECT id, now() FROM made)
UPDATE queue_dispenser SET last_number = %(last)s WHERE room_id = %(room)s
"""
# After a step everything is as it was before: who has paid comes back in, who has joined the line has
# left it, and what was bought is others', since a hold looks at all that its customer has.
_COME_BACK = (
    """WITH back AS (
           UPDATE queue_queueentry SET state = 'admitted', ended_at = NULL, ended_turn = NULL, end_reason = ''
            WHERE end_reason = 'paid' AND customer_id <= %(customers)s RETURNING id)
       INSERT INTO queue_presence SELECT id, now() FROM back ON CONFLICT DO NOTHING""",
    """WITH left_line AS (
           UPDATE queue_queueentry SET state = 'ended', ended_at = now(), end_reason = 'left'
            WHERE state = 'waiting' AND customer_id > %(customers)s RETURNING id)
       DELETE FROM queue_presence USING left_line WHERE entry_id = id""",
    """UPDATE reservations_reservation
          SET customer_id = %(others_after)s + 1 + id %% %(others)s
        WHERE performance_id = ANY(%(sold)s) AND customer_id <= %(customers)s""",
)
_BUSY = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""
SETTLE_S = 0.5
_CHANGED = (
    "accounts_user", "concerts_seat", "reservations_reservation", "reservations_reservationseat",
    "queue_queueentry", "queue_presence",
)  # fmt: skip


class Scene:
    """The database, and the files of requests."""

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self._performances = 0
        self.last_customer = CUSTOMERS
        self._sold: list[int] = []
        self._overdue_after = 0
        self.access = [self._sign_in(customer) for customer in range(1, CUSTOMERS + 1)]

    def make(self) -> None:
        """Make the concert, let all customers into its room, and others into a line. Django is set up
        for the database by now."""
        from django.utils import timezone

        from apps.queue.admission import look_after
        from apps.queue.models import WaitingRoom

        with self.bench.connect(DATABASE) as connection:
            fill_line(connection, 0, inside=CUSTOMERS)
            for statement in _CONCERT:
                connection.execute(statement)
            for performance, seats in HOUSES.items():
                made = self._make_house(connection, seats)
                assert made == performance, "the first ones of the database"
            room = WaitingRoom(
                slug=LINE, name=LINE, capacity=1, session_seconds=36_000, idle_seconds=3_600
            )
            room.save()
            connection.execute(_LINE, {"room": room.pk, "last": WAITING})
            self._overdue_after = self._add_customers(connection, HOUSES[OVERDUE]) - 1
            connection.execute("VACUUM ANALYZE")
        look_after(room.pk, now=timezone.now())

    def reset(self) -> None:
        """Put everybody back to where they were before the last step, once all of it is answered: wrk
        does not wait for what it asked last."""
        time.sleep(SETTLE_S)
        with self.bench.connect(DATABASE) as connection:
            while connection.execute(_BUSY).fetchone() != (0,):
                time.sleep(SETTLE_S)
            values = {
                "customers": CUSTOMERS,
                "others_after": self._overdue_after,
                "others": HOUSES[OVERDUE],
                "sold": self._sold,
            }
            for statement in _COME_BACK:
                connection.execute(statement, values)
            # Not while something else is measured.
            self._tidy(connection)
        self._sold = []

    def prepare(self, step: str) -> Path:
        """Make a performance for one round of a step, with what came before it, and return the file of
        the requests: one of each customer."""
        performance = self.make_performance(CUSTOMERS)
        with self.bench.connect(DATABASE) as connection:
            if step != "hold":
                status = "held" if step == "reserve" else "reserved"
                self._make_holds(connection, performance, status=status, expires_in="5 hours")
            self._tidy(connection)
            file = self.folder / step
            file.write_text("".join(self._write(connection, step, performance)))
        return file

    def prepare_one_seat(self) -> Path:
        """Make a performance, and return the file of all customers' requests for one seat of it: as
        large as the one that is listed, since whoever is late hears of the free seats nearby."""
        performance = self.make_performance(HOUSES[LISTED])
        seat_id = self.first_seat(performance)
        path = self.seats_path(performance).removesuffix("seats") + "holds"
        return self._write_file("one-seat", path, body={"seat_ids": [seat_id]}, key="one")

    def prepare_joins(self) -> Path:
        """Return the file of the requests of customers who have no place yet."""
        with self.bench.connect(DATABASE) as connection:
            first = self._add_customers(connection, CUSTOMERS)
            self._tidy(connection)
        file = self.folder / "joins"
        customers = range(first, first + CUSTOMERS)
        file.write_text("".join(f"{self._sign_in(customer)}\n" for customer in customers))
        return file

    def prepare_polls(self) -> Path:
        """Return the file of the requests of those who wait."""
        file = self.folder / "polls"
        lines = (f"{self.access[n - 1]}\twaiting-{n}\n" for n in range(2, WAITING + 1))
        file.write_text("".join(lines))
        return file

    def prepare_readers(self, path: str) -> Path:
        """Return the file of the requests of every customer for one address."""
        return self._write_file("readers", path)

    def make_overdue(self) -> None:
        """Make a hold on each seat of a house, whose time was over a minute ago."""
        with self.bench.connect(DATABASE) as connection:
            self._make_holds(
                connection,
                OVERDUE,
                status="held",
                expires_in="-1 minute",
                after=self._overdue_after,
            )
            self._tidy(connection)

    def count_overdue(self) -> int:
        """Return how many of these holds nobody has swept."""
        with self.bench.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT count(*) FROM reservations_reservation WHERE performance_id = %s"
                " AND status = 'held'",
                [OVERDUE],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def make_performance(self, seats: int) -> int:
        """Make a performance that nobody has bought of, and return its id."""
        with self.bench.connect(DATABASE) as connection:
            performance = self._make_house(connection, seats)
            connection.execute("VACUUM ANALYZE concerts_seat")
        self._sold.append(performance)
        return performance

    def first_seat(self, performance: int) -> int:
        """Return the id of a performance's first seat; the others follow one by one."""
        with self.bench.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT min(id), bool_and(id - position = first) FROM (SELECT id, position,"
                " min(id) OVER () AS first FROM concerts_seat WHERE performance_id = %s) AS seat",
                [performance],
            ).fetchone()
        assert row is not None
        assert row[1], "the seats' ids have gaps"
        return int(row[0])

    def count_sold(self, performance: int) -> int:
        """Return how many seats of a performance have a claim."""
        with self.bench.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT count(*) FROM reservations_reservationseat JOIN reservations_reservation"
                " AS r ON r.id = reservation_id WHERE performance_id = %s",
                [performance],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def find_date(self, performance: int) -> str:
        """Return the date of a performance."""
        with self.bench.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT date FROM concerts_performance WHERE id = %s", [performance]
            ).fetchone()
        assert row is not None
        return str(row[0])

    def seats_path(self, performance: int) -> str:
        """Return the address of a performance's seats."""
        return f"/api/v1/concerts/1/dates/{self.find_date(performance)}/seats"

    def _sign_in(self, customer: int) -> str:
        claims = {"token_type": "access", "iss": "encore", "exp": 4_102_444_800, "jti": "bench"}
        claims["sub"] = str(customer)
        return jwt.encode(claims, self.bench.secret_key, algorithm="HS256")

    def _add_customers(self, connection: psycopg.Connection, count: int) -> int:
        """Make so many customers more, and return the id of the first."""
        # Players of the journey take ids, too.
        sequence = "'accounts_user_id_seq'"
        row = connection.execute(
            f"SELECT setval({sequence}, nextval({sequence}) + %s)", [count]
        ).fetchone()
        assert row is not None
        self.last_customer = int(row[0])
        first = self.last_customer - count + 1
        make_customers(connection, first=first, last=self.last_customer)
        return first

    def _make_house(self, connection: psycopg.Connection, seats: int) -> int:
        """Make a performance with so many seats, on a date of its own, and return its id."""
        self._performances += 1
        row = connection.execute(_PERFORMANCE, {"days": self._performances}).fetchone()
        assert row is not None
        connection.execute(_SEATS, {"id": row[0], "seats": seats})
        return int(row[0])

    def _make_holds(
        self,
        connection: psycopg.Connection,
        performance: int,
        *,
        status: str,
        expires_in: str,
        after: int = 0,
    ) -> None:
        values = {"id": performance, "status": status, "expires_in": expires_in, "after": after}
        connection.execute(_HOLDS, values)

    def _tidy(self, connection: psycopg.Connection) -> None:
        for table in _CHANGED:
            connection.execute(f"VACUUM ANALYZE {table}")

    def _write_file(self, name: str, path: str, *, body: object = None, key: str = "") -> Path:
        """Write a request of every customer for the same thing."""
        file = self.folder / name
        text = "" if body is None else json.dumps(body)
        file.write_text(
            "".join(
                f"{access}\ttoken-{customer}\t{key and f'{key}-{path}'}\t{path}\t{text}\n"
                for customer, access in enumerate(self.access, start=1)
            )
        )
        return file

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
