"""How long the invariants take to check over many reservations: `make bench-integrity`.

The database is made by SQL, as purchases would have left it: two seats a reservation, three of four
paid, one in a hundred refunded, each with its queue entry, ledger entries and kept answer.
"""

import argparse
import subprocess
import sys
import time

import psycopg

from benchmarks.servers import ROOT, Workbench, describe_machine, workbench

DATABASE = "integrity"
SEATS_PER_PERFORMANCE = 20_000
TURN_SIZE = 100

# %(count)s reservations. Reservation n is of customer n and has seats 2n - 1 and 2n. Of each hundred
# the first 75 are paid, of which the first is refunded; then come expired and cancelled ones, and holds.
STATEMENTS = (
    "SET session_replication_role = replica",
    """INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active, is_staff, created_at)
       SELECT n, '!', false, 'c' || n || '@encore.example', '', true, false, now()
         FROM generate_series(1, %(count)s) AS n""",
    "INSERT INTO concerts_venue (id, name, time_zone) VALUES (1, 'bench', 'Asia/Seoul')",
    """INSERT INTO concerts_concert (id, slug, title, artist, description, venue_id, sales_open_at,
              sales_close_at, seats_per_customer, cancel_until_hours, currency, published, room,
              sale_stopped_reason)
       SELECT c, 'c' || c, 'c', 'c', '', 1, now() - interval '1 day', now() + interval '1 day', 4, 24,
              'KRW', true, 'main', '' FROM generate_series(1, 10) AS c""",
    """INSERT INTO concerts_performance (id, concert_id, starts_at, date)
       SELECT p, 1 + p %% 10, now() + p * interval '1 hour', current_date
         FROM generate_series(0, 2 * %(count)s / %(house)s) AS p""",
    """INSERT INTO concerts_seat (id, performance_id, section, row, number, grade, price, x, y, position,
              blocked, blocked_reason, changed_in)
       SELECT s, (s - 1) / %(house)s, 'A', '1', s::text, 'VIP', 10000, s, 1, s, false, '', 0
         FROM generate_series(1, 2 * %(count)s) AS s""",
    """INSERT INTO reservations_reservation (id, customer_id, performance_id, status, total, currency,
              held_at, expires_at, reserved_at, confirmed_at, ended_at, end_cause, payment_id, changed_in)
       SELECT n, n, (2 * n - 1) / %(house)s, status, 20000, 'KRW', at, at + interval '5 minutes',
              CASE WHEN kind < 90 THEN at END, CASE WHEN kind < 75 THEN at + interval '1 minute' END,
              CASE status WHEN 'expired' THEN at + interval '5 minutes'
                          WHEN 'cancelled' THEN at + interval '2 minutes' END,
              CASE status WHEN 'expired' THEN 'deadline' WHEN 'cancelled' THEN 'customer' END,
              CASE WHEN kind < 75 THEN n END, 0
         FROM (SELECT n, n %% 100 AS kind, now() - n * interval '1 second' AS at,
                      CASE WHEN n %% 100 = 0 THEN 'cancelled' WHEN n %% 100 < 75 THEN 'confirmed'
                           WHEN n %% 100 < 85 THEN 'expired' WHEN n %% 100 < 90 THEN 'cancelled'
                           ELSE 'held' END AS status
                 FROM generate_series(1, %(count)s) AS n) AS numbers""",
    """INSERT INTO reservations_reservationseat (id, reservation_id, seat_id, price, released_at)
       SELECT 2 * r.id - side, r.id, 2 * r.id - side, 10000, r.ended_at
         FROM reservations_reservation r CROSS JOIN generate_series(0, 1) AS side""",
    """INSERT INTO payments_payment (id, reservation_id, customer_id, status, amount, currency, paid_at,
              refunded_at)
       SELECT id, id, customer_id, CASE status WHEN 'cancelled' THEN 'refunded' ELSE 'succeeded' END,
              total, currency, confirmed_at, ended_at
         FROM reservations_reservation WHERE payment_id IS NOT NULL""",
    """INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)
       SELECT n, 'charge', 30000, 30000, '', now() FROM generate_series(1, %(count)s) AS n""",
    """INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)
       SELECT customer_id, 'payment', -amount, 10000, 'payment:' || id, paid_at FROM payments_payment""",
    """INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)
       SELECT customer_id, 'refund', amount, 30000, 'payment:' || id, refunded_at
         FROM payments_payment WHERE status = 'refunded'""",
    """INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)
       SELECT wallet_id, sum(amount), 'KRW', now() FROM wallet_walletentry GROUP BY wallet_id""",
    """INSERT INTO queue_queueentry (room_id, customer_id, number, place, token_hash, state, joined_at,
              admitted_at, admitted_turn, session_expires_at, ended_at, ended_turn, end_reason)
       SELECT w.id, r.customer_id, r.id, r.id, sha256(r.id::text::bytea), 'ended',
              r.held_at - interval '1 minute', r.held_at, 1 + (r.id - 1) / %(turn)s,
              r.held_at + interval '10 minutes',
              COALESCE(r.confirmed_at, r.held_at + interval '1 minute'), 1 + (r.id - 1) / %(turn)s,
              CASE WHEN r.payment_id IS NULL THEN 'idle' ELSE 'paid' END
         FROM reservations_reservation r CROSS JOIN queue_waitingroom w WHERE w.slug = 'main'
        ORDER BY r.id""",
    """INSERT INTO queue_turn (room_id, turn, at, entered, finished, gave_up, waiting, admitted, capacity,
              waiting_s, inside_s)
       SELECT w.id, t, now(), %(turn)s, 0, 0, 0, %(turn)s, %(turn)s, 0, 0
         FROM queue_waitingroom w CROSS JOIN generate_series(1, %(count)s / %(turn)s) AS t
        WHERE w.slug = 'main'""",
    "UPDATE queue_dispenser SET last_number = %(count)s",
    """INSERT INTO core_idempotencykey (customer_id, key, request_digest, path, status, body, created_at)
       SELECT r.customer_id, path || r.id, '', path, 201, '{"id":' || r.id || ',"status":"x"}', now()
         FROM reservations_reservation r CROSS JOIN (VALUES
              ('/api/v1/concerts/1/dates/2026-12-24/holds'), ('/api/v1/payments')) AS paths (path)
        WHERE path <> '/api/v1/payments' OR r.payment_id IS NOT NULL""",
    "RESET session_replication_role",
    "ANALYZE",
)


