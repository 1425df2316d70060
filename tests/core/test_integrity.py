"""Kept answers and staff's records that break an invariant, and what is written down of findings."""

from datetime import timedelta

import pytest
from django.db import connection

from apps.core.findings import list_open_findings, note_findings
from apps.core.integrity import Check, Finding, run_check
from apps.core.models import IdempotencyKey, IntegrityFinding, StaffAction
from tests.factories import NOW
from tests.integrity import look, run_sql, subjects, write_past_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fences")]


def make_key(customer_id, key):
    return IdempotencyKey.objects.create(
        customer_id=customer_id, key=key, request_digest=b"", status=201, body="{}", created_at=NOW
    )


def test_a_second_answer_to_a_key_is_found_though_its_index_is_gone():
    run_sql("ALTER TABLE core_idempotencykey DROP CONSTRAINT idempotency_key_once")
    for customer_id, key in [(1, "a"), (1, "b"), (2, "a")]:
        make_key(customer_id, key)
    assert subjects() == []
    second = make_key(1, "a")
    (finding,) = look(8)
    assert finding.subject == f"idempotencykey:{second.pk}"
    assert finding.detail == "is a second answer to key a of customer 1"


class TestStaffActions:
    @pytest.mark.parametrize("field", ["reason", "actor_name"])
    def test_one_that_says_too_little(self, field):
        fields = {"reason": "because", "actor_name": "op", field: " "}
        action = StaffAction.objects.create(at=NOW, action="a", subject="b", **fields)
        assert subjects() == [f"staffaction:{action.pk}"]

    def test_records_that_could_be_changed(self):
        run_sql("ALTER TABLE core_staffaction DISABLE TRIGGER staff_action_append_only")
        assert subjects() == ["trigger:staff_action_append_only"]
        assert {finding.invariant for finding in look()} == {9}

    def test_writing_past_a_trigger_leaves_it_on(self):
        write_past_triggers("core_staffaction", "DELETE FROM core_staffaction")
        assert subjects() == []


def find(subject, *, invariant=1, concert_id=None):
    return Finding(invariant=invariant, subject=subject, detail="broken", concert_id=concert_id)


class TestNaming:
    def test_all_are_counted_and_every_concert_is_named(self, db):
        check = Check(
            invariant=1,
            sql="SELECT 'row:' || n, 'broken', CASE WHEN n < 9 THEN n % 2 ELSE n END"
            " FROM generate_series(1, 10) AS n".replace("%", "%%"),
        )
        with connection.cursor() as cursor:
            outcome = run_check(cursor, check, now=NOW, limit=5)
        assert outcome.total == 10
        assert [finding.concert_id for finding in outcome.named] == [0, 1, 9, 10, 0]


class TestFindings:
    def note(self, *found, complete=(1, 2), now=NOW):
        return [row.subject for row in note_findings(found, complete=complete, now=now)]

    def rows(self):
        rows = IntegrityFinding.objects.order_by("pk")
        return list(rows.values_list("invariant", "subject", "found_at", "seen_at", "gone_at"))

    def test_one_is_found_seen_and_gone(self):
        later, last = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
        assert self.note(find("seat:1"), find("seat:2")) == ["seat:1", "seat:2"]
        assert self.note(find("seat:1"), now=later) == []
        assert self.rows() == [(1, "seat:1", NOW, later, None), (1, "seat:2", NOW, NOW, later)]
        assert self.note(now=last) == []
        assert self.rows()[0] == (1, "seat:1", NOW, later, last)
        assert not list_open_findings().exists()

    def test_one_that_comes_back_is_new(self):
        self.note(find("seat:1"))
        self.note()
        assert self.note(find("seat:1")) == ["seat:1"]
        assert IntegrityFinding.objects.count() == 2

    def test_a_row_may_break_two_invariants(self):
        assert self.note(find("a:1"), find("a:1", invariant=2)) == ["a:1", "a:1"]
        assert self.note(find("a:1")) == []
        assert [row[0] for row in self.rows() if row[-1] is None] == [1]

    def test_nothing_is_whole_where_not_all_are_named(self):
        self.note(find("seat:1"), find("b:1", invariant=2))
        self.note(complete=[2])
        assert [row[-1] for row in self.rows()] == [None, NOW]
