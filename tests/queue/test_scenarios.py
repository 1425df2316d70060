"""The numbered scenarios of the line, through the API."""

import logging
from datetime import timedelta

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.models import User
from apps.queue.models import Dispenser, Presence, QueueEntry, hash_token
from apps.queue.tasks import expire_queue
from tests.factories import NOW, ConcertFactory, QueueEntryFactory, RoomFactory, UserFactory
from tests.queue.support import keep_calling, stand_in_line

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now", "room")]

TOKENS = "/api/v1/queue/tokens"
CURRENT = f"{TOKENS}/current"
LINE_STATUS = {
    "room", "status", "number", "place", "position", "estimated_wait_seconds",
    "poll_after_seconds", "joined_at", "admitted_at", "expires_at", "opens_at",
}  # fmt: skip


def fill(room, *, waiting=0):
    """Take every place inside, and stand `waiting` people in line."""
    room.capacity = 1
    room.save()
    QueueEntryFactory(room=room, admitted=True)
    return stand_in_line(room, waiting)


def with_token(client, token):
    client.credentials(**{**client._credentials, "HTTP_X_QUEUE_TOKEN": token})
    return client


def assert_problem(response, status, code, **fields):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert {name: body[name] for name in fields} == fields


def read_entries():
    return list(QueueEntry.objects.order_by("pk").values())


def last_call_of(entry):
    return Presence.objects.get(entry=entry).last_seen_at


class Test_1_1_1_FirstJoin:
    def test_1_1_1_first_join_gets_a_token_and_an_estimate(self, sign_in, customer, room):
        fill(room, waiting=2)
        answer = sign_in(customer).post(TOKENS)
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == LINE_STATUS | {"token", "receipt"}
        entry = QueueEntry.objects.get(customer=customer)
        assert body["room"] == "main"
        assert body["status"] == "waiting"
        assert (body["number"], body["position"]) == (entry.number, 3)
        assert body["estimated_wait_seconds"] == 3 * room.session_seconds
        assert 16 <= body["poll_after_seconds"] == int(answer["Retry-After"]) <= 20
        assert (body["place"], body["opens_at"]) == (entry.number, None)
        assert body["joined_at"] == "2026-11-01T01:00:00Z"
        assert body["admitted_at"] is body["expires_at"] is None
        assert bytes(entry.token_hash) == hash_token(body["token"])
        assert answer["Cache-Control"] == "no-store"

    def test_1_1_1_an_empty_room_lets_in_at_once(self, sign_in, customer):
        body = sign_in(customer).post(TOKENS, {}).json()
        assert body["status"] == "admitted"
        assert (body["position"], body["estimated_wait_seconds"]) == (0, 0)
        assert body["admitted_at"] == "2026-11-01T01:00:00Z"
        assert body["expires_at"] == "2026-11-01T01:10:00Z"

    def test_1_1_1_a_concert_leads_to_its_own_room(self, sign_in, customer):
        own = RoomFactory(slug="first-snow", capacity=1)
        concert = ConcertFactory(room="first-snow")
        answer = sign_in(customer).post(TOKENS, {"concert_id": concert.pk})
        assert answer.json()["room"] == "first-snow"
        assert QueueEntry.objects.get().room == own

    @pytest.mark.parametrize("published", [False, None])
    def test_1_1_1_an_unknown_concert_has_no_line(self, sign_in, customer, published):
        concert_id = 10**9 if published is None else ConcertFactory(published=False).pk
        answer = sign_in(customer).post(TOKENS, {"concert_id": concert_id})
        assert_problem(answer, 404, "concert_not_found")
        assert not QueueEntry.objects.exists()

    def test_1_1_1_nobody_joins_without_signing_in(self, client):
        assert_problem(client.post(TOKENS), 401, "not_authenticated")
        assert not QueueEntry.objects.exists()

    def test_1_1_1_a_disabled_user_does_not_join(self, sign_in, customer):
        User.objects.update(is_active=False)
        assert_problem(sign_in(customer).post(TOKENS), 401, "invalid_access_token")
        assert not QueueEntry.objects.exists()

    @pytest.mark.parametrize("state", ["draining", "closed"])
    def test_1_1_1_a_closed_room_takes_nobody(self, sign_in, customer, room, state):
        RoomFactory._meta.model.objects.update(state=state)
        assert_problem(sign_in(customer).post(TOKENS), 409, "waiting_room_closed")
        assert Dispenser.objects.get(room=room).last_number == 0
        assert not QueueEntry.objects.exists()


