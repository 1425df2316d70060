"""Which rows of reservations break an invariant."""

from apps.core.integrity import Check

# A line says by itself whether it claims its seat, so overdue claims that nobody has swept need no
# clock here: they are released before anybody else may claim the seat.
_CLAIMED_TWICE = """
SELECT 'seat:' || claimed.seat_id,
       'is claimed by several reservations at once: ' || (
           SELECT string_agg(reservation_id::text, ', ' ORDER BY reservation_id)
             FROM reservations_reservationseat l
            WHERE l.seat_id = claimed.seat_id AND l.released_at IS NULL),
       (SELECT p.concert_id FROM concerts_seat s JOIN concerts_performance p ON p.id = s.performance_id
         WHERE s.id = claimed.seat_id)
  FROM (SELECT seat_id FROM reservations_reservationseat
         WHERE released_at IS NULL GROUP BY seat_id HAVING count(*) > 1) AS claimed
"""

# What one commit writes into a reservation and its lines together.
_INCONSISTENT = """
SELECT 'reservation:' || id, wrong,
       (SELECT concert_id FROM concerts_performance p WHERE p.id = performance_id)
  FROM (SELECT r.id, r.performance_id, CASE
               WHEN lines.seats IS NULL THEN 'has no seats'
               WHEN status IN ('held', 'reserved', 'confirmed') AND lines.claimed < lines.seats
               THEN 'is ' || status || ', but claims only ' || lines.claimed || ' of its '
                    || lines.seats || ' seats'
               WHEN status IN ('expired', 'cancelled') AND lines.claimed > 0
               THEN 'is ' || status || ', but still claims ' || lines.claimed || ' seats'
               WHEN r.total <> lines.total
               THEN 'costs ' || r.total || ', but its seats ' || lines.total
               WHEN expires_at <= held_at THEN 'was over before it was held'
               WHEN reserved_at >= expires_at THEN 'was reserved after its deadline'
               WHEN confirmed_at >= expires_at THEN 'was confirmed after its deadline'
               WHEN status = 'held' AND reserved_at IS NOT NULL
                 OR status IN ('reserved', 'confirmed') AND reserved_at IS NULL
                 OR status = 'confirmed' AND confirmed_at IS NULL
                 OR status IN ('held', 'reserved', 'expired') AND confirmed_at IS NOT NULL
                 OR status IN ('expired', 'cancelled') AND ended_at IS NULL
                 OR status NOT IN ('expired', 'cancelled') AND ended_at IS NOT NULL
                 OR status NOT IN ('held', 'reserved', 'confirmed', 'expired', 'cancelled')
               THEN 'is ' || status || ', which its times do not say'
               WHEN status = 'expired' AND ended_at < expires_at
               THEN 'expired before its deadline'
               WHEN CASE status WHEN 'expired' THEN end_cause IS DISTINCT FROM 'deadline'
                    WHEN 'cancelled'
                    THEN end_cause IS NULL OR end_cause NOT IN ('customer', 'staff', 'called_off')
                    ELSE end_cause IS NOT NULL END
               THEN 'is ' || status || ', but ended because of ' || COALESCE(end_cause, 'nothing')
               END AS wrong
          FROM reservations_reservation r
          LEFT JOIN (SELECT reservation_id, count(*) AS seats, sum(price) AS total,
                            count(*) FILTER (WHERE released_at IS NULL) AS claimed
                       FROM reservations_reservationseat GROUP BY reservation_id) AS lines
            ON lines.reservation_id = r.id) AS reservations
 WHERE wrong IS NOT NULL
"""

_FOREIGN_SEATS = """
SELECT 'reservation:' || r.id, 'has seat ' || s.id || ' of another performance', (
       SELECT concert_id FROM concerts_performance p WHERE p.id = r.performance_id)
  FROM reservations_reservationseat l
  JOIN reservations_reservation r ON r.id = l.reservation_id
  JOIN concerts_seat s ON s.id = l.seat_id
 WHERE s.performance_id <> r.performance_id
"""

