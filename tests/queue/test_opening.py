"""The opening of a room: nobody enters before, and those who came before it are put in random order."""

import hashlib
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F

from apps.queue import opening, services
from apps.queue.models import Draw, Presence, QueueEntry, Turnstile, WaitingRoom
from apps.queue.opening import draw_order, drawn_key
from apps.queue.selectors import get_entry, get_line_status
from tests.factories import NOW, QueueEntryFactory, UserFactory

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/queue/tokens"
ROOM = "/api/v1/queue/rooms/main"

OPENS = NOW + timedelta(seconds=60)


def after(seconds):
    return OPENS + timedelta(seconds=seconds)


@pytest.fixture
def lobby(room):
    """The room `main`, which opens a minute after `NOW` and lets one in at a time."""
    change_room(capacity=1, idle_seconds=3_600, opens_at=OPENS)
    room.refresh_from_db()
    return room


@pytest.fixture
def _seed(monkeypatch):
    """The seeds `seed 1`, `seed 2` and so on."""
    use_seeds(monkeypatch, "seed")


def use_seeds(monkeypatch, name):
    count = iter(range(1, 1_000_000))
    fake = SimpleNamespace(token_hex=lambda _bytes: f"{name} {next(count)}")
    monkeypatch.setattr(opening, "secrets", fake)


def change_room(**fields):
    WaitingRoom.objects.filter(slug="main").update(**fields)


def join(*, now=NOW, customer=None):
    customer = customer or UserFactory()
    return services.issue_token(customer_id=customer.pk, room_slug="main", now=now).status.entry


def join_many(count, *, now=NOW):
    return [join(now=now) for _person in range(count)]


def poll(entry, *, now):
    return services.poll_line(entry=get_entry(entry.pk), now=now)


def list_line(draw=None):
    """Return the numbers of a draw's entries, or of all, in order of place."""
    entries = QueueEntry.objects.order_by("place")
    if draw is not None:
        entries = entries.filter(draw=draw)
    return list(entries.values_list("number", flat=True))


def put_in_order(seed, numbers):
    """Return the order that a draw by `seed` makes, as its description says and not by our code."""
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{seed}:{number}".encode()).digest())


def numbers_of(*entries):
    return [entry.number for entry in entries]


def list_states(*entries):
    by_id = dict(QueueEntry.objects.values_list("pk", "state"))
    return [by_id[entry.pk] for entry in entries]


class TestBeforeTheOpening:
    def test_nobody_enters(self, lobby):
        entries = join_many(3)
        just_before = OPENS - timedelta(microseconds=1)
        assert services.admit_queue(now=just_before) == 0
        assert poll(entries[0], now=just_before).entry.state == "waiting"
        entries.append(join(now=just_before))
        services.see_room(slug="main", now=just_before)
        assert list_states(*entries) == ["waiting"] * 4
        assert not Draw.objects.exists()
        assert QueueEntry.objects.get(pk=entries[0].pk).draw is None

    def test_nobody_has_a_position_or_a_place(self, lobby):
        first = join()
        for now in (NOW, OPENS - timedelta(seconds=2)):
            status = poll(first, now=now)
            assert status.position is None
            assert status.place is None
            assert status.entry.number == first.number

    def test_the_answer_says_when_it_opens(self, lobby, sign_in, customer, clock_at_now):
        client = sign_in(customer)
        joined = client.post(TOKENS).json()
        client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN=joined["token"])
        polled = client.get(f"{TOKENS}/current").json()
        for body in (joined, polled):
            assert body["status"] == "waiting"
            assert body["position"] is body["place"] is None
            assert body["opens_at"] == "2026-11-01T01:01:00Z"
        clock_at_now.move(seconds=60)
        opened = client.get(f"{TOKENS}/current").json()
        assert (opened["status"], opened["position"]) == ("admitted", 0)
        assert opened["place"] == opened["number"]
        assert opened["opens_at"] is None

    def test_the_estimate_is_that_of_the_middle_and_the_time_until_then(self, lobby):
        entries = join_many(3)
        services.admit_queue(now=NOW)
        # One of three enters at the opening, the middle one a session later.
        assert poll(entries[0], now=NOW).estimated_wait_seconds == 60 + 600
        assert poll(entries[2], now=NOW).estimated_wait_seconds == 60 + 600
        later = NOW + timedelta(seconds=20)
        assert poll(entries[2], now=later).estimated_wait_seconds == 40 + 600
        assert services.see_room(slug="main", now=later).estimated_wait_seconds == 40 + 600

    def test_nobody_can_tell_while_the_room_is_paused(self, lobby):
        change_room(state="paused")
        assert poll(join(), now=NOW).estimated_wait_seconds is None

    def test_an_opening_that_is_taken_back_lets_in_by_number(self, lobby):
        entries = join_many(3)
        change_room(opens_at=None, capacity=2)
        assert services.admit_queue(now=NOW + timedelta(seconds=1)) == 2
        assert list_states(*entries) == ["admitted", "admitted", "waiting"]
        assert not Draw.objects.exists()
        assert list_line() == numbers_of(*entries)


