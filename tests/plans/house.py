"""A database in the middle of a sale: as large as it takes for a missing index to show."""

from django.db import connection

WAITING, INSIDE, PERFORMANCES, SEATS = 20_000, 500, 4, 2_000
SOLD = 1_500  # of each performance
SEGMENTS = 4_000  # as many as a million people have

_FILL = f"""
INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active, is_staff, created_at)
SELECT g, '', false, 'c' || g || '@encore.example', '', true, false, now()
  FROM generate_series(5000001, {5_000_000 + WAITING + INSIDE}) g;

INSERT INTO queue_queueentry (room_id, customer_id, number, place, token_hash, state, joined_at,
       admitted_at, admitted_turn, session_expires_at, end_reason)
SELECT r.id, g, g, g, sha256(convert_to('sale-' || g, 'UTF8')),
       CASE WHEN inside THEN 'admitted' ELSE 'waiting' END, %(now)s,
       CASE WHEN inside THEN %(now)s END, CASE WHEN inside THEN 1 END,
       CASE WHEN inside THEN %(now)s + interval '1 hour' END, ''
  FROM (SELECT g, g <= {5_000_000 + INSIDE} AS inside
          FROM generate_series(5000001, {5_000_000 + WAITING + INSIDE}) g), queue_waitingroom r;
INSERT INTO queue_presence SELECT id, joined_at FROM queue_queueentry ON CONFLICT DO NOTHING;
INSERT INTO queue_segment (room_id, segment, waiting, before)
SELECT r.id, g, 256, 256 * g FROM generate_series(0, {SEGMENTS}) g, queue_waitingroom r;
UPDATE queue_dispenser SET last_number = {5_000_000 + WAITING + INSIDE};
UPDATE queue_turnstile SET last_number = {5_000_000 + WAITING + INSIDE}, waiting = {WAITING},
       admitted = {INSIDE}, counted_at = %(now)s;

INSERT INTO concerts_performance (concert_id, starts_at, date)
SELECT concert_id, starts_at + g * interval '1 day', date + g
  FROM concerts_performance, generate_series(1, {PERFORMANCES}) g;
INSERT INTO concerts_seat (performance_id, section, row, number, grade, price, x, y, position, blocked,
       blocked_reason, changed_in)
SELECT p.id, 'Z', (g / 100)::text, (g % 100)::text, 'R', 1000, g % 100, g / 100, 100 + g, false, '', 0
  FROM concerts_performance p, generate_series(1, {SEATS}) g;

INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)
SELECT id, 0, 'KRW', now() FROM accounts_user WHERE id > 5000000;

INSERT INTO concerts_concert (slug, title, artist, description, venue_id, sales_open_at, sales_close_at,
       seats_per_customer, cancel_until_hours, currency, published, room, sale_stopped_reason)
SELECT 'other', title, artist, description, venue_id, sales_open_at, sales_close_at, seats_per_customer,
       cancel_until_hours, currency, published, room, sale_stopped_reason
  FROM concerts_concert;
INSERT INTO concerts_performance (concert_id, starts_at, date)
SELECT c.id, p.starts_at + g * interval '10 days', p.date + 10 * g
  FROM concerts_concert c, concerts_performance p, generate_series(1, {PERFORMANCES}) g
 WHERE c.slug = 'other';
INSERT INTO concerts_seat (performance_id, section, row, number, grade, price, x, y, position, blocked,
       blocked_reason, changed_in)
SELECT p.id, 'Z', (g / 100)::text, (g % 100)::text, 'R', 1000, g % 100, g / 100, 100 + g, false, '', 0
  FROM concerts_performance p JOIN concerts_concert c ON c.id = p.concert_id AND c.slug = 'other',
       generate_series(1, {SEATS}) g;

INSERT INTO reservations_reservation (customer_id, performance_id, status, total, currency, held_at,
       expires_at, reserved_at, confirmed_at, payment_id, changed_in)
SELECT 5000000 + position, performance_id, 'confirmed', 1000, 'KRW', %(now)s, %(now)s + interval '5 min',
       %(now)s, %(now)s, id, 0
  FROM concerts_seat WHERE section = 'Z' AND position < 100 + {SOLD};
INSERT INTO reservations_reservationseat (reservation_id, seat_id, price)
SELECT id, payment_id, 1000 FROM reservations_reservation WHERE payment_id IS NOT NULL;
INSERT INTO payments_payment (id, reservation_id, customer_id, status, amount, currency, paid_at)
SELECT payment_id, id, customer_id, 'succeeded', 1000, 'KRW', %(now)s
  FROM reservations_reservation WHERE payment_id IS NOT NULL;
INSERT INTO core_idempotencykey (customer_id, key, request_digest, path, status, body, created_at)
SELECT customer_id, id::text, '', '', 201, '', %(now)s FROM reservations_reservation;
ANALYZE
"""


def fill(now):
    """Fill what a test has made, one room and one concert, to the size of a sale."""
    with connection.cursor() as cursor:
        for statement in _FILL.split(";"):
            cursor.execute(statement.replace(" % ", " %% "), {"now": now})
