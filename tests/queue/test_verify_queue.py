"""`manage.py verify_queue`: an honest history is found clean, and whoever meddles with it is found."""

import json
import random
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from apps.core.errors import Busy
from apps.queue import opening, services, verification
from apps.queue.management.commands import verify_queue
from apps.queue.models import Dispenser, Draw, QueueEntry, Turn, Turnstile, WaitingRoom
from apps.queue.pruning import list_old_entries, list_old_turns
from apps.queue.receipts import sign_receipt
from apps.queue.transitions import end_entry, lock_entry
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory

pytestmark = pytest.mark.django_db

OPENS = NOW + timedelta(seconds=60)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def _seeds(monkeypatch):
    """Draw by the same seeds each time."""
    count = iter(range(100))
    fake = SimpleNamespace(token_hex=lambda _bytes: f"seed {next(count)}")
    monkeypatch.setattr(opening, "secrets", fake)


@pytest.fixture
def room(db):
    """A room with two places inside."""
    return RoomFactory(slug="first-snow", capacity=2, idle_seconds=3_600)


def change_room(**fields):
    WaitingRoom.objects.filter(slug="first-snow").update(**fields)


def join(*, now=NOW):
    customer_id = UserFactory().pk
    return services.issue_token(customer_id=customer_id, room_slug="first-snow", now=now)


def join_many(count, *, now=NOW):
    return [join(now=now).status.entry for _person in range(count)]


def pay(entry, *, now):
    end_entry(lock_entry(entry.pk), reason=QueueEntry.EndReason.PAID, now=now)


@pytest.fixture
def history(room):
    """The entries of ten people. Numbers 1 to 6 have entered, but for 4, who left the line before; 1, 2
    and 3 have paid, 5 and 6 are inside, 7 to 10 wait."""
    entries = join_many(10)
    services.admit_queue(now=at(1))
    pay(entries[0], now=at(2))
    services.admit_queue(now=at(3))
    services.leave_line(entry_id=entries[3].pk, now=at(4))
    pay(entries[1], now=at(5))
    services.admit_queue(now=at(6))
    pay(entries[2], now=at(7))
    services.admit_queue(now=at(8))
    return entries


@pytest.fixture
def together(room):
    """The entries of two people who have entered at the same turn."""
    change_room(state="paused")
    entries = join_many(2)
    change_room(state="open")
    assert services.admit_queue(now=NOW) == 2
    return entries


@pytest.fixture
def drawn(room):
    """The entries of eight people who were put in order at `OPENS`; two are inside since."""
    change_room(opens_at=OPENS)
    entries = join_many(8)
    services.admit_queue(now=OPENS)
    join(now=OPENS + timedelta(seconds=1))
    return entries


def run(*options, room="first-snow"):
    """Return what the command prints, and whether it found all well."""
    out = StringIO()
    clean = False
    with suppress(CommandError):
        call_command("verify_queue", room, *options, stdout=out, stderr=StringIO())
        clean = True
    return out.getvalue(), clean


def verify(*options):
    """Return the result, which is clean exactly where it names nothing."""
    out, clean = run("--json", *options)
    result = json.loads(out)
    refuted = [receipt for receipt in result["receipts"] if not receipt["valid"]]
    assert clean == (not result["named"] and not refuted)
    return result


def checks():
    return [violation["check"] for violation in verify()["named"]]


def change(entry, **fields):
    QueueEntry.objects.filter(pk=entry.pk).update(**fields)