class Test_1_2_1_JoiningAgain:
    def test_1_2_1_joining_again_ends_the_earlier_token_and_goes_to_the_back(
        self, sign_in, customer, room
    ):
        fill(room)
        client = sign_in(customer)
        first = client.post(TOKENS).json()
        behind = sign_in(UserFactory()).post(TOKENS).json()
        second = client.post(TOKENS).json()
        assert first["token"] != second["token"]
        assert first["number"] < behind["number"] < second["number"]
        assert (first["position"], behind["position"], second["position"]) == (1, 2, 2)
        assert second["estimated_wait_seconds"] == 2 * room.session_seconds
        earlier, later = QueueEntry.objects.filter(customer=customer).order_by("pk")
        assert (earlier.state, earlier.end_reason, earlier.ended_at) == ("ended", "reissued", NOW)
        assert later.state == "waiting"
        answer = with_token(client, first["token"]).get(CURRENT)
        assert_problem(answer, 403, "queue_token_expired", reason="reissued")
        assert with_token(client, second["token"]).get(CURRENT).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_1_2_1_who_is_inside_and_joins_again_leaves_the_place(self, sign_in, customer, room):
        room.capacity = 1
        room.save()
        client = sign_in(customer)
        assert client.post(TOKENS).json()["status"] == "admitted"
        (ahead,) = stand_in_line(room, 1)
        body = client.post(TOKENS).json()
        assert (body["status"], body["position"]) == ("waiting", 1)
        ahead.refresh_from_db()
        assert ahead.state == "admitted"

    def test_1_2_1_a_place_that_the_clock_has_ended_keeps_its_reason(
        self, sign_in, customer, room, clock_at_now
    ):
        client = sign_in(customer)
        client.post(TOKENS)
        clock_at_now.move(seconds=room.idle_seconds + 5)
        assert client.post(TOKENS).status_code == 201
        earlier = QueueEntry.objects.filter(customer=customer).earliest("pk")
        assert earlier.end_reason == "idle"
        assert earlier.ended_at == NOW + timedelta(seconds=room.idle_seconds)

    def test_1_2_1_a_place_in_another_room_stays(self, sign_in, customer):
        RoomFactory(slug="first-snow")
        concert = ConcertFactory(room="first-snow")
        client = sign_in(customer)
        client.post(TOKENS)
        client.post(TOKENS, {"concert_id": concert.pk})
        assert QueueEntry.objects.filter(state="admitted").count() == 2


class Test_2_1_1_LineStatus:
    def test_2_1_1_a_token_in_line_gets_its_status_and_an_updated_estimate(
        self, sign_in, room, clock_at_now
    ):
        ahead, _second, entry = fill(room, waiting=3)
        client = sign_in(entry.customer, entry)
        before = client.get(CURRENT).json()
        assert set(before) == LINE_STATUS
        assert (before["position"], before["number"]) == (3, entry.number)
        assert sign_in(ahead.customer, ahead).delete(CURRENT).status_code == 204
        after = client.get(CURRENT).json()
        assert (after["position"], after["number"]) == (2, entry.number)
        assert after["estimated_wait_seconds"] < before["estimated_wait_seconds"]

    def test_2_1_1_who_has_been_let_in_sees_the_end_of_the_session(self, buyer):
        body = buyer.get(CURRENT).json()
        assert (body["status"], body["position"]) == ("admitted", 0)
        assert body["expires_at"] == "2026-11-01T01:10:00Z"

    def test_2_1_1_asking_keeps_the_place(self, buyer, admitted, clock_at_now):
        for _poll in range(5):
            clock_at_now.move(seconds=59)
            assert buyer.get(CURRENT).status_code == 200
        assert last_call_of(admitted) == clock_at_now.now


class Test_2_1_2_OutOfLine:
    @pytest.mark.parametrize("reason", QueueEntry.EndReason.values)
    def test_2_1_2_a_token_out_of_the_line_gets_the_reason(self, sign_in, customer, room, reason):
        entry = QueueEntryFactory(
            room=room, customer=customer, state="ended", ended_at=NOW, end_reason=reason
        )
        before = read_entries()
        client = sign_in(customer, entry)
        assert_problem(client.get(CURRENT), 403, "queue_token_expired", reason=reason)
        assert_problem(client.delete(CURRENT), 403, "queue_token_expired", reason=reason)
        assert read_entries() == before

    def test_2_1_2_leaving_ends_the_token(self, buyer, admitted):
        assert buyer.delete(CURRENT).status_code == 204
        admitted.refresh_from_db()
        assert (admitted.state, admitted.end_reason, admitted.ended_at) == ("ended", "left", NOW)
        assert_problem(buyer.get(CURRENT), 403, "queue_token_expired", reason="left")
        assert_problem(buyer.delete(CURRENT), 403, "queue_token_expired", reason="left")

    def test_2_1_2_an_unknown_token_is_not_valid(self, sign_in, customer):
        client = with_token(sign_in(customer), "no-such-token")
        assert_problem(client.get(CURRENT), 403, "queue_token_invalid")

    def test_2_1_2_somebody_elses_token_is_not_valid(self, sign_in, customer, room):
        entry = QueueEntryFactory(room=room)
        before = read_entries()
        client = sign_in(customer, entry)
        assert_problem(client.get(CURRENT), 403, "queue_token_invalid")
        assert_problem(client.delete(CURRENT), 403, "queue_token_invalid")
        assert read_entries() == before

    @pytest.mark.parametrize("token", ["", "  "])
    def test_2_1_2_a_missing_token_is_asked_for(self, sign_in, customer, token):
        client = with_token(sign_in(customer), token)
        assert_problem(client.get(CURRENT), 403, "queue_token_required")

    @pytest.mark.parametrize("token", ["a\0b", "하늘", "\udcff", "x" * 10_000, "' OR 1=1 --"])
    def test_2_1_2_an_odd_token_is_not_valid(self, sign_in, customer, token):
        client = with_token(sign_in(customer), token)
        assert_problem(client.get(CURRENT), 403, "queue_token_invalid")