def by_beat(_entry):
    services.admit_queue(now=OPENS)


def by_a_poll(entry):
    poll(entry, now=OPENS)


def by_a_look_at_the_room(_entry):
    services.see_room(slug="main", now=OPENS)


def by_a_join(_entry):
    join(now=OPENS)


@pytest.mark.usefixtures("_seed")
class TestAtTheOpening:
    @pytest.mark.parametrize("open_room", [by_beat, by_a_poll, by_a_look_at_the_room, by_a_join])
    def test_it_comes_with_whoever_calls_first(self, lobby, open_room):
        entries = join_many(8)
        open_room(entries[3])
        draw = Draw.objects.get()
        assert (draw.opens_at, draw.drawn_at, draw.entries) == (OPENS, OPENS, 8)
        line = list_line(draw)
        assert line == put_in_order("seed 1", numbers_of(*entries))
        # The seed is one that makes a difference.
        assert line != numbers_of(*entries)
        assert QueueEntry.objects.get(state="admitted").number == line[0]

    def test_they_enter_in_the_order_that_was_drawn(self, lobby):
        entries = join_many(6)
        entered = []
        for second in range(6):
            assert services.admit_queue(now=after(second)) == 1
            inside = QueueEntry.objects.get(state="admitted")
            entered.append(inside.number)
            services.leave_line(entry_id=inside.pk, now=after(second))
        assert entered == put_in_order("seed 1", numbers_of(*entries))

    def test_positions_are_those_of_the_order_at_once(self, lobby):
        """More people than a segment of the line has places, all of them counted before the draw."""
        lobby_entries = make_lobby(lobby, 600)
        services.admit_queue(now=OPENS - timedelta(seconds=1))
        services.admit_queue(now=OPENS)
        line = list_line()
        assert line == put_in_order("seed 1", numbers_of(*lobby_entries))
        for rank in (0, 1, 100, 255, 256, 300, 511, 599):
            entry = QueueEntry.objects.get(number=line[rank])
            assert get_line_status(get_entry(entry.pk), now=OPENS).position == rank

    def test_they_share_out_the_places_that_they_had(self, lobby):
        entries = join_many(8)
        left = entries[1], entries[4]
        for entry in left:
            services.leave_line(entry_id=entry.pk, now=NOW)
        services.admit_queue(now=OPENS)
        draw = Draw.objects.get()
        assert draw.entries == 6
        drawn = QueueEntry.objects.filter(draw=draw)
        stayed = set(numbers_of(*entries)) - set(numbers_of(*left))
        assert set(drawn.values_list("number", flat=True)) == stayed
        assert set(drawn.values_list("place", flat=True)) == stayed
        for entry in QueueEntry.objects.filter(pk__in=[entry.pk for entry in left]):
            assert (entry.draw, entry.place) == (None, entry.number)

    def test_who_comes_later_stands_behind(self, lobby):
        early = join_many(5)
        services.admit_queue(now=OPENS - timedelta(milliseconds=500))
        # The opening has come, and nobody has drawn yet.
        late = join(now=OPENS)
        assert not Draw.objects.exists()
        assert get_line_status(get_entry(late.pk), now=OPENS).position is None
        services.admit_queue(now=after(1))
        later = join(now=after(1))
        assert Draw.objects.get().entries == 5
        assert list_line() == [
            *put_in_order("seed 1", numbers_of(*early)),
            late.number,
            later.number,
        ]
        assert [poll(entry, now=after(1)).position for entry in (late, later)] == [5, 6]
        assert poll(late, now=after(1)).place == late.number

    def test_joining_again_and_again_gains_nothing(self, lobby):
        eager = UserFactory()
        others = join_many(3)
        places = [join(customer=eager) for _time in range(20)]
        services.admit_queue(now=OPENS)
        draw = Draw.objects.get()
        assert draw.entries == 4
        (drawn,) = QueueEntry.objects.filter(draw=draw, customer=eager)
        assert drawn.number == places[-1].number
        numbers = [*numbers_of(*others), drawn.number]
        assert list_line(draw) == put_in_order("seed 1", numbers)

    def test_it_comes_once(self, lobby):
        join_many(5)
        services.admit_queue(now=OPENS)
        before = list(QueueEntry.objects.order_by("pk").values_list("place", "draw"))
        services.admit_queue(now=after(1))
        poll(QueueEntry.objects.filter(state="waiting").first(), now=after(5))
        assert list(QueueEntry.objects.order_by("pk").values_list("place", "draw")) == before
        assert Draw.objects.get().seed == "seed 1"

    def test_the_silent_do_not_matter(self, lobby):
        change_room(idle_seconds=30)
        entries = join_many(6)
        silent = entries[:3]
        calling = entries[3:]
        called_at = OPENS - timedelta(seconds=5)
        Presence.objects.filter(pk__in=[entry.pk for entry in calling]).update(
            last_seen_at=called_at
        )
        services.admit_queue(now=OPENS)
        services.expire_queue(now=OPENS)
        assert list_states(*silent) == ["ended"] * 3
        assert set(QueueEntry.objects.filter(state="ended").values_list("ended_at", flat=True)) == {
            NOW + timedelta(seconds=30)
        }
        in_order = put_in_order("seed 1", numbers_of(*calling))
        live = QueueEntry.objects.exclude(state="ended").order_by("place")
        assert list(live.values_list("number", flat=True)) == in_order
        assert list(live.values_list("state", flat=True)) == ["admitted", "waiting", "waiting"]

    def test_the_silent_are_found_where_they_stand_now(self, lobby):
        """Segments in which everybody had called lately have others in them after the draw."""
        entries = make_lobby(lobby, 600)
        change_room(idle_seconds=60)
        called, silent = entries[:300], entries[300:]
        for group, called_at in ((called, OPENS), (silent, OPENS - timedelta(seconds=40))):
            Presence.objects.filter(pk__in=[entry.pk for entry in group]).update(
                last_seen_at=called_at
            )
        services.admit_queue(now=OPENS - timedelta(milliseconds=500))
        services.expire_queue(now=OPENS - timedelta(milliseconds=500))
        services.admit_queue(now=OPENS)
        assert services.expire_queue(now=after(25)) == 300
        ended = QueueEntry.objects.filter(state="ended")
        assert set(ended.values_list("number", flat=True)) == set(numbers_of(*silent))

    def test_a_paused_room_draws_and_lets_in_when_it_goes_on(self, lobby):
        entries = join_many(4)
        change_room(state="paused")
        assert services.admit_queue(now=OPENS) == 0
        in_order = put_in_order("seed 1", numbers_of(*entries))
        assert list_line(Draw.objects.get()) == in_order
        change_room(state="open")
        assert services.admit_queue(now=after(1)) == 1
        assert QueueEntry.objects.get(state="admitted").number == in_order[0]

    def test_an_empty_room_opens(self, lobby):
        services.admit_queue(now=OPENS)
        assert Draw.objects.get().entries == 0
        assert join(now=after(1)).state == "admitted"