# Each hold was checked against the limit of its moment, with what the customer had then. Reservations
# of one customer follow one another, so those before have smaller ids; one that is unpaid counted as
# long as its deadline was still to come. Staff may have lowered the limit since: each time is recorded,
# and the greatest limit since then counts; an hour is more than clocks differ.
_OVER_LIMIT = """
WITH many AS MATERIALIZED (
    SELECT c.customer_id, c.performance_id, o.id AS concert_id, o.seats_per_customer
      FROM (SELECT r.customer_id, r.performance_id, count(*) AS seats
              FROM reservations_reservation r
              JOIN reservations_reservationseat l ON l.reservation_id = r.id
             WHERE r.status IN ('held', 'reserved', 'confirmed') AND l.released_at IS NULL
             GROUP BY r.customer_id, r.performance_id) AS c
      JOIN concerts_performance p ON p.id = c.performance_id
      JOIN concerts_concert o ON o.id = p.concert_id
     WHERE c.seats > o.seats_per_customer),
claims AS (
    SELECT r.id, r.customer_id, r.performance_id, r.status, r.held_at, r.expires_at,
           (SELECT count(*) FROM reservations_reservationseat l
             WHERE l.reservation_id = r.id AND l.released_at IS NULL) AS seats
      FROM many JOIN reservations_reservation r USING (customer_id, performance_id)
     WHERE r.status IN ('held', 'reserved', 'confirmed')),
checked AS (
    SELECT claim.id, many.customer_id, many.performance_id, many.concert_id,
           (SELECT sum(earlier.seats) FROM claims AS earlier
             WHERE earlier.customer_id = claim.customer_id
               AND earlier.performance_id = claim.performance_id AND earlier.id <= claim.id
               AND (earlier.status = 'confirmed' OR earlier.expires_at > claim.held_at)) AS seats,
           GREATEST(many.seats_per_customer, (
               SELECT max((a.before ->> 'seats_per_customer')::int) FROM core_staffaction a
                WHERE a.subject = 'concert:' || many.concert_id
                  AND a.at > claim.held_at - interval '1 hour')) AS seat_limit
      FROM many JOIN claims AS claim USING (customer_id, performance_id))
SELECT 'reservation:' || id,
       'gave customer ' || customer_id || ' ' || seats || ' seats of performance ' || performance_id
       || ', where ' || seat_limit || ' are allowed', concert_id
  FROM checked WHERE seats > seat_limit
"""

# An answer begins with the id of what it did.
_UNKNOWN_HOLDS = """
SELECT 'idempotencykey:' || k.id, 'answers with a reservation that is not there: ' || left(k.body, 60),
       NULL::bigint
  FROM core_idempotencykey k
  LEFT JOIN reservations_reservation r
    ON r.customer_id = k.customer_id AND '{"id":' || r.id = split_part(k.body, ',', 1)
 WHERE (k.path LIKE '/api/v1/concerts/%%/holds' OR k.path = '/api/v1/reservations')
   AND r.id IS NULL
"""

# What staff end is theirs to account for; of a performance that was called off, once for all. That it was
# moved before, or seats of its performance were blocked, accounts for nothing.
_UNRECORDED = """
SELECT 'reservation:' || r.id,
       'was ended by staff (' || r.end_cause || '), and nobody recorded who and why', (
       SELECT concert_id FROM concerts_performance p WHERE p.id = r.performance_id)
  FROM reservations_reservation r
 WHERE r.end_cause IN ('staff', 'called_off')
   AND NOT EXISTS (SELECT FROM core_staffaction a WHERE a.subject = 'reservation:' || r.id
                      AND a.action <> 'move_reservation')
   AND (r.end_cause = 'staff' OR NOT EXISTS (
        SELECT FROM core_staffaction a WHERE a.subject = 'performance:' || r.performance_id
           AND a.action = 'call_off_performance'))
"""

CHECKS = (
    Check(invariant=1, sql=_CLAIMED_TWICE),
    Check(invariant=1, sql=_INCONSISTENT),
    Check(invariant=1, sql=_FOREIGN_SEATS),
    Check(invariant=7, sql=_OVER_LIMIT),
    Check(invariant=8, sql=_UNKNOWN_HOLDS),
    Check(invariant=9, sql=_UNRECORDED),
)
