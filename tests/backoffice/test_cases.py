"""Cases: what happened to a customer or a reservation, to the second, and why a seat was lost."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from apps.accounts.models import User
from apps.backoffice.cases import limits
from apps.backoffice.cases.answers import list_answers
from apps.backoffice.cases.case import PARTS, Case
from apps.backoffice.cases.events import list_events
from apps.backoffice.cases.keys import Key, Kind, list_keys
from apps.backoffice.cases.words import tell_seconds, tell_span
from apps.concerts.models import Performance
from apps.core.audit import Actor, record_action
from apps.payments.calling_off import call_off_performance, end_called_off
from apps.payments.services import cancel_reservation, pay_reservation, refund_payment
from apps.queue.models import Presence, QueueEntry
from apps.queue.services import expire_queue, leave_line
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.services import expire_holds, release_for_staff, reserve_hold
from apps.wallet.services import charge_wallet
from tests.factories import NOW, QueueEntryFactory, UserFactory, make_seats
from tests.reservations.support import hold, make_hold, make_inside, make_paid, make_reservation

pytestmark = pytest.mark.django_db

CLERK = Actor(name="지수")
LATER = NOW + timedelta(minutes=5, seconds=2)


@pytest.fixture(autouse=True)
def _english():
    with override("en"):
        yield


@pytest.fixture
def staff():
    return UserFactory(is_staff=True, is_superuser=True)


def grant(user, *names):
    for name in names:
        app, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return User.objects.get(pk=user.pk)


def open_case(customer, viewer, *, now=LATER, reservation=None):
    return Case.open(viewer, customer, now=now, reservation=reservation)


def tell(case):
    """Return the timeline's titles, oldest first."""
    keys = list_keys(case, before=None, limit=500)
    return [event.title for event in list_events(case, keys)]


def sentences(case):
    return [sentence for answer in list_answers(case) for sentence in answer.sentences]


class TestWhyASeatWasLost:
    """The top of the page answers in plain sentences."""

    def test_a_hold_that_lapsed_and_who_took_the_seats(self, customer, seats, staff):
        make_hold(customer, seats[2:4])
        expire_holds(now=LATER)
        rival = UserFactory()
        make_hold(rival, [seats[2]], at=LATER)
        assert sentences(open_case(customer, staff)) == [
            "The seats A 1-3, A 1-4 were held at Nov. 1, 2026 10:00:00 until 10:05:00 and were not "
            "paid for; they went back on sale at 10:05:00.",
            f"A 1-3: held by {rival} at 10:05:02.",
        ]

    def test_one_that_nobody_has_written_down(self, customer, seats, staff):
        make_reservation(customer, seats[:1])
        case = open_case(customer, staff)
        assert "went back on sale at 10:05:00" in sentences(case)[0]
        assert sentences(case)[1] == "Nobody has held them since."
        assert tell(case) == [
            "Held A 1-1",
            "Reserved A 1-1",
            "The time to pay was over: A 1-1 went back on sale",
        ]
        facts = list_events(case, list_keys(case, before=None, limit=9))[-1].facts
        assert "Over by the clock; nobody has written it down yet." in facts

    def test_at_the_deadline_it_is_over_and_a_moment_before_it_is_not(self, customer, seats, staff):
        make_hold(customer, seats[:1])
        at = NOW + timedelta(minutes=5)
        assert sentences(open_case(customer, staff, now=at)) != []
        assert sentences(open_case(customer, staff, now=at - timedelta(microseconds=1))) == []

    def test_the_same_customer_again(self, customer, seats, staff):
        make_hold(customer, seats[:1])
        expire_holds(now=LATER)
        make_hold(customer, seats[:1], at=LATER)
        assert sentences(open_case(customer, staff))[1] == (
            "A 1-1: held by the same customer at 10:05:02."
        )

    def test_staff_who_gave_the_money_back(self, customer, seats, staff):
        paid = make_paid(customer, seats[:1])
        refund_payment(payment_id=paid.payment_id, actor=CLERK, reason="고장난 의자", now=LATER)
        assert sentences(open_case(customer, staff))[0] == (
            "Staff (지수) gave the payment of ₩10,000 back at Nov. 1, 2026 10:05:02: “고장난 의자”"
        )

    def test_staff_who_ended_a_hold(self, customer, seats, staff):
        held = make_hold(customer, seats[:1])
        at = NOW + timedelta(minutes=1)
        release_for_staff(reservation_id=held.pk, actor=CLERK, reason="매크로", now=at)
        assert sentences(open_case(customer, staff))[0] == (
            "Staff (지수) ended the claim at Nov. 1, 2026 10:01:00: “매크로”"
        )

    def test_a_performance_that_was_called_off(self, customer, performance, seats, staff):
        make_paid(customer, seats[:1])
        call_off_performance(performance_id=performance.pk, actor=CLERK, reason="폭설", now=LATER)
        case = open_case(customer, staff)
        assert sentences(case)[0].startswith("The performance was called off at Nov. 1, 2026")
        list(end_called_off(Performance.objects.filter(pk=performance.pk), now=LATER))
        assert sentences(case)[0] == (
            "The performance was called off; ₩10,000 were given back at Nov. 1, 2026 10:05:02."
        )
        assert "지수 called a performance off" in tell(case)

    def test_a_customer_who_cancelled(self, customer, seats, staff):
        paid = make_paid(customer, seats[:1])
        cancel_reservation(customer_id=customer.pk, reservation_id=paid.pk, now=LATER)
        assert sentences(open_case(customer, staff))[0] == (
            "The customer cancelled at Nov. 1, 2026 10:05:02, and ₩10,000 were given back."
        )

    @pytest.mark.parametrize("make", [make_hold, make_reservation, make_paid])
    def test_nothing_is_said_of_what_is_not_lost(self, customer, seats, staff, make):
        claim = make(customer, seats[:1])
        now = NOW + timedelta(minutes=1)
        assert sentences(open_case(customer, staff, now=now)) == []
        of_one = open_case(customer, staff, now=now, reservation=claim)
        assert sentences(of_one)[0].startswith("Nothing is lost")

    def test_no_more_is_explained_than_fits(self, customer, performance, staff):
        for seat in make_seats(performance, limits.ANSWERS_MAX + 2, section="B"):
            make_hold(customer, [seat])
        assert len(list_answers(open_case(customer, staff))) == limits.ANSWERS_MAX