@pytest.mark.usefixtures("_seed")
class TestMovingTheOpening:
    def test_it_waits_for_the_new_moment(self, lobby):
        entries = join_many(5)
        change_room(opens_at=after(60))
        assert services.admit_queue(now=after(59)) == 0
        assert not Draw.objects.exists()
        late = join(now=after(59))
        assert services.admit_queue(now=after(60)) == 1
        draw = Draw.objects.get()
        assert (draw.opens_at, draw.entries) == (after(60), 6)
        assert list_line(draw) == put_in_order("seed 1", numbers_of(*entries, late))

    def test_an_earlier_moment_counts_those_who_came_before_it(self, lobby):
        early = join_many(3)
        late = join(now=NOW + timedelta(seconds=20))
        change_room(opens_at=NOW + timedelta(seconds=10))
        services.admit_queue(now=NOW + timedelta(seconds=25))
        assert list_line() == [*put_in_order("seed 1", numbers_of(*early)), late.number]

    def test_who_has_a_drawn_place_keeps_it(self, lobby):
        early = join_many(5)
        services.admit_queue(now=OPENS)
        places = dict(QueueEntry.objects.values_list("number", "place"))
        late = join_many(5, now=after(1))
        change_room(opens_at=after(60))
        assert poll(late[0], now=after(2)).position is None
        services.admit_queue(now=after(60))
        first, second = Draw.objects.order_by("opens_at")
        assert (first.entries, second.entries) == (5, 5)
        assert dict(QueueEntry.objects.filter(draw=first).values_list("number", "place")) == places
        assert list_line() == [
            *put_in_order("seed 1", numbers_of(*early)),
            *put_in_order("seed 2", numbers_of(*late)),
        ]

    def test_nobody_enters_until_the_second_opening(self, lobby):
        join_many(3)
        services.admit_queue(now=OPENS)
        inside = QueueEntry.objects.get(state="admitted")
        change_room(opens_at=after(60))
        services.leave_line(entry_id=inside.pk, now=after(1))
        assert services.admit_queue(now=after(59)) == 0
        assert not QueueEntry.objects.filter(state="admitted").exists()
        assert services.admit_queue(now=after(60)) == 1

    @pytest.mark.parametrize("meanwhile", [None, after(600)])
    def test_taking_it_back_and_setting_it_again_draws_nothing_anew(self, lobby, meanwhile):
        early = join_many(5)
        services.admit_queue(now=OPENS)
        change_room(opens_at=meanwhile)
        late = join_many(3, now=after(2))
        services.admit_queue(now=after(2))
        change_room(opens_at=OPENS)
        services.admit_queue(now=after(4))
        assert Draw.objects.get().seed == "seed 1"
        assert list_line() == [
            *put_in_order("seed 1", numbers_of(*early)),
            *numbers_of(*late),
        ]

    def test_an_opening_that_was_drawn_draws_nobody_else(self, lobby):
        """Its seed is known by now: whoever came in under it could have chosen their number by it."""
        early = join_many(5)
        services.admit_queue(now=OPENS)
        change_room(opens_at=after(60))
        services.admit_queue(now=after(60))
        change_room(opens_at=OPENS)
        late = [join(now=OPENS - timedelta(seconds=1)) for _person in range(5)]
        services.admit_queue(now=after(61))
        assert list_line() == [
            *put_in_order("seed 1", numbers_of(*early)),
            *numbers_of(*late),
        ]
        drawn = Draw.objects.order_by("opens_at").values_list("seed", "entries")
        assert list(drawn) == [("seed 1", 5), ("seed 2", 0)]

    def test_a_room_that_is_running_keeps_those_inside_and_draws_those_who_wait(self, room):
        change_room(capacity=2, idle_seconds=3_600)
        entries = join_many(7)
        services.admit_queue(now=NOW)
        assert list_states(*entries) == ["admitted"] * 2 + ["waiting"] * 5
        change_room(opens_at=OPENS)
        services.leave_line(entry_id=entries[0].pk, now=NOW)
        assert services.admit_queue(now=OPENS - timedelta(seconds=1)) == 0
        assert services.admit_queue(now=OPENS) == 1
        in_order = put_in_order("seed 1", numbers_of(*entries[2:]))
        assert list_line() == [*numbers_of(*entries[:2]), *in_order]
        assert list_states(*entries[:2]) == ["ended", "admitted"]
        assert QueueEntry.objects.get(number=in_order[0]).state == "admitted"


