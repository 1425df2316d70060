"""Races for an `Idempotency-Key`: in flight, cut off in the middle, and old while it is pruned."""

from datetime import timedelta

import pytest
from django.db import connection

from apps.core.models import IdempotencyKey
from apps.core.pruning import delete_in_batches, list_old_keys
from apps.wallet.models import WalletEntry
from tests.concurrency.racing import held_open, overlap, race, take_key_lock_away
from tests.core.retried import KINDS, make_retried
from tests.factories import NOW
from tests.reservations.support import nothing_written, read_rows

pytestmark = pytest.mark.django_db(transaction=True)

CHARGES = "/api/v1/wallet/charges"


@pytest.fixture
def client(sign_in, entry, clock_at_now):
    return sign_in(entry.customer, entry)


@pytest.fixture(params=KINDS)
def retried(request, entry, performance, seats):
    performance.refresh_from_db()
    return make_retried(request.param, entry.customer, seats)


def code_of(answer):
    return answer.json().get("code", answer.get("Idempotent-Replayed", "first"))


# In flight


def test_while_it_is_in_flight_nobody_waits_and_nothing_is_done(client, retried):
    result = overlap(lambda: retried.send(client), lambda: retried.send(client))
    assert (result.first.status_code, result.waited) == (retried.status, False)
    assert (result.second.status_code, code_of(result.second)) == (409, "idempotency_key_in_use")
    with nothing_written():
        again = retried.send(client)
    assert (again.content, code_of(again)) == (result.first.content, "true")


def test_while_it_is_in_flight_without_the_lock_on_the_key(client, retried, monkeypatch):
    take_key_lock_away(monkeypatch)
    result = overlap(lambda: retried.send(client), lambda: retried.send(client))
    assert result.waited
    assert code_of(result.second) != "idempotency_key_in_use"


def test_sent_many_times_at_once(client, retried):
    answers = race(*[lambda: retried.send(client)] * 8)
    seen = [code_of(answer) for answer in answers]
    assert seen.count("first") == 1
    assert set(seen) <= {"first", "true", "idempotency_key_in_use"}
    good = {answer.content for answer in answers if answer.status_code == retried.status}
    assert len(good) == IdempotencyKey.objects.count() == 1


# Cut off between the effect and the answer


def cut_off(racer):
    """End the connection of a racer who has done all but the commit, as a crash would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [racer.backend_pid])
        assert cursor.fetchone()[0]


def test_cut_off_before_the_commit_nothing_is_kept(client, retried):
    before = read_rows()
    with held_open(lambda: retried.send(client)) as racer:
        cut_off(racer)
    assert isinstance(racer.result, Exception)
    assert read_rows() == before
    first = retried.send(client)
    assert (first.status_code, code_of(first)) == (retried.status, "first")


def test_cut_off_after_the_commit_the_answer_is_kept(client, retried):
    with held_open(lambda: retried.send(client)) as racer:
        pass
    lost = racer.result
    with nothing_written():
        again = retried.send(client)
    assert (again.content, code_of(again)) == (lost.content, "true")


# Old keys


@pytest.fixture
def charge_anew(client, entry, clock_at_now, settings):
    """What charges 500 with a key whose first answer is a second too old."""

    def charge():
        return client.post(CHARGES, {"amount": 500}, HTTP_IDEMPOTENCY_KEY="k")

    assert charge().status_code == 201
    clock_at_now.move(hours=settings.IDEMPOTENCY_HOURS, seconds=1)
    return charge


def prune(now=NOW):
    before = now + timedelta(seconds=1)
    return lambda: list(delete_in_batches(list_old_keys(before=before), batch=100))


def assert_charged_twice(charge):
    again = charge()
    assert code_of(again) == "true"
    assert WalletEntry.objects.filter(kind="charge", amount=500).count() == 2
    assert IdempotencyKey.objects.count() == 1


def test_an_old_key_acts_anew_once(charge_anew):
    result = overlap(charge_anew, charge_anew)
    assert (code_of(result.first), code_of(result.second)) == ("first", "idempotency_key_in_use")
    assert_charged_twice(charge_anew)


def test_an_old_key_acts_anew_once_without_the_lock_twice(charge_anew, monkeypatch):
    take_key_lock_away(monkeypatch)
    result = overlap(charge_anew, charge_anew)
    assert (code_of(result.first), code_of(result.second)) == ("first", "first")
    assert WalletEntry.objects.filter(kind="charge", amount=500).count() == 3


def test_an_old_key_is_renewed_and_then_pruned(charge_anew):
    result = overlap(charge_anew, prune())
    assert (result.waited, result.second) == (True, [0])  # it is not old any more
    assert_charged_twice(charge_anew)


def test_an_old_key_is_renewed_and_then_pruned_by_id_alone(charge_anew):
    ids = list(IdempotencyKey.objects.values_list("pk", flat=True))

    def prune_by_id():
        rows = IdempotencyKey.objects.filter(pk__in=ids)
        return list(delete_in_batches(rows, batch=100))

    result = overlap(charge_anew, prune_by_id)
    assert result.second == [1]
    assert code_of(charge_anew()) == "first"  # and is charged a third time


def test_an_old_key_is_pruned_and_then_renewed(charge_anew):
    result = overlap(prune(), charge_anew)
    assert (result.first, result.waited, code_of(result.second)) == ([1], True, "first")
    assert_charged_twice(charge_anew)