def fill(bench: Workbench, *, count: int) -> None:
    """Make the rows, and say how long each statement took."""
    parameters = {"count": count, "house": SEATS_PER_PERFORMANCE, "turn": TURN_SIZE}
    with bench.connect(DATABASE, user="postgres") as connection:
        for statement in STATEMENTS:
            began = time.monotonic()
            psycopg.ClientCursor(connection).execute(statement, parameters)
            print(
                f"{time.monotonic() - began:6.1f} s  {statement[:60].splitlines()[0]}", flush=True
            )


def main() -> int:
    """Make a database, check it, and print the times; 1 where it is found broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    options = parser.parse_args()
    print(describe_machine())
    with workbench() as bench:
        bench.make_database(DATABASE)
        environment = bench.environment(DATABASE)
        room = "from apps.queue.apps import make_main_room; make_main_room()"
        manage = [sys.executable, "manage.py"]
        subprocess.run(
            [*manage, "shell", "-v", "0", "-c", room], cwd=ROOT, env=environment, check=True
        )
        fill(bench, count=options.reservations)
        print(f"{options.reservations:,} reservations")
        for _again in range(2):
            began = time.monotonic()
            checked = subprocess.run(
                [*manage, "check_integrity"], cwd=ROOT, env=environment, check=False
            )
            print(f"in all {time.monotonic() - began:.1f} s", flush=True)
    return checked.returncode


if __name__ == "__main__":
    sys.exit(main())
