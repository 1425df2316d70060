"""Joining, polling, admission: who stands where, and who goes in."""

import pytest

from apps.accounts.errors import InvalidAccessToken
from apps.queue import limits, services
from apps.queue.admission import look_after
from apps.queue.errors import (
    QueueTokenExpired,
    QueueTokenInvalid,
    RoomNotFound,
    WaitingRoomClosed,
)
from apps.queue.models import Presence, QueueEntry, WaitingRoom, hash_token
from apps.queue.selectors import get_entry
from tests.factories import NOW, RoomFactory, UserFactory
from tests.queue.support import at, keep_calling, poll, stand_in_line, states, turnstile_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]


def join(*, now=NOW, customer=None, room_slug="main"):
    customer = customer or UserFactory()
    return services.issue_token(customer_id=customer.pk, room_slug=room_slug, now=now)


def join_many(count, *, now=NOW):
    return [join(now=now).status.entry for _person in range(count)]


def position(entry, now=NOW):
    return poll(entry, now).position


def change_room(**fields):
    WaitingRoom.objects.filter(slug="main").update(**fields)


@pytest.fixture
def leave(django_capture_on_commit_callbacks):
    """Leave the line as a request does: what is to follow the commit follows it."""

    def leave(entry, *, now=NOW):
        with django_capture_on_commit_callbacks(execute=True):
            services.leave_line(entry_id=entry.pk, now=now)

    return leave


class TestJoining:
    def test_the_number_only_grows(self):
        customer = UserFactory()
        numbers = [
            join(customer=person).status.entry.number for person in [customer, None, customer]
        ]
        assert numbers == sorted(set(numbers))
        QueueEntry.objects.all().delete()
        assert join(customer=customer).status.entry.number > numbers[-1]

    def test_only_the_hash_of_a_token_is_stored(self):
        issued = join()
        entry = QueueEntry.objects.get()
        assert bytes(entry.token_hash) == hash_token(issued.token)
        assert len(entry.token_hash) == 32
        stored = " ".join(str(value) for value in QueueEntry.objects.values().get().values())
        assert issued.token not in stored

    def test_tokens_are_long_and_never_the_same(self):
        tokens = {join().token for _person in range(20)}
        assert len(tokens) == 20
        assert min(map(len, tokens)) >= 43

    def test_one_is_admitted_at_once_where_there_is_room_and_nobody_ahead(self):
        change_room(capacity=1)
        assert states(*join_many(2)) == ["admitted", "waiting"]

    def test_one_who_joins_never_overtakes_who_waits(self, leave):
        change_room(capacity=1)
        inside, ahead = join_many(2)
        leave(inside)
        newcomer = join().status
        assert states(ahead) == ["admitted"]
        assert (newcomer.entry.state, newcomer.position) == ("waiting", 1)

    def test_a_join_lets_in_ahead_of_itself_and_itself_where_there_is_room(self):
        change_room(capacity=1)
        _inside, ahead = join_many(2)
        change_room(capacity=3)
        newcomer = join().status
        assert states(ahead, newcomer.entry) == ["admitted", "admitted"]
        assert newcomer.entry.state == "admitted"

    def test_the_silent_ahead_do_not_keep_a_newcomer_out(self):
        change_room(capacity=1)
        inside, silent = join_many(2)
        newcomer = join(now=at(60)).status.entry
        assert states(inside, silent, newcomer) == ["ended", "ended", "admitted"]
        assert newcomer.admitted_at == at(60)
        assert newcomer.session_expires_at == at(660)

    def test_an_unknown_room_is_refused(self):
        with pytest.raises(RoomNotFound):
            join(room_slug="nowhere")
        assert not QueueEntry.objects.exists()

    @pytest.mark.parametrize(
        ("state", "joins", "enters"),
        [
            ("open", True, True),
            ("paused", True, False),
            ("draining", False, True),
            ("closed", False, False),
        ],
    )
    def test_the_state_of_a_room_says_who_joins_and_who_enters(self, state, joins, enters):
        (waiting,) = stand_in_line(WaitingRoom.objects.get(), 1)
        change_room(state=state)
        if joins:
            entry = join().status.entry
            assert entry.state == ("admitted" if enters else "waiting")
        else:
            with pytest.raises(WaitingRoomClosed):
                join()
            assert list(QueueEntry.objects.all()) == [waiting]
        services.admit_queue(now=NOW)
        assert states(waiting) == ["admitted" if enters else "waiting"]

    def test_rooms_do_not_share_places_or_numbers(self):
        RoomFactory(slug="first-snow", capacity=1)
        change_room(capacity=1)
        assert join().status.position == 0
        elsewhere = join(room_slug="first-snow").status
        assert (elsewhere.position, elsewhere.entry.number) == (0, 1)
        assert join().status.position == 1