class Test_2_1_3_UnknownUser:
    def test_2_1_3_an_unknown_user_is_refused(self, sign_in, room):
        nobody = User(pk=10**9, password="!")
        entry = QueueEntryFactory(room=room)
        answer = sign_in(nobody, entry).get(CURRENT)
        assert_problem(answer, 401, "invalid_access_token")

    def test_2_1_3_a_disabled_user_is_refused_and_not_noted(self, buyer, admitted, clock_at_now):
        User.objects.update(is_active=False)
        clock_at_now.move(seconds=30)
        assert_problem(buyer.get(CURRENT), 401, "invalid_access_token")
        assert_problem(buyer.delete(CURRENT), 401, "invalid_access_token")
        admitted.refresh_from_db()
        assert (admitted.state, last_call_of(admitted)) == ("admitted", NOW)

    def test_2_1_3_nobody_is_not_signed_in(self, client):
        assert_problem(client.get(CURRENT), 401, "not_authenticated")

    def test_2_1_3_a_wrong_access_token_is_refused(self, client, admitted, customer):
        token = f"{AccessToken.for_user(customer)}x"
        headers = {"Authorization": f"Bearer {token}", "X-Queue-Token": f"token-{admitted.number}"}
        assert_problem(client.get(CURRENT, headers=headers), 401, "invalid_access_token")


class Test_8_1_TidyingTheLine:
    @pytest.fixture(autouse=True)
    def _logs(self, caplog):
        caplog.set_level(logging.INFO)

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_8_1_1_every_call_with_the_token_counts_as_the_last(
        self, buyer, admitted, clock_at_now, method
    ):
        later = clock_at_now.move(seconds=30)
        answer = getattr(buyer, method)(
            {"get": "/api/v1/holds", "post": "/api/v1/reservations"}[method]
        )
        assert answer.status_code == {"get": 200, "post": 400}[method]
        assert last_call_of(admitted) == later

    def test_8_1_1_calls_within_a_second_are_one_write(self, buyer, admitted, clock_at_now):
        clock_at_now.move(seconds=0.9)
        assert buyer.get(CURRENT).status_code == 200
        assert last_call_of(admitted) == NOW

    def test_8_1_2_a_silent_customer_is_taken_out_of_the_line(self, room, clock_at_now, caplog):
        silent, calling = stand_in_line(room, 2)
        keep_calling(calling, now=clock_at_now.move(seconds=30))
        clock_at_now.move(seconds=30)
        assert expire_queue() == 1
        silent.refresh_from_db()
        calling.refresh_from_db()
        assert (silent.state, silent.end_reason) == ("ended", "idle")
        assert silent.ended_at == NOW + timedelta(seconds=60)
        assert calling.state == "waiting"
        assert "sweep expire_queue touched 1 rows" in caplog.text

    def test_8_1_3_the_token_of_who_was_taken_out_is_no_longer_good(
        self, buyer, admitted, clock_at_now
    ):
        clock_at_now.move(seconds=60)
        assert expire_queue() == 1
        admitted.refresh_from_db()
        assert admitted.state == "ended"
        for url in (CURRENT, "/api/v1/holds", "/api/v1/concerts/1/dates"):
            assert_problem(buyer.get(url), 403, "queue_token_expired", reason="idle")

    def test_8_1_3_the_clock_alone_makes_the_token_no_longer_good(
        self, buyer, admitted, clock_at_now
    ):
        clock_at_now.move(seconds=60)
        assert_problem(buyer.get(CURRENT), 403, "queue_token_expired", reason="idle")
        assert_problem(buyer.delete(CURRENT), 403, "queue_token_expired", reason="idle")
        admitted.refresh_from_db()
        assert (admitted.state, last_call_of(admitted)) == ("admitted", NOW)