class TestWhyALineWasLeft:
    """Places in line that ended say by which limit, and when."""

    def answer(self, customer, staff, now=LATER):
        case = open_case(customer, staff, now=now)
        return sentences(case), tell(case)

    @pytest.mark.parametrize("swept", [True, False])
    def test_who_was_silent(self, customer, room, staff, swept):
        QueueEntryFactory(room=room, customer=customer)
        if swept:
            expire_queue(now=LATER)
        told, events = self.answer(customer, staff)
        at = "Nov. 1, 2026 10:01:00"
        assert told == [f"The line was left at {at} because nothing was heard for 60 s."]
        assert events == [
            "Joined the line of Encore",
            "Out of the line: nothing was heard for 60 s",
        ]

    def test_whose_session_was_over(self, customer, room, staff):
        make_inside(customer)
        over = NOW + timedelta(minutes=11)
        Presence.objects.update(last_seen_at=over - timedelta(seconds=65))
        expire_queue(now=over)
        told, _events = self.answer(customer, staff, over)
        at = "Nov. 1, 2026 10:10:00"
        assert told == [f"The session of 10 min was over before payment, at {at}."]

    def test_who_left(self, customer, room, staff):
        entry = make_inside(customer)
        leave_line(entry_id=entry.pk, now=NOW + timedelta(seconds=5))
        told, events = self.answer(customer, staff)
        assert told == ["The customer left the line at Nov. 1, 2026 10:00:05."]
        assert events[-1] == "Left the line by themselves"

    def test_who_was_taken_out(self, customer, room, staff):
        at = NOW + timedelta(seconds=30)
        entry = QueueEntryFactory(
            room=room, customer=customer, state="ended", ended_at=at, end_reason="removed"
        )
        assert self.answer(customer, staff)[0] == [
            "Staff took the customer out of the line at Nov. 1, 2026 10:00:30."
        ]
        record_action(
            actor=CLERK,
            action="remove_from_queue",
            subject=entry,
            reason="매크로",
            before={},
            after={},
            now=at,
        )
        assert self.answer(customer, staff)[0] == [
            "Staff (지수) took the customer out of the line at Nov. 1, 2026 10:00:30: “매크로”"
        ]

    def test_who_joined_again(self, customer, room, staff):
        QueueEntryFactory(
            room=room, customer=customer, state="ended", ended_at=LATER, end_reason="reissued"
        )
        assert self.answer(customer, staff)[0][0].startswith("The customer joined the line again")

    def test_nothing_is_said_of_who_paid_or_is_still_there(self, customer, room, staff):
        QueueEntryFactory(
            room=room, customer=customer, state="ended", ended_at=NOW, end_reason="paid"
        )
        make_inside(customer)
        assert self.answer(customer, staff, NOW + timedelta(seconds=5))[0] == []


