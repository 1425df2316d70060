"""`Idempotency-Key`: one outcome for each key, however often and however concurrently it is sent."""

from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connections

from apps.core import idempotency, prepared
from apps.core.models import IdempotencyKey
from apps.core.pruning import list_old_keys
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.services import charge_wallet
from tests.core.contents import read_contents
from tests.core.retried import KINDS, make_retried
from tests.factories import NOW, UserFactory
from tests.reservations.support import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

CHARGES = "/api/v1/wallet/charges"
HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"


@pytest.fixture
def owner(sign_in, customer):
    return sign_in(customer)


def charge(client, key="k", amount=1_000, **more):
    return client.post(CHARGES, {"amount": amount, **more}, headers={HEADER: key})


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert REPLAYED not in answer


def test_the_first_answer_is_given_again(owner):
    first = charge(owner)
    assert REPLAYED not in first
    for _time in range(2):
        again = charge(owner)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again[REPLAYED] == "true"
    assert WalletEntry.objects.count() == 1
    kept = IdempotencyKey.objects.get()
    assert (kept.key, kept.status, kept.created_at) == ("k", 201, NOW)


def test_without_a_key_every_request_counts(owner):
    for _time in range(2):
        assert owner.post(CHARGES, {"amount": 1_000}).status_code == 201
    assert WalletEntry.objects.count() == 2
    assert not IdempotencyKey.objects.exists()


def test_the_same_meaning_in_another_spelling_is_the_same_request(owner):
    first, again = (
        owner.generic("POST", CHARGES, body, "application/json", headers={HEADER: "k"})
        for body in (b'{"amount": 1000, "a": 1}', b' {"a":1,"amount":1000}\n')
    )
    assert again.content == first.content
    assert again[REPLAYED] == "true"


@pytest.mark.parametrize("change", [{"amount": 2_000}, {"note": "하늘"}])
def test_another_body_is_refused(owner, change):
    charge(owner)
    before = read_contents()
    assert_problem(charge(owner, **change), 422, "idempotency_key_reused")
    assert read_contents() == before


def test_another_path_is_refused(buyer, performance, seats):
    url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
    hold = buyer.post(url, {"seat_ids": [seats[0].pk]}, headers={HEADER: "k"}).json()
    before = read_contents()
    answer = buyer.post("/api/v1/reservations", {"hold_id": hold["id"]}, headers={HEADER: "k"})
    assert_problem(answer, 422, "idempotency_key_reused")
    assert read_contents() == before


def test_another_customer_has_keys_of_their_own(owner, sign_in):
    first = charge(owner)
    other = charge(sign_in(UserFactory()))
    assert other.status_code == 201
    assert REPLAYED not in other
    assert other.json()["entry"]["id"] != first.json()["entry"]["id"]
    assert IdempotencyKey.objects.count() == 2


@pytest.mark.parametrize(
    "key", ["", " ", "two words", "하늘", "tab\t", "line\n", "nul\0", "\x7f", "\udcff", "k" * 256]
)
def test_a_malformed_key_is_refused(owner, key):
    before = read_contents()
    answer = charge(owner, key)
    assert_problem(answer, 400, "invalid_request")
    assert answer.json()["errors"][0]["field"] == HEADER
    assert read_contents() == before


@pytest.mark.parametrize("key", ["!", "~", "k" * 255, "';DROP/**/TABLE/**/wallet_wallet;--"])
def test_the_limits_of_a_key_are_allowed(owner, key):
    assert charge(owner, key).status_code == 201
    assert charge(owner, key)[REPLAYED] == "true"


def test_an_error_is_not_kept(owner):
    before = read_contents()
    assert_problem(charge(owner, amount=0), 400, "invalid_request")
    assert read_contents() == before
    assert charge(owner, amount=1_000).status_code == 201


def test_a_domain_error_is_not_kept(buyer, performance, seats):
    url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
    body = {"seat_ids": [seats[0].pk]}
    type(seats[0]).objects.update(blocked=True, blocked_reason="조명")
    before = read_contents()
    assert_problem(buyer.post(url, body, headers={HEADER: "k"}), 409, "seat_unavailable")
    assert read_contents() == before
    type(seats[0]).objects.update(blocked=False)
    assert buyer.post(url, body, headers={HEADER: "k"}).status_code == 201


def test_a_fault_of_ours_is_not_kept(owner, monkeypatch):
    before = read_contents()
    with monkeypatch.context() as broken:
        broken.setattr("apps.wallet.views.ChargeOutput", None)
        assert_problem(charge(owner), 500, "internal_error")
    assert read_contents() == before
    assert charge(owner).status_code == 201