class TestAnHonestHistory:
    def test_it_is_clean(self, history):
        turns = dict(QueueEntry.objects.values_list("number", "admitted_turn"))
        assert turns[4] is None
        assert turns[1] < turns[3] < turns[5] < turns[6]
        assert verify() == {
            "room": "first-snow",
            "entries": 10,
            "pruned": 0,
            "turns": Turn.objects.count(),
            "draws": 0,
            "violations": 0,
            "named": [],
            "receipts": [],
        }

    def test_it_says_so(self, history):
        out, clean = run()
        turns = Turn.objects.count()
        assert clean
        assert out == f"first-snow: 10 entries, {turns} turns, 0 draws: nobody overtook\n"

    def test_an_empty_one_is_clean(self, room):
        assert verify()["entries"] == 0

    def test_a_drawn_one_is_clean(self, drawn):
        result = verify()
        assert (result["draws"], result["entries"], result["named"]) == (1, 9, [])

    def test_one_with_two_draws_is_clean(self, drawn):
        join_many(5, now=OPENS + timedelta(seconds=2))
        change_room(opens_at=OPENS + timedelta(seconds=60))
        services.admit_queue(now=OPENS + timedelta(seconds=60))
        assert verify()["draws"] == 2
        assert QueueEntry.objects.exclude(draw=None).count() == 14

    def test_one_that_let_in_past_the_silent_is_clean(self, room):
        change_room(idle_seconds=30)
        join_many(6)
        late = join_many(2, now=at(20))
        assert services.admit_queue(now=at(35)) == 2
        assert set(QueueEntry.objects.filter(state="admitted")) == set(late)
        assert verify()["named"] == []

    def test_one_whose_limit_was_lowered_is_clean(self, history):
        change_room(capacity=1)
        services.leave_line(entry_id=history[9].pk, now=at(20))
        services.admit_queue(now=at(21))
        assert Turn.objects.filter(admitted=2, capacity=1, entered=0).exists()
        assert verify()["named"] == []

    def test_what_was_before_there_were_turns_overtook_nobody(self, room):
        """Such entries entered at turn 0 and ended at turn -1."""
        for number, (admitted_turn, ended_turn) in enumerate(
            [(None, -1), (0, -1), (None, -1), (0, None), (None, None)], start=1
        ):
            make_entry(room, number, admitted_turn=admitted_turn, ended_turn=ended_turn)
        Dispenser.objects.update(last_number=5)
        services.admit_queue(now=NOW)
        assert verify()["named"] == []

    def test_another_room_does_not_matter(self, history):
        other = RoomFactory(slug="other")
        make_entry(other, 1)
        make_entry(other, 2, admitted_turn=1)
        assert verify()["named"] == []
        out, clean = run(room="other")
        assert not clean
        assert "number 2" in out