class TestTimeline:
    """Everything that happened, in the order in which it did."""

    def test_a_purchase_from_the_line_to_the_refund(self, customer, seats, staff):
        entry = make_inside(customer)
        charge_wallet(customer_id=customer.pk, amount=50_000, now=NOW)
        held = hold(entry, seats[:2], now=NOW + timedelta(seconds=10))
        reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=NOW + timedelta(seconds=20))
        at = NOW + timedelta(seconds=30)
        payment = pay_reservation(entry_id=entry.pk, reservation_id=held.pk, now=at).payment
        refund_payment(payment_id=payment.pk, actor=CLERK, reason="요청", now=LATER)
        assert tell(open_case(customer, staff)) == [
            "Joined the line of Encore",
            "Let into Encore",
            "Wallet: charge ₩50,000",
            "Held A 1-1, A 1-2",
            "Reserved A 1-1, A 1-2",
            "Paid ₩20,000",
            "Wallet: payment -₩20,000",
            "A 1-1, A 1-2 are the customer's",
            "Out of the room: paid",
            "지수 gave a payment back",
            "₩20,000 given back",
            "Wallet: refund ₩20,000",
            "Staff ended the claim on A 1-1, A 1-2",
        ]

    def test_each_says_how_long_after_the_one_before(self, customer, seats, staff):
        make_hold(customer, seats[:1])
        case = open_case(customer, staff)
        events = list_events(case, list_keys(case, before=None, limit=9))
        assert [event.since for event in events] == ["", "5 min"]

    def test_a_reservations_case_has_nothing_of_another(self, customer, seats, room, staff):
        first = make_paid(customer, seats[:1])
        make_paid(customer, seats[1:2], at=NOW + timedelta(days=1))
        before = QueueEntryFactory(room=room, customer=customer, at=NOW - timedelta(days=2))
        QueueEntry.objects.filter(pk=before.pk).update(
            state="ended", ended_at=NOW - timedelta(days=1), end_reason="left"
        )
        case = open_case(customer, staff, now=NOW + timedelta(days=2), reservation=first)
        assert tell(case) == [
            "Held A 1-1",
            "Reserved A 1-1",
            "Paid ₩10,000",
            "Wallet: payment -₩10,000",
            "A 1-1 are the customer's",
        ]

    def test_other_customers_are_not_in_it(self, customer, seats, staff):
        make_paid(UserFactory(), seats[:1])
        make_inside()
        assert tell(open_case(customer, staff, now=NOW)) == []

    def test_what_staff_did_meanwhile_to_the_room_performance_and_seats(
        self, customer, performance, seats, room, staff
    ):
        make_hold(customer, seats[:1])
        QueueEntryFactory(room=room, customer=customer)

        def act(subject, action, at, **after):
            record_action(
                actor=CLERK,
                action=action,
                subject=subject,
                reason="왜",
                before={},
                after=after,
                now=at,
            )

        during = NOW + timedelta(seconds=30)
        act(room, "edit", during, capacity=1)
        act(room, "edit", NOW - timedelta(days=1), capacity=2)
        act(performance, "edit", during, date="2026-12-12")
        act(performance, "block_seats", during, seats=[seats[0].pk])
        act(performance, "block_seats", during, seats=[seats[1].pk])
        act(seats[0], "edit", during, grade="R")
        act(seats[1], "edit", during, grade="S")
        act(customer, "edit", NOW - timedelta(days=9), name="다른 이름")
        assert [
            title for title in tell(open_case(customer, staff)) if title.startswith("지수")
        ] == [
            "지수 edited",
            "지수 edited",
            "지수 edited",
            "지수 took seats off sale",
            "지수 edited",
        ]