class TestPublishing:
    def test_the_seed_is_out_only_after_the_draw(self, lobby, client, clock_at_now):
        entries = join_many(6)
        before = client.get(ROOM).json()
        assert before["draws"] == []
        assert before["opens_at"] == "2026-11-01T01:01:00Z"
        clock_at_now.move(seconds=60)
        (published,) = client.get(ROOM).json()["draws"]
        assert set(published) == {"opens_at", "drawn_at", "seed", "entries"}
        assert published["opens_at"] == published["drawn_at"] == "2026-11-01T01:01:00Z"
        assert published["entries"] == 6
        assert list_line() == put_in_order(published["seed"], numbers_of(*entries))

    def test_each_draw_has_a_seed_of_256_bits_of_its_own(self, lobby, client, clock_at_now):
        services.admit_queue(now=OPENS)
        change_room(opens_at=after(60))
        services.admit_queue(now=after(60))
        clock_at_now.now = after(60)
        assert len(client.get(ROOM).json()["draws"]) == 2
        seeds = list(Draw.objects.values_list("seed", flat=True))
        assert len(set(seeds)) == 2
        assert {len(bytes.fromhex(seed)) for seed in seeds} == {32}

    def test_the_key_is_the_one_that_is_described(self):
        assert drawn_key(seed="ab", number=7) == hashlib.sha256(b"ab:7").digest()
        numbers = range(1, 50)
        by_key = sorted(numbers, key=lambda number: drawn_key(seed="ab", number=number))
        assert by_key == put_in_order("ab", numbers)