class TestOvertaking:
    def test_two_who_changed_turns_are_found(self, history):
        first, second = QueueEntry.objects.filter(number__in=[3, 5]).order_by("number")
        change(first, admitted_turn=second.admitted_turn)
        change(second, admitted_turn=first.admitted_turn)
        (violation,) = verify()["named"]
        assert violation == {
            "check": "overtaking",
            "text": f"number 5 ({second.customer.email}) entered at turn {first.admitted_turn} "
            f"before number 3 ({first.customer.email}), who was in line ahead",
            "number": 5,
            "customer": second.customer.email,
            "turn": first.admitted_turn,
            "overtook_number": 3,
            "overtook_customer": first.customer.email,
        }

    def test_it_is_told_in_words_and_by_the_exit_status(self, history):
        change(history[2], admitted_turn=10**6)
        out, clean = run()
        assert not clean
        lines = out.splitlines()
        assert lines[0].startswith("number 5 (")
        assert " before number 3 (" in lines[0]
        assert lines[-1].endswith(f"{len(lines) - 1} violations")
        with pytest.raises(CommandError) as caught:
            run_aloud()
        assert caught.value.returncode == 1

    def test_one_who_is_let_in_past_the_line_is_found(self, history):
        services.leave_line(entry_id=history[4].pk, now=at(20))
        last = history[-1]
        QueueEntry.objects.filter(state="waiting").exclude(pk=last.pk).update(place=10**6)
        services.admit_queue(now=at(21))
        QueueEntry.objects.filter(place=10**6).update(place=F("number"))
        (violation,) = verify()["named"]
        assert (violation["number"], violation["overtook_number"]) == (10, 7)

    def test_a_customer_without_an_address_is_named_by_id(self, history):
        change(history[2], admitted_turn=10**6)
        customer = history[4].customer
        type(customer).objects.filter(pk=customer.pk).update(email=None)
        assert verify()["named"][0]["customer"] == f"customer {customer.pk}"

    @pytest.mark.parametrize(("ended_turn", "overtaken"), [(6, False), (7, True), (None, True)])
    def test_who_left_before_that_turn_was_not_overtaken(self, room, ended_turn, overtaken):
        make_entry(room, 1, ended_turn=ended_turn)
        make_entry(room, 2, admitted_turn=7)
        found = verify()["named"]
        assert ("overtaking" in [violation["check"] for violation in found]) == overtaken

    @pytest.mark.parametrize(("turn", "overtaken"), [(6, False), (7, False), (8, True)])
    def test_who_entered_at_the_same_turn_was_not_overtaken(self, room, turn, overtaken):
        make_entry(room, 1, admitted_turn=turn, ended_turn=turn)
        make_entry(room, 2, admitted_turn=7)
        found = verify()["named"]
        assert ("overtaking" in [violation["check"] for violation in found]) == overtaken

    def test_the_clock_on_the_wall_does_not_matter(self, history):
        change(history[2], admitted_at=at(10**6), joined_at=at(-5))
        change(history[4], admitted_at=at(-(10**6)), joined_at=at(-10))
        assert verify()["named"] == []

    @pytest.mark.parametrize("seed", range(10))
    def test_it_finds_what_comparing_everybody_with_everybody_finds(self, room, seed):
        chance = random.Random(seed)
        for number in range(1, 31):
            make_entry(
                room,
                number,
                place=chance.choice([number, 31 - number]) + 100 * number,
                admitted_turn=chance.choice([None, number // 4 + chance.choice([0, 0, 0, 1])]),
                ended_turn=chance.choice([None, number // 4]),
            )
        overtakers = {
            x.number: {y.number for y in QueueEntry.objects.all() if has_overtaken(x, y)}
            for x in QueueEntry.objects.all()
        }
        expected = {number for number, overtaken in overtakers.items() if overtaken}
        found = {v["number"]: v for v in verify()["named"] if v["check"] == "overtaking"}
        assert set(found) == expected
        assert 0 < len(expected) < 30
        for number, violation in found.items():
            assert violation["overtook_number"] in overtakers[number]

    def test_the_first_are_named_and_all_are_counted(self, room, monkeypatch):
        monkeypatch.setattr(verification, "NAMED_MAX", 2)
        make_entry(room, 1)
        for number in range(2, 7):
            make_entry(room, number, admitted_turn=1)
        Turn.objects.create(**turn_of(room, turn=1, entered=5, capacity=5))
        Dispenser.objects.update(last_number=6)
        out, _clean = run()
        lines = out.splitlines()
        assert [line.split(" (")[0] for line in lines[:2]] == ["number 2", "number 3"]
        assert lines[2] == "and 3 more"
        assert lines[3].endswith("5 violations")


def has_overtaken(x, y):
    """Say it as the definition does."""
    return (
        x.admitted_turn is not None
        and y.place < x.place
        and (y.admitted_turn is None or y.admitted_turn > x.admitted_turn)
        and (y.ended_turn is None or y.ended_turn >= x.admitted_turn)
    )


def make_entry(room, number, *, admitted_turn=None, ended_turn=None, **fields):
    """Write an entry as the turns say that it was."""
    if admitted_turn is not None:
        fields.update(admitted_at=NOW, session_expires_at=at(600), state="admitted")
    if ended_turn is not None:
        fields.update(ended_at=NOW, end_reason="left", state="ended")
    return QueueEntryFactory(
        room=room, number=number, admitted_turn=admitted_turn, ended_turn=ended_turn, **fields
    )


def turn_of(room, **fields):
    return {
        **dict.fromkeys(("finished", "gave_up", "waiting", "waiting_s", "inside_s"), 0),
        "room": room,
        "at": NOW,
        "admitted": fields["entered"],
        **fields,
    }


def run_aloud():
    call_command("verify_queue", "first-snow", stdout=StringIO(), stderr=StringIO())


class TestDraws:
    def test_another_seed_is_found(self, drawn):
        draw = Draw.objects.get()
        for number in range(20):
            Draw.objects.update(seed=f"{number:064}")
            assert checks() == ["draw"]
        Draw.objects.update(seed=draw.seed)
        assert checks() == []

    def test_two_who_changed_places_are_found(self, drawn):
        waiting = QueueEntry.objects.filter(state="waiting").exclude(draw=None)
        first, second = waiting.order_by("place")[:2]
        change(first, place=second.place)
        change(second, place=first.place)
        (violation,) = verify()["named"]
        assert violation["check"] == "draw"
        assert f"number {first.number} is not at place {second.place}" in violation["text"]
        assert violation["opens_at"] == OPENS.isoformat()

    def test_a_place_that_nobody_in_the_draw_had_is_found(self, drawn):
        last = QueueEntry.objects.exclude(draw=None).order_by("place").last()
        newcomer = QueueEntry.objects.get(draw=None)
        change(last, place=newcomer.number)
        (violation,) = verify()["named"]
        assert (violation["check"], violation["number"]) == ("drawn_place", last.number)
        change(last, place=1_000)
        assert checks() == ["drawn_place"]

    def test_the_same_place_twice_is_found(self, drawn):
        line = list(QueueEntry.objects.filter(state="waiting").exclude(draw=None).order_by("place"))
        # By number they follow each other as they do by the seed.
        first, second = next(pair for pair in pairwise(line) if pair[0].number < pair[1].number)
        change(second, place=first.place)
        assert checks() == ["draw"]

    def test_who_was_taken_out_of_a_draw_is_found(self, drawn):
        last = QueueEntry.objects.exclude(draw=None).order_by("place").last()
        change(last, draw=None, place=last.number)
        assert "draw" in checks()
        assert "8 were drawn, 7 are there" in run()[0]

    def test_who_was_put_into_a_draw_is_found(self, drawn):
        change(QueueEntry.objects.get(draw=None), draw=Draw.objects.get())
        assert "8 were drawn, 9 are there" in run()[0]

    def test_who_left_while_it_was_drawn_keeps_a_place_that_went_to_another(self, room):
        """Their row was locked; the draw had seen them, and shared out their place."""
        change_room(opens_at=OPENS, state="paused")
        join_many(8)
        services.admit_queue(now=OPENS)
        gone = QueueEntry.objects.filter(state="waiting").exclude(place=F("number")).first()
        change(gone, draw=None, place=gone.number)
        assert checks() == ["drawn_place", "draw"]
        services.leave_line(entry_id=gone.pk, now=OPENS)
        Draw.objects.update(entries=7)
        change_room(state="open")
        assert services.admit_queue(now=OPENS) == 2
        assert QueueEntry.objects.filter(place=gone.number).count() == 2
        assert checks() == []


class TestEntries:
    def test_a_place_without_a_draw_is_found(self, history):
        change(history[-1], place=11)
        (violation,) = verify()["named"]
        assert (violation["number"], violation["wrong"]) == (
            10,
            "stands at place 11 without a draw",
        )

    def test_a_number_that_was_given_out_later_is_found(self, history):
        change(history[-1], number=100, place=100)
        change(history[-2], number=10, place=10)
        change(history[-1], number=9, place=9)
        (violation,) = verify()["named"]
        assert (violation["number"], violation["wrong"]) == (
            10,
            "was given out before a smaller number",
        )

    @pytest.mark.parametrize("number", [0, 11])
    def test_a_number_that_was_never_given_out_is_found(self, history, number):
        change(history[-1], number=number, place=number)
        wrong = [v["wrong"] for v in verify()["named"] if v["check"] == "entry"]
        assert "was never given out" in wrong

    def test_entering_at_no_turn_is_found(self, history):
        change(history[-1], state="admitted", admitted_at=NOW, session_expires_at=at(600))
        assert verify()["named"][0]["wrong"] == "entered at no turn"

    def test_ending_at_no_turn_is_found(self, history):
        change(history[-1], state="ended", ended_at=NOW, end_reason="left")
        assert verify()["named"][0]["wrong"] == "ended at no turn"


class TestTurns:
    def test_more_inside_than_may_be_is_found(self, history):
        turn = Turn.objects.filter(entered__gt=0).latest("turn")
        Turn.objects.filter(pk=turn.pk).update(admitted=3)
        (violation,) = verify()["named"]
        assert (violation["check"], violation["turn"]) == ("capacity", turn.turn)
        assert (violation["admitted"], violation["capacity"]) == (3, 2)

    def test_one_more_than_was_let_in_is_found(self, history):
        turn = Turn.objects.filter(entered__gt=0).latest("turn")
        waiting = QueueEntry.objects.filter(state="waiting").earliest("place")
        change(
            waiting,
            state="admitted",
            admitted_at=NOW,
            admitted_turn=turn.turn,
            session_expires_at=at(600),
        )
        (violation,) = verify()["named"]
        assert violation["check"] == "turn"
        assert (violation["turn"], violation["entered"], violation["found"]) == (turn.turn, 1, 2)

    def test_one_fewer_than_was_let_in_is_found(self, history):
        turn = Turn.objects.filter(entered__gt=0).latest("turn")
        Turn.objects.filter(pk=turn.pk).update(entered=2)
        (violation,) = verify()["named"]
        assert (violation["turn"], violation["entered"], violation["found"]) == (turn.turn, 2, 1)

    def test_a_turn_that_nobody_wrote_down_is_found(self, history):
        Turn.objects.filter(turn=Turnstile.objects.get(room__slug="first-snow").turn).delete()
        (violation,) = verify()["named"]
        assert (violation["turn"], violation["found"]) == (None, 1)
        assert "after the last turn that was written down" in violation["text"]


class TestPrunedHistory:
    def prune(self, before):
        list_old_entries(before=before).delete()
        list_old_turns(before=before).delete()

    @pytest.mark.parametrize("seconds", range(12))
    def test_what_is_left_is_clean(self, history, seconds):
        total = QueueEntry.objects.count()
        self.prune(at(seconds))
        result = verify()
        assert result["named"] == []
        assert result["entries"] + result["pruned"] == total == 10

    def test_a_turn_of_which_one_is_gone_is_clean(self, together):
        pay(together[0], now=at(1))
        self.prune(at(2))
        assert (Turn.objects.get(entered=2).turn, QueueEntry.objects.count()) == (1, 1)
        result = verify()
        assert (result["pruned"], result["named"]) == (1, [])
        # Both cannot have been pruned, since one number is missing.
        change(together[1], admitted_turn=2)
        assert checks() == ["turn", "turn"]

    def test_it_says_how_much_is_gone(self, history):
        self.prune(at(6))
        out, clean = run()
        assert clean
        assert out.startswith("first-snow: 7 entries, 3 pruned, ")

    def test_an_overtaking_in_what_is_left_is_found(self, history):
        self.prune(at(6))
        change(history[4], admitted_turn=10**6)
        assert "overtaking" in checks()

    def test_a_draw_is_repeated_by_those_who_are_left(self, drawn):
        inside = list(QueueEntry.objects.filter(state="admitted"))
        for entry in inside:
            pay(entry, now=OPENS + timedelta(seconds=5))
        self.prune(OPENS + timedelta(seconds=6))
        result = verify()
        assert (result["pruned"], result["named"]) == (2, [])
        Draw.objects.update(seed="another")
        assert checks() == ["draw"]


class TestReceipts:
    def look_up(self, *entries):
        receipts = [sign_receipt(QueueEntry.objects.get(pk=entry.pk)) for entry in entries]
        return verify(*(option for receipt in receipts for option in ("--receipt", receipt)))[
            "receipts"
        ]

    def test_it_says_what_became_of_each(self, history):
        ended, inside, waiting = self.look_up(history[0], history[4], history[9])
        assert [entry["valid"] for entry in (ended, inside, waiting)] == [True] * 3
        assert [entry["number"] for entry in (ended, inside, waiting)] == [1, 5, 10]
        assert (ended["state"], ended["end_reason"]) == ("ended", "paid")
        assert (inside["state"], inside["ended_at"]) == ("admitted", None)
        assert inside["customer"] == history[4].customer.email
        assert (waiting["state"], waiting["admitted_turn"]) == ("waiting", None)
        assert "entered" in ended["text"]
        assert "waiting, never overtaken" in waiting["text"]

    def test_in_words(self, history):
        out, clean = run("--receipt", sign_receipt(history[0]))
        assert clean
        assert out.splitlines()[0].startswith(
            f"receipt of number 1: {history[0].customer.email}, place 1, joined {NOW.isoformat()}, "
        )

    def test_it_says_who_overtook_them(self, history):
        change(history[6], state="admitted", admitted_at=NOW, session_expires_at=at(600))
        change(history[6], admitted_turn=history[0].admitted_turn)
        change(history[2], admitted_turn=10**6)
        receipt = sign_receipt(QueueEntry.objects.get(pk=history[2].pk))
        out, clean = run("--receipt", receipt, "--json")
        assert not clean
        (found,) = json.loads(out)["receipts"]
        overtakers = [x.number for x in QueueEntry.objects.all() if has_overtaken(x, get(3))]
        assert sorted(found["overtaken_by"]) == sorted(overtakers)
        assert found["overtaken_by"]

    def test_who_enters_together_overtakes_nobody(self, together):
        for receipt in self.look_up(*together):
            assert (receipt["admitted_turn"], receipt["overtaken_by"]) == (1, [])

    def test_who_is_gone_is_no_proof(self, history):
        receipt = sign_receipt(history[9])
        QueueEntry.objects.filter(pk=history[9].pk).delete()
        result = verify("--receipt", receipt)
        assert result["violations"] == 0
        assert result["receipts"][0]["valid"] is False
        assert "no such place" in result["receipts"][0]["text"]

    def test_another_time_is_found(self, history):
        receipt = sign_receipt(history[9])
        change(history[9], joined_at=at(0.000001))
        (found,) = verify("--receipt", receipt)["receipts"]
        assert found["valid"] is False
        assert at(0.000001).isoformat() in found["text"]

    def test_the_receipt_that_was_given_out_is_good(self, room):
        issued = join()
        assert verify("--receipt", issued.receipt)["receipts"][0]["valid"]

    def test_another_rooms_receipt_is_told(self, history):
        other = make_entry(RoomFactory(slug="other"), 1)
        with pytest.raises(CommandError, match="is for the room 'other', not 'first-snow'"):
            call_command("verify_queue", "first-snow", "--receipt", sign_receipt(other))

    @pytest.mark.parametrize("receipt", ["nonsense", "a.b.c", ""])
    def test_what_is_no_receipt_is_told(self, history, receipt):
        with pytest.raises(CommandError, match="no receipt of this service"):
            call_command("verify_queue", "first-snow", f"--receipt={receipt}")

    def test_one_by_another_key_is_told(self, history, settings):
        receipt = sign_receipt(history[0])
        settings.SECRET_KEY = "another secret that is as long as the first one was"
        with pytest.raises(CommandError, match="no receipt of this service"):
            call_command("verify_queue", "first-snow", "--receipt", receipt)


def get(number):
    return QueueEntry.objects.get(number=number, room__slug="first-snow")


class TestTheCommand:
    @pytest.mark.parametrize("slug", ["nowhere", "", "\0", "\udcff"])
    def test_an_unknown_room_is_told(self, room, slug):
        with pytest.raises(CommandError, match="There is no waiting room") as caught:
            call_command("verify_queue", slug)
        assert caught.value.returncode == 1

    def test_it_changes_nothing(self, history):
        models = (QueueEntry, Turn, Turnstile, Dispenser, Draw)
        before = [list(model.objects.order_by("pk").values()) for model in models]
        run("--receipt", sign_receipt(history[0]))
        assert [list(model.objects.order_by("pk").values()) for model in models] == before

    def test_progress_is_told_now_and_then(self, drawn, monkeypatch):
        monkeypatch.setattr(verification, "DRAWN_BATCH", 4)
        quiet, told = StringIO(), StringIO()
        call_command("verify_queue", "first-snow", stdout=StringIO(), stderr=quiet)
        monkeypatch.setattr(verify_queue, "PROGRESS_S", 0)
        call_command("verify_queue", "first-snow", stdout=StringIO(), stderr=told)
        assert quiet.getvalue() == ""
        assert "9 entries: looking for who overtook" in told.getvalue()
        assert "8 of 8 repeated" in told.getvalue()

    def test_a_busy_database_is_told(self, room, monkeypatch):
        def be_busy(*_args, **_kwargs):
            raise Busy

        monkeypatch.setattr(verify_queue, "verify_room", be_busy)
        with pytest.raises(CommandError, match="The database is busy"):
            run_aloud()

    def test_help_shows_an_example(self, capsys):
        with pytest.raises(SystemExit) as end:
            call_command("verify_queue", "--help")
        assert end.value.code == 0
        assert "Example: manage.py verify_queue" in " ".join(capsys.readouterr().out.split())