class TestPosition:
    def test_it_counts_neither_the_silent_nor_those_who_left(self, leave):
        change_room(capacity=1)
        inside, first, silent, leaver, me = join_many(5)
        assert [position(entry) for entry in (inside, first, silent, leaver, me)] == [0, 1, 2, 3, 4]
        leave(leaver, now=at(1))
        assert position(me, at(1)) == 3
        keep_calling(inside, first, me, now=at(59))
        assert position(me, at(59)) == 3
        assert position(me, at(60)) == 2
        services.expire_queue(now=at(60))
        assert position(me, at(60)) == 2

    def test_it_does_not_count_other_rooms(self):
        RoomFactory(slug="first-snow", state="paused")
        change_room(state="paused")
        join()
        assert join(room_slug="first-snow").status.position == 1

    def test_the_number_never_changes_while_the_position_falls(self, leave):
        change_room(capacity=1)
        inside, _first, me = join_many(3)
        leave(inside)
        assert position(me) == 1
        assert QueueEntry.objects.get(pk=me.pk).number == me.number


class TestAdmission:
    def test_capacity_is_never_exceeded_and_places_are_filled_in_order(self, leave):
        change_room(capacity=2)
        people = join_many(5)
        assert states(*people) == ["admitted"] * 2 + ["waiting"] * 3
        assert services.admit_queue(now=NOW) == 0
        leave(people[0])
        assert states(*people) == ["ended", "admitted", "admitted", "waiting", "waiting"]
        assert services.admit_queue(now=NOW) == 0
        assert turnstile_of(WaitingRoom.objects.get()).now_serving == people[2].place

    def test_a_place_that_was_not_filled_after_the_commit_is_filled_by_beat(self):
        change_room(capacity=1)
        inside, next_in_line = join_many(2)
        services.leave_line(entry_id=inside.pk, now=NOW)
        assert states(next_in_line) == ["waiting"]
        assert services.admit_queue(now=NOW) == 1
        assert states(next_in_line) == ["admitted"]

    def test_a_smaller_capacity_puts_nobody_out(self):
        people = join_many(3)
        change_room(capacity=1)
        assert services.admit_queue(now=NOW) == 0
        assert states(*people) == ["admitted"] * 3

    def test_no_more_enter_in_a_minute_than_the_rate_allows(self):
        change_room(admit_per_minute=2)
        people = join_many(5)
        assert states(*people) == ["admitted"] * 2 + ["waiting"] * 3
        keep_calling(*people, now=at(50))
        assert services.admit_queue(now=at(59)) == 0
        assert services.admit_queue(now=at(60)) == 2
        assert services.admit_queue(now=at(60)) == 0
        assert states(*people) == ["admitted"] * 4 + ["waiting"]

    def test_who_left_still_counts_for_the_rate(self, leave):
        change_room(admit_per_minute=1)
        first, second = join_many(2)
        leave(first, now=at(1))
        assert services.admit_queue(now=at(2)) == 0
        assert states(second) == ["waiting"]

    def test_a_session_that_the_clock_has_ended_frees_its_place(self):
        change_room(capacity=1)
        inside, next_in_line = join_many(2)
        keep_calling(inside, next_in_line, now=at(590))
        assert services.admit_queue(now=at(599)) == 0
        assert services.admit_queue(now=at(600)) == 1
        assert states(inside, next_in_line) == ["ended", "admitted"]
        inside.refresh_from_db()
        assert (inside.end_reason, inside.ended_at) == ("session_over", at(600))

    def test_a_silent_customer_inside_frees_the_place(self):
        change_room(capacity=1)
        inside, next_in_line = join_many(2)
        keep_calling(next_in_line, now=at(59))
        assert services.admit_queue(now=at(60)) == 1
        assert states(inside, next_in_line) == ["ended", "admitted"]

    def test_the_silent_are_passed_over_and_do_not_come_back(self, leave):
        change_room(capacity=1)
        inside, silent, next_in_line = join_many(3)
        keep_calling(inside, next_in_line, now=at(50))
        leave(inside, now=at(60))
        assert states(silent, next_in_line) == ["ended", "admitted"]
        silent.refresh_from_db()
        assert (silent.end_reason, silent.ended_at) == ("idle", at(60))

    def test_many_silent_ahead_are_passed_over_in_batches(self, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_BATCH", 2)
        monkeypatch.setattr(limits, "ADMISSION_BATCHES_MAX", 3)
        change_room(capacity=1)
        people = join_many(10)
        keep_calling(people[-1], now=at(60))
        room_id = WaitingRoom.objects.get().pk
        assert look_after(room_id, now=at(60)) == 0
        assert QueueEntry.objects.filter(state="ended").count() == 6
        assert look_after(room_id, now=at(60)) == 1
        assert states(people[-1]) == ["admitted"]

    def test_every_room_is_served(self):
        change_room(state="paused")
        RoomFactory(slug="first-snow", state="paused")
        people = [join().status.entry, join(room_slug="first-snow").status.entry]
        WaitingRoom.objects.update(state="open")
        assert services.admit_queue(now=NOW) == 2
        assert states(*people) == ["admitted"] * 2


class TestPolling:
    def test_polls_let_the_next_in_while_beat_is_stopped(self):
        change_room(capacity=1)
        inside, ahead, me = join_many(3)
        services.leave_line(entry_id=inside.pk, now=NOW)
        status = poll(me, at(2))
        assert status.position == 1
        assert states(ahead, me) == ["admitted", "waiting"]
        services.leave_line(entry_id=ahead.pk, now=at(2))
        status = poll(me, at(4))
        assert (status.position, status.entry.state) == (0, "admitted")

    def test_polls_leave_admission_to_beat_while_it_runs(self):
        change_room(capacity=1)
        inside, me = join_many(2)
        services.admit_queue(now=NOW)
        services.leave_line(entry_id=inside.pk, now=NOW)
        status = poll(me, at(0.9))
        assert (status.position, status.entry.state) == (1, "waiting")

    @pytest.mark.parametrize("state", ["paused", "closed"])
    def test_polls_let_nobody_into_a_room_that_lets_nobody_in(self, state):
        change_room(capacity=1)
        inside, me = join_many(2)
        services.leave_line(entry_id=inside.pk, now=NOW)
        change_room(state=state)
        status = poll(me, at(30))
        assert (status.position, status.estimated_wait_seconds) == (1, None)

    @pytest.mark.parametrize(
        ("idle_seconds", "session_seconds", "reason", "seconds"),
        [
            (60, 600, "idle", 60),
            (600, 60, "session_over", 60),
            (60, 59, "session_over", 59),
            (59, 60, "idle", 59),
        ],
    )
    def test_what_the_clock_ended_first_is_the_reason(
        self, idle_seconds, session_seconds, reason, seconds
    ):
        change_room(idle_seconds=idle_seconds, session_seconds=session_seconds)
        entry = join().status.entry
        last = at(seconds - 1)
        assert poll(entry, last).position == 0
        for now in (at(seconds), at(10_000)):
            with pytest.raises(QueueTokenExpired) as refusal:
                poll(entry, now)
            assert refusal.value.fields == {"reason": reason}
        assert services.expire_queue(now=at(10_000)) == 1
        entry.refresh_from_db()
        assert (entry.end_reason, entry.ended_at) == (reason, at(seconds))

    def test_idle_and_session_at_the_same_moment_are_told_alike_by_clock_and_sweep(self):
        change_room(idle_seconds=60, session_seconds=60)
        entry = join().status.entry
        with pytest.raises(QueueTokenExpired) as refusal:
            poll(entry, at(60))
        services.expire_queue(now=at(60))
        entry.refresh_from_db()
        assert refusal.value.fields == {"reason": entry.end_reason}

    def test_who_waits_has_no_session_that_could_end(self):
        change_room(capacity=1)
        _inside, me = join_many(2)
        change_room(state="paused")
        for seconds in range(50, 1_000, 50):
            keep_calling(me, now=at(seconds))
            assert position(me, at(seconds)) == 1


class TestLeaving:
    def test_leaving_after_the_clock_is_refused_and_writes_nothing(self):
        entry = join().status.entry
        with pytest.raises(QueueTokenExpired) as refusal:
            services.leave_line(entry_id=entry.pk, now=at(60))
        assert refusal.value.fields == {"reason": "idle"}
        entry.refresh_from_db()
        assert (entry.state, entry.ended_at) == ("admitted", None)

    def test_an_entry_that_is_gone_is_not_valid(self):
        with pytest.raises(QueueTokenInvalid):
            services.leave_line(entry_id=10**9, now=NOW)


class TestNotingCalls:
    def test_the_last_call_is_written_down(self):
        issued = join()
        customer_id = issued.status.entry.customer_id
        entry = services.note_call(customer_id=customer_id, token=issued.token, now=at(1))
        assert entry.last_seen_at == at(1)
        assert get_entry(entry.pk).last_seen_at == at(1)

    @pytest.mark.parametrize("seconds", [60, 10_000])
    def test_a_call_after_the_end_does_not_revive(self, seconds):
        issued = join()
        customer_id = issued.status.entry.customer_id
        services.note_call(customer_id=customer_id, token=issued.token, now=at(seconds))
        assert Presence.objects.get().last_seen_at == NOW

    def test_an_unknown_customer_is_told_so_before_the_token_is_judged(self):
        with pytest.raises(InvalidAccessToken):
            services.note_call(customer_id=10**9, token=join().token, now=NOW)

    def test_an_unknown_token_is_not_valid(self):
        with pytest.raises(QueueTokenInvalid):
            services.note_call(customer_id=UserFactory().pk, token="unknown", now=NOW)


def test_the_main_room_is_made_from_the_settings_once(settings):
    WaitingRoom.objects.all().delete()
    settings.ROOM_CAPACITY, settings.ROOM_ADMIT_PER_MINUTE = 7, 8
    settings.ROOM_SESSION_SECONDS, settings.ROOM_IDLE_SECONDS = 90, 10
    services.ensure_main_room(now=NOW)
    room = WaitingRoom.objects.get(slug="main")
    numbers = (room.capacity, room.admit_per_minute, room.session_seconds, room.idle_seconds)
    assert numbers == (7, 8, 90, 10)
    settings.ROOM_CAPACITY = 9
    services.ensure_main_room(now=NOW)
    room.refresh_from_db()
    assert room.capacity == 7
