"""Which payments do not agree with their reservations, with the ledger or with the line."""

from apps.core.integrity import Check

_CONCERT = """(
       SELECT show.concert_id FROM reservations_reservation paid
         JOIN concerts_performance show ON show.id = paid.performance_id
        WHERE paid.id = {reservation})"""

_UNPAID = f"""
SELECT subject, wrong, {_CONCERT.format(reservation="reservation_id")}
  FROM (SELECT r.id AS reservation_id, COALESCE('reservation:' || r.id, 'payment:' || p.id) AS subject,
               CASE
               WHEN r.id IS NULL THEN 'is for reservation ' || p.reservation_id || ', which is not there'
               WHEN p.id IS NULL AND r.payment_id IS NOT NULL
               THEN 'names payment ' || r.payment_id || ', which is not its own'
               WHEN p.id IS NULL AND (r.status = 'confirmed' OR r.confirmed_at IS NOT NULL)
               THEN 'was confirmed without a payment'
               WHEN r.payment_id IS DISTINCT FROM p.id
               THEN 'has payment ' || p.id || ', but names ' || COALESCE(r.payment_id::text, 'none')
               WHEN p.status = 'succeeded' AND r.status <> 'confirmed'
               THEN 'is ' || r.status || ', but its payment ' || p.id || ' is not refunded'
               WHEN p.status = 'refunded' AND r.status <> 'cancelled'
               THEN 'is ' || r.status || ', but its payment ' || p.id || ' is refunded'
               WHEN p.amount <> r.total
               THEN 'costs ' || r.total || ', but payment ' || p.id || ' is of ' || p.amount
               WHEN p.currency <> r.currency
               THEN 'costs ' || r.currency || ', but was paid in ' || p.currency
               WHEN p.customer_id <> r.customer_id
               THEN 'is customer ' || r.customer_id || '''s, but customer ' || p.customer_id || ' paid'
               END AS wrong
          FROM reservations_reservation r
          FULL JOIN payments_payment p ON p.reservation_id = r.id) AS reservations
 WHERE wrong IS NOT NULL
"""  # noqa: S608  a statement's own text

_UNBOOKED = f"""
SELECT subject, wrong, {_CONCERT.format(reservation="reservation_id")}
  FROM (SELECT p.reservation_id,
               COALESCE('payment:' || p.id, 'walletentry:' || b.first_id) AS subject,
               CASE
               WHEN p.id IS NULL THEN 'is for ' || b.reference || ', which is not there'
               WHEN COALESCE(b.debits, 0) <> 1
               THEN 'has ' || COALESCE(b.debits, 0) || ' debits in the ledger'
               WHEN b.debited <> p.amount
               THEN 'is of ' || p.amount || ', but ' || b.debited || ' was debited'
               WHEN b.refunds <> CASE p.status WHEN 'refunded' THEN 1 ELSE 0 END
               THEN 'is ' || p.status || ', but has ' || b.refunds || ' refunds in the ledger'
               WHEN p.status = 'refunded' AND b.refunded <> p.amount
               THEN 'is of ' || p.amount || ', but ' || b.refunded || ' was refunded'
               WHEN b.first_wallet <> p.customer_id OR b.last_wallet <> p.customer_id
               THEN 'is customer ' || p.customer_id || '''s, but is booked in another wallet'
               WHEN (p.status = 'refunded') <> (p.refunded_at IS NOT NULL)
               THEN 'is ' || p.status || ', which its times do not say'
               END AS wrong
          FROM payments_payment p
          FULL JOIN (SELECT reference, min(id) AS first_id,
                            count(*) FILTER (WHERE kind = 'payment') AS debits,
                            -sum(amount) FILTER (WHERE kind = 'payment') AS debited,
                            count(*) FILTER (WHERE kind = 'refund') AS refunds,
                            sum(amount) FILTER (WHERE kind = 'refund') AS refunded,
                            min(wallet_id) AS first_wallet, max(wallet_id) AS last_wallet
                       FROM wallet_walletentry WHERE kind IN ('payment', 'refund')
                      GROUP BY reference) AS b ON b.reference = 'payment:' || p.id) AS payments
 WHERE wrong IS NOT NULL
"""  # noqa: S608  a statement's own text

# All of one commit bears the moment that the request was given.
_NOT_ONE_COMMIT = f"""
SELECT 'payment:' || id, wrong, {_CONCERT.format(reservation="reservation_id")}
  FROM (SELECT p.id, p.reservation_id, CASE
               WHEN r.confirmed_at <> p.paid_at THEN 'was paid at another moment than its seats were made over'
               WHEN e.created_at <> p.paid_at THEN 'was paid at another moment than it was debited'
               END AS wrong
          FROM payments_payment p
          LEFT JOIN reservations_reservation r ON r.id = p.reservation_id
          LEFT JOIN wallet_walletentry e
            ON e.kind = 'payment' AND e.reference = 'payment:' || p.id) AS payments
 WHERE wrong IS NOT NULL
"""  # noqa: S608  a statement's own text

# The token's end is in the line's history, which may be pruned: then only the last day is proven.
_TOKEN_NOT_ENDED = f"""
SELECT 'payment:' || p.id, 'has ended no queue token of customer ' || p.customer_id,
       {_CONCERT.format(reservation="p.reservation_id")}
  FROM payments_payment p
 WHERE p.paid_at > (
       SELECT CASE WHEN bool_or(d.last_number > COALESCE(e.entries, 0)) THEN %(kept_since)s
                   ELSE '-infinity'::timestamptz END
         FROM queue_dispenser d
         LEFT JOIN (SELECT room_id, count(*) AS entries FROM queue_queueentry GROUP BY room_id) AS e
           ON e.room_id = d.room_id)
   AND NOT EXISTS (SELECT FROM queue_queueentry e
                    WHERE e.customer_id = p.customer_id AND e.ended_at = p.paid_at
                      AND e.end_reason = 'paid')
"""  # noqa: S608  a statement's own text

_UNKNOWN_PAYMENTS = """
SELECT 'idempotencykey:' || k.id, 'answers with a payment that is not there: ' || left(k.body, 60),
       NULL::bigint
  FROM core_idempotencykey k
  LEFT JOIN payments_payment p
    ON p.customer_id = k.customer_id AND '{"id":' || p.id = split_part(k.body, ',', 1)
 WHERE k.path = '/api/v1/payments' AND p.id IS NULL
"""

_UNKNOWN_CANCELLATIONS = """
SELECT 'idempotencykey:' || k.id, 'answers with a cancellation that did not happen: ' || k.path,
       NULL::bigint
  FROM core_idempotencykey k
  LEFT JOIN reservations_reservation r
    ON r.customer_id = k.customer_id AND r.status = 'cancelled'
   AND '/api/v1/reservations/' || r.id || '/cancel' = k.path
 WHERE k.path LIKE '/api/v1/reservations/%%/cancel' AND r.id IS NULL
"""

CHECKS = (
    Check(invariant=3, sql=_UNPAID),
    Check(invariant=3, sql=_UNBOOKED),
    Check(invariant=4, sql=_NOT_ONE_COMMIT),
    Check(invariant=4, sql=_TOKEN_NOT_ENDED),
    Check(invariant=8, sql=_UNKNOWN_PAYMENTS),
    Check(invariant=8, sql=_UNKNOWN_CANCELLATIONS),
)