class TestPages:
    """A long history is shown a page at a time, and costs no more than a short one."""

    def make_history(self, customer, performance, count):
        for number, seat in enumerate(make_seats(performance, count, section=f"B{count}")):
            paid = make_paid(customer, [seat], at=NOW + timedelta(minutes=number))
            refund_payment(
                payment_id=paid.payment_id,
                actor=CLERK,
                reason="요청",
                now=NOW + timedelta(minutes=number, seconds=30),
            )

    def test_older_pages_leave_nothing_out_and_say_nothing_twice(
        self, customer, performance, staff
    ):
        self.make_history(customer, performance, 5)
        case = open_case(customer, staff)
        everything = list_keys(case, before=None, limit=500)
        paged, before = [], None
        while page := list_keys(case, before=before, limit=4):
            paged += page
            before = Key.parse(str(page[-1]))
        assert paged == everything
        assert len(everything) == len(set(everything)) > 40

    @pytest.mark.parametrize("text", ["", "x", "1-2", "1-99-3", "9" * 40 + "-1-1", "1-1--4"])
    def test_an_address_that_names_no_event_names_none(self, text):
        assert Key.parse(text) is None

    def test_a_key_survives_its_address(self):
        key = Key(at=NOW + timedelta(microseconds=123_457), kind=Kind.PAID, row=42)
        assert Key.parse(str(key)) == key

    def test_the_pages_lead_to_one_another(self, client, staff, customer, performance, monkeypatch):
        monkeypatch.setattr("apps.backoffice.cases.views.EVENTS_PER_PAGE", 3)
        self.make_history(customer, performance, 1)
        client.force_login(staff)
        url = reverse("admin:customer_case", args=[customer.pk])
        newest = client.get(url)
        assert len(newest.context["events"]) == 3
        assert newest.context["is_newest"]
        older = client.get(url, {"before": str(newest.context["older"])})
        assert older.context["events"][-1].key < newest.context["events"][0].key
        assert not older.context["is_newest"]

    @pytest.mark.parametrize("page", ["customer_case", "reservation_case"])
    def test_it_takes_the_same_queries_whatever_the_history(
        self, client, staff, customer, performance, page
    ):
        client.force_login(staff)
        counts = []
        for count in (1, 30):
            self.make_history(customer, performance, count)
            pk = {"customer_case": customer.pk}.get(page) or Reservation.objects.latest("pk").pk
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(reverse(f"admin:{page}", args=[pk]))
            assert answer.status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 24


class TestAccess:
    """Staff see the parts that they may see, and are told of the rest."""

    @pytest.fixture
    def clerk(self):
        return UserFactory(is_staff=True)

    def url(self, customer):
        return reverse("admin:customer_case", args=[customer.pk])

    @pytest.mark.parametrize("page", ["customer_case", "reservation_case", "cases"])
    def test_it_takes_the_permission_to_see_customers(self, client, clerk, customer, seats, page):
        held = make_hold(customer, seats[:1])
        grant(clerk, "reservations.view_reservation")
        args = {"customer_case": [customer.pk], "reservation_case": [held.pk]}.get(page, [])
        client.force_login(clerk)
        assert client.get(reverse(f"admin:{page}", args=args)).status_code == 403

    def test_a_reservations_case_takes_that_of_reservations_too(
        self, client, clerk, customer, seats
    ):
        held = make_hold(customer, seats[:1])
        client.force_login(grant(clerk, "accounts.view_user"))
        url = reverse("admin:reservation_case", args=[held.pk])
        assert client.get(url).status_code == 403

    def test_nobody_else_is_let_in(self, client, customer):
        assert client.get(self.url(customer)).status_code == 302
        client.force_login(customer)
        assert client.get(self.url(customer)).status_code == 302

    def test_what_one_may_not_see_is_left_out_and_said(self, client, clerk, customer, seats):
        paid = make_paid(customer, seats[:1])
        refund_payment(payment_id=paid.payment_id, actor=CLERK, reason="비밀", now=LATER)
        client.force_login(grant(clerk, "accounts.view_user", "reservations.view_reservation"))
        with override("en"):
            page = client.get(self.url(customer), headers={"accept-language": "en"})
        text = page.content.decode()
        assert {event.group for event in page.context["events"]} == {"seats"}
        assert (
            "Left out, because you may not see them: places in line, payments, the ledger, " in text
        )
        assert "비밀" not in text
        assert "Staff ended it at" in text

    def test_who_may_see_none_of_it_sees_no_event(self, clerk, customer, seats):
        make_paid(customer, seats[:1])
        case = open_case(customer, grant(clerk, "accounts.view_user"))
        assert (tell(case), sentences(case), len(case.left_out)) == ([], [], len(PARTS))

    def test_other_customers_are_named_to_those_who_may_see_customers(self, clerk, customer):
        rival = UserFactory()
        stranger = open_case(customer, clerk)
        assert stranger.tell_customer(rival) == "another customer"
        assert stranger.tell_customer(customer) == "the customer"
        assert open_case(customer, grant(clerk, "accounts.view_user")).tell_customer(rival) == str(
            rival
        )

    @pytest.mark.parametrize("page", ["customer_case", "reservation_case"])
    def test_one_that_is_not_there(self, client, staff, page):
        client.force_login(staff)
        assert client.get(reverse(f"admin:{page}", args=[10**30])).status_code == 404