def test_after_its_retention_a_key_runs_anew(owner, clock_at_now, settings):
    first = charge(owner)
    clock_at_now.move(hours=settings.IDEMPOTENCY_HOURS, seconds=-1)
    assert charge(owner)[REPLAYED] == "true"
    clock_at_now.move(seconds=1)
    anew = charge(owner, amount=2_000)
    assert (anew.status_code, anew.json()["balance"]) == (201, 3_000)
    assert REPLAYED not in anew
    assert IdempotencyKey.objects.get().created_at == NOW + timedelta(days=1)
    again = charge(owner, amount=2_000)
    assert again.content == anew.content != first.content


def test_while_the_first_is_running_a_second_is_refused_at_once(owner, customer, monkeypatch):
    with closing(connections.create_connection("default")) as other:
        other.set_autocommit(False)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(prepared, "connections", {"default": other})
            idempotency.claim_key(customer_id=customer.pk, key="k")
        before = read_contents()
        assert_problem(charge(owner, "k"), 409, "idempotency_key_in_use")
        assert read_contents() == before
        assert charge(owner, "another").status_code == 201
        other.rollback()
        other.set_autocommit(True)
    assert charge(owner, "k").status_code == 201
    assert Wallet.objects.get().balance == 2_000


@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_answer_is_replayed_after_the_thing_has_changed(
    buyer, performance, seats, clock_at_now, language
):
    url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
    headers = {HEADER: "k", "Accept-Language": language}
    first = buyer.post(url, {"seat_ids": [seats[0].pk]}, headers=headers)
    assert buyer.delete(f"/api/v1/holds/{first.json()['id']}").status_code == 204
    again = buyer.post(url, {"seat_ids": [seats[0].pk]}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


class TestEveryPost:
    """What holds for charges holds for every POST that changes seats or money."""

    @pytest.fixture(params=KINDS)
    def retried(self, request, buyer, customer, performance, seats):
        performance.refresh_from_db()
        charge_wallet(customer_id=customer.pk, amount=50_000, now=NOW)
        return make_retried(request.param, customer, seats)

    def test_a_repetition_is_answered_and_writes_nothing(self, buyer, retried):
        first = retried.send(buyer)
        assert (first.status_code, REPLAYED in first) == (retried.status, False)
        with nothing_written():
            again = retried.send(buyer)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again[REPLAYED] == "true"

    def test_another_body_is_refused(self, buyer, retried):
        assert retried.send(buyer).status_code == retried.status
        with nothing_written():
            answer = retried.send(buyer, body=retried.other_body)
        assert_problem(answer, 422, "idempotency_key_reused")

    def test_another_path_is_refused(self, buyer, retried):
        assert retried.send(buyer).status_code == retried.status
        with nothing_written():
            answer = charge(buyer, amount=7)
        assert_problem(answer, 422, "idempotency_key_reused")

    def test_the_key_of_somebody_else_is_nobodys(self, buyer, retried, sign_in):
        charge(sign_in(UserFactory()))
        answer = retried.send(buyer)
        assert (answer.status_code, REPLAYED in answer) == (retried.status, False)
        assert IdempotencyKey.objects.filter(key="k").count() == 2

    def test_an_error_is_not_kept(self, buyer, retried, admitted, customer):
        """The customer is disabled, and enabled again."""
        type(customer).objects.filter(pk=customer.pk).update(is_active=False)
        with nothing_written():
            assert retried.send(buyer).status_code == 401
        type(customer).objects.filter(pk=customer.pk).update(is_active=True)
        answer = retried.send(buyer)
        assert (answer.status_code, REPLAYED in answer) == (retried.status, False)

    def test_after_its_retention_it_is_judged_anew(self, buyer, retried, clock_at_now, settings):
        assert retried.send(buyer).status_code == retried.status
        clock_at_now.move(hours=settings.IDEMPOTENCY_HOURS, seconds=-1)
        assert retried.send(buyer)[REPLAYED] == "true"
        clock_at_now.move(seconds=1)
        assert REPLAYED not in retried.send(buyer)

    def test_a_key_that_was_deleted_is_a_new_key(self, buyer, retried):
        assert retried.send(buyer).status_code == retried.status
        list_old_keys(before=NOW + timedelta(microseconds=1)).delete()
        assert REPLAYED not in retried.send(buyer)
