"""Which rows of the line break an invariant, in every room at once. `verify_queue` tells more of one."""

from apps.core.integrity import Check

# `until` is the last turn at which somebody was still in line without having been let in. Whoever
# entered by then from a later place overtook them: the latest `until` among those ahead says so. What
# was before there were turns, at turn 0 or at none, overtook nobody, and nobody knows who overtook it.
_OVERTAKINGS = """
WITH history AS (
    SELECT id, room_id, number, place, admitted_turn,
           CASE WHEN admitted_at IS NOT NULL AND admitted_turn IS NULL
                  OR admitted_at IS NULL AND ended_at IS NOT NULL AND ended_turn IS NULL THEN -1
                ELSE COALESCE(LEAST(admitted_turn - 1, ended_turn), %(never)s) END AS until
      FROM queue_queueentry),
line AS (
    SELECT id, number, admitted_turn,
           max(ARRAY[until, -place, number]) OVER (
               PARTITION BY room_id ORDER BY place
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ahead
      FROM history)
SELECT 'queueentry:' || id, 'number ' || number || ' entered at turn ' || admitted_turn
       || ' before number ' || ahead[3] || ', who was in line ahead', NULL::bigint
  FROM line WHERE admitted_turn > 0 AND admitted_turn <= ahead[1]
"""

# A limit that was lowered since may be exceeded by those who were inside already; then nobody enters.
_OVERFULL_TURNS = """
SELECT 'turn:' || id, 'let ' || entered || ' in and left ' || admitted || ' inside, where ' || capacity
       || ' may be', NULL::bigint
  FROM queue_turn WHERE entered > 0 AND admitted > capacity
"""

# Since the last turn that let somebody in, people have only left.
_OVERFULL_ROOMS = """
SELECT 'waitingroom:' || r.id, 'has ' || inside.people || ' people inside, where '
       || GREATEST(r.capacity, last.capacity) || ' may be', NULL::bigint
  FROM queue_waitingroom r
  JOIN (SELECT room_id, count(*) AS people FROM queue_queueentry
         WHERE state = 'admitted' GROUP BY room_id) AS inside ON inside.room_id = r.id
  JOIN LATERAL (SELECT capacity FROM queue_turn t WHERE t.room_id = r.id AND t.entered > 0
                 ORDER BY t.turn DESC LIMIT 1) AS last ON true
 WHERE inside.people > GREATEST(r.capacity, last.capacity)
"""

_UNRECORDED = """
SELECT 'queueentry:' || e.id, 'was removed by staff, and nobody recorded who and why', NULL::bigint
  FROM queue_queueentry e
 WHERE e.end_reason = 'removed'
   AND NOT EXISTS (SELECT FROM core_staffaction a WHERE a.subject = 'queueentry:' || e.id)
"""

CHECKS = (
    Check(invariant=5, sql=_OVERTAKINGS),
    Check(invariant=6, sql=_OVERFULL_TURNS),
    Check(invariant=6, sql=_OVERFULL_ROOMS),
    Check(invariant=9, sql=_UNRECORDED),
)