class TestSearch:
    """One box finds a case by e-mail, number or seat, and goes straight to the only hit."""

    def find(self, client, staff, **query):
        client.force_login(staff)
        return client.get(reverse("admin:cases"), query)

    def case_of(self, row):
        kind = "customer_case" if isinstance(row, User) else "reservation_case"
        return reverse(f"admin:{kind}", args=[row.pk])

    @pytest.mark.parametrize("spelling", [str, str.upper, lambda email: f" {email} "])
    def test_by_email(self, client, staff, customer, spelling):
        answer = self.find(client, staff, q=spelling(customer.email))
        assert (answer.status_code, answer["Location"]) == (302, self.case_of(customer))

    def test_by_the_beginning_of_an_email(self, client, staff):
        people = [UserFactory(email=f"kim{number}@encore.example") for number in range(3)]
        answer = self.find(client, staff, q="kim")
        assert [hit.address for hit in answer.context["hits"]] == [
            self.case_of(person) for person in people
        ]

    @pytest.mark.parametrize("query", ["{}", "#{}", "reservation:{}"])
    def test_by_the_number_of_a_reservation(self, client, staff, customer, seats, query):
        held = make_hold(customer, seats[:1])
        answer = self.find(client, staff, q=query.format(held.pk))
        assert answer["Location"] == self.case_of(held)

    def test_by_the_number_of_a_payment(self, client, staff, customer, seats):
        make_hold(customer, seats[:1])
        paid = make_paid(customer, seats[1:2])
        answer = self.find(client, staff, q=f"payment:{paid.payment_id}")
        assert answer["Location"] == self.case_of(paid)

    @pytest.mark.parametrize("query", ["A 1-2", "A-1-2", "A 1 2"])
    def test_by_a_seat(self, client, staff, customer, performance, seats, query, clock_at_now):
        held = make_hold(customer, seats[1:2])
        for given in ({}, {"performance": performance.pk}):
            answer = self.find(client, staff, q=query, **given)
            assert answer["Location"] == self.case_of(held)

    def test_a_seat_that_several_had(self, client, staff, performance, seats):
        claims = [make_hold(UserFactory(), seats[:1])]
        ReservationSeat.objects.update(released_at=NOW)
        claims.append(make_hold(UserFactory(), seats[:1], at=LATER))
        answer = self.find(client, staff, q="A 1-1", performance=performance.pk)
        assert [hit.address for hit in answer.context["hits"]] == [
            self.case_of(claim) for claim in reversed(claims)
        ]

    @pytest.mark.parametrize(
        "query", ["nobody@x.example", "999999", "9" * 30, "Z 9-9", "payment:999", "a\x00b"]
    )
    def test_what_is_not_there(self, client, staff, performance, query):
        answer = self.find(client, staff, q=query)
        assert answer.status_code == 200
        assert answer.context["hits"] == []

    def test_nothing_asked_nothing_found(self, client, staff, customer):
        answer = self.find(client, staff)
        assert (answer.status_code, answer.context["hits"]) == (200, [])

    def test_reservations_are_found_by_who_may_see_them(self, client, customer, seats):
        held = make_hold(customer, seats[:1])
        clerk = grant(UserFactory(is_staff=True), "accounts.view_user")
        for query in (f"reservation:{held.pk}", "A 1-1"):
            assert self.find(client, clerk, q=query).context["hits"] == []


class TestSpans:
    @pytest.mark.parametrize(
        ("seconds", "told"),
        [
            (0, "0 s"),
            (1, "1 s"),
            (60, "60 s"),
            (61, "1 min 1 s"),
            (120, "120 s"),
            (300, "5 min"),
            (600, "10 min"),
            (3_661, "1 h 1 min"),
            (90_000, "1 d 1 h"),
        ],
    )
    def test_in_the_two_greatest_units(self, seconds, told):
        assert tell_seconds(seconds) == told

    def test_never_less_than_nothing(self):
        assert tell_span(timedelta(seconds=-3)) == "0 s"