# The 99.9th percentile of the chi-square distribution with (5 - 1) * (5 - 1) degrees of freedom.
CHI_SQUARE_MAX = 39.25


def measure_unfairness(ranks, *, people, draws):
    """Return the chi-square of how often each of the people had each rank."""
    expected = draws / people
    counts = Counter(ranks)
    return sum(
        (counts[person, rank] - expected) ** 2 / expected
        for person in range(people)
        for rank in range(people)
    )


def test_each_has_each_rank_about_as_often(lobby, monkeypatch):
    """The seeds are fixed, so the outcome is."""
    use_seeds(monkeypatch, "fair")
    people, draws = 5, 400
    numbers = numbers_of(*join_many(people))
    turnstile = Turnstile.objects.select_related("room").get(room=lobby)
    ranks = []
    for _draw in range(draws):
        draw_order(turnstile, now=OPENS)
        ranks += [(numbers.index(number), rank) for rank, number in enumerate(list_line())]
        QueueEntry.objects.update(draw=None, place=F("number"))
        Draw.objects.all().delete()
    assert measure_unfairness(ranks, people=people, draws=draws) < CHI_SQUARE_MAX
    # The measure finds the order of arrival, also where only every sixth draw follows it.
    by_number = [(person, person) for person in range(people)] * draws
    assert measure_unfairness(by_number, people=people, draws=draws) > CHI_SQUARE_MAX
    slightly = [*ranks[: people * 330], *by_number[: people * 70]]
    assert measure_unfairness(slightly, people=people, draws=draws) > CHI_SQUARE_MAX


def make_lobby(room, count):
    """Return so many waiting entries that joined at `NOW`, numbered from 1."""
    services.admit_queue(now=NOW)
    entries = [QueueEntryFactory(room=room, number=number) for number in range(1, count + 1)]
    room.dispenser.last_number = count
    room.dispenser.save()
    return entries
