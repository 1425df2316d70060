"""Checking the invariants: statements that find the rows which break one, and what comes of running them.

Each app has the checks of its own rows in its `integrity.py`. A check answers by rows alone, never by
the time of day: what the clock has ended and nobody has swept is whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.backends.utils import CursorWrapper

from apps.core.limits import HISTORY_KEPT_HOURS, ID_MAX


@dataclass(frozen=True, kw_only=True)
class Check:
    """A statement that selects `subject`, `detail` and `concert_id` of each row that breaks `invariant`."""

    invariant: int
    sql: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A row that breaks an invariant, and the concert that it concerns, where it is one."""

    invariant: int
    subject: str
    detail: str
    concert_id: int | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found: all rows are counted, the first of each concert are named."""

    total: int
    named: list[Finding]


# The first row of every concert before the second of any: a flood in one hides no other.
_NAME = """
SELECT total, subject, detail, concert_id
  FROM (SELECT subject, detail, concert_id, count(*) OVER () AS total,
               row_number() OVER (PARTITION BY concert_id ORDER BY subject, detail) AS nth
          FROM ({sql}) AS broken (subject, detail, concert_id)) AS ranked
 ORDER BY nth, concert_id, subject LIMIT %(limit)s
"""


def run_check(cursor: CursorWrapper, check: Check, *, now: datetime, limit: int) -> Outcome:
    """Run a check and return what it found, up to `limit` rows of it by name."""
    parameters: Mapping[str, Any] = {
        "limit": limit,
        "never": ID_MAX,
        # What ended since is pruned by nobody; an hour is more than clocks differ.
        "kept_since": now - timedelta(hours=HISTORY_KEPT_HOURS - 1),
    }
    cursor.execute(_NAME.format(sql=check.sql), parameters)
    rows = cursor.fetchall()
    return Outcome(
        total=int(rows[0][0]) if rows else 0,
        named=[
            Finding(
                invariant=check.invariant, subject=subject, detail=detail, concert_id=concert_id
            )
            for _total, subject, detail, concert_id in rows
        ],
    )


def expect_triggers(invariant: int, triggers: Sequence[tuple[str, str, str]]) -> Check:
    """Return the check that each of these triggers (table, trigger, function) is there, is on, and
    refuses something."""
    wanted = ", ".join(f"('{table}', '{name}', '{function}')" for table, name, function in triggers)
    return Check(
        invariant=invariant,
        sql=f"""
SELECT 'trigger:' || name, 'does not guard ' || tab || ': it is missing, switched off or changed',
       NULL::bigint
  FROM (VALUES {wanted}) AS wanted (tab, name, function)
 WHERE NOT EXISTS (
       SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
        WHERE t.tgrelid = to_regclass(tab) AND t.tgname = name AND t.tgenabled IN ('O', 'A')
          AND f.proname = function AND f.prosrc LIKE '%%RAISE EXCEPTION%%')""",  # noqa: S608  constants of this code
    )


def expect_functions(invariant: int, functions: Sequence[tuple[str, str]]) -> Check:
    """Return the check that each of these functions of triggers (name, MD5 of its source) is as it was
    written: one with exceptions refuses something even where it has one too many."""
    wanted = ", ".join(f"('{name}', '{digest}')" for name, digest in functions)
    return Check(
        invariant=invariant,
        sql=f"""
SELECT 'function:' || name, 'is not as it was written: it may refuse less', NULL::bigint
  FROM (VALUES {wanted}) AS wanted (name, digest)
 WHERE NOT EXISTS (SELECT FROM pg_proc f WHERE f.proname = name AND md5(f.prosrc) = digest)
    OR EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
                WHERE f.proname = name AND md5(f.prosrc) <> digest)""",  # noqa: S608  constants of this code
    )


def expect_constraints(invariant: int, constraints: Sequence[tuple[str, str]]) -> Check:
    """Return the check that each of these constraints and unique indexes (table, name) is in force."""
    wanted = ", ".join(f"('{table}', '{name}')" for table, name in constraints)
    return Check(
        invariant=invariant,
        sql=f"""
SELECT 'constraint:' || name, 'does not guard ' || tab || ': it is missing or not in force',
       NULL::bigint
  FROM (VALUES {wanted}) AS wanted (tab, name)
 WHERE NOT EXISTS (
       SELECT FROM pg_constraint c
        WHERE c.conrelid = to_regclass(tab) AND c.conname = name AND c.convalidated)
   AND NOT EXISTS (
       SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(tab) AND c.relname = name
          AND i.indisunique AND i.indisvalid)""",  # noqa: S608  constants of this code
    )


CHECKS = (
    # An index may be gone, or broken: the rows themselves say whether a key has two answers.
    Check(
        invariant=8,
        sql="""
SELECT 'idempotencykey:' || id,
       'is a second answer to key ' || key || ' of customer ' || customer_id, NULL::bigint
  FROM (SELECT id, key, customer_id,
               row_number() OVER (PARTITION BY customer_id, key ORDER BY id) AS nth
          FROM core_idempotencykey k
         WHERE (customer_id, key) IN (
               SELECT customer_id, key FROM core_idempotencykey
                GROUP BY customer_id, key HAVING count(*) > 1)) AS answers
 WHERE nth > 1""",
    ),
    Check(
        invariant=9,
        sql="""
SELECT 'staffaction:' || id, 'says not who did it, or not why', NULL::bigint
  FROM core_staffaction WHERE btrim(actor_name) = '' OR btrim(reason) = ''""",
    ),
    expect_triggers(
        9, [("core_staffaction", "staff_action_append_only", "staff_action_refuse_change")]
    ),
)
