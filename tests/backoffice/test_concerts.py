"""Making a concert in the back office: seats from plans, publishing, calling off, import and export."""

import io
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.backoffice.concerts.counts import SeatCount, count_by_concert
from apps.backoffice.concerts.resources import ConcertResource, escape_formula
from apps.concerts.errors import PlanNotFound, PricesMissing, SeatsTaken, StartsTaken
from apps.concerts.models import Concert, ConcertPrice, Performance, Seat
from apps.concerts.plans import SectionShape, draw_sections
from apps.concerts.services import save_plan
from apps.core.audit import Actor
from apps.core.models import StaffAction
from apps.queue.models import WaitingRoom
from apps.reservations import seating
from tests.factories import NOW, ConcertFactory, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import hold, make_inside, make_paid

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

CLERK = Actor(name="clerk")
CONCERTS = "/admin/concerts/concert/"


@pytest.fixture
def show(room):
    return PerformanceFactory(concert__published=False)


@pytest.fixture
def plan(show):
    return make_plan(show.concert.venue_id)


@pytest.fixture
def prices(show):
    return ConcertPrice.objects.create(concert=show.concert, grade="VIP", price=100)


def make_plan(venue_id, name="whole", **fields):
    fields = {"name": "A", "grade": "VIP", "rows": 2, "seats_per_row": 3} | fields
    seats = draw_sections([SectionShape(**fields)])
    return save_plan(plan_id=None, venue_id=venue_id, name=name, seats=seats, drawing=[])


def make(show, plan):
    return seating.make_plan_seats(
        performance_id=show.pk, plan_id=plan.pk, actor=CLERK, reason="a new plan", now=NOW
    )


# Seats from plans


def test_a_performance_gets_the_seats_of_a_plan_once(show, plan, prices):
    effect = make(show, plan)
    assert (effect.made, effect.changed, effect.removed) == (6, 0, 0)
    seats = Seat.objects.filter(performance=show).order_by("position")
    assert [seat.position for seat in seats] == [1, 2, 3, 5, 6, 7]
    assert {seat.price for seat in seats} == {100}
    again = make(show, plan)
    assert (again.made, again.changed, again.removed) == (0, 0, 0)
    action = StaffAction.objects.filter(action="make_seats").earliest("id")
    assert (action.actor_name, action.after["seats"]) == ("clerk", 6)


def test_a_grade_without_a_price_makes_nothing(show, plan):
    with pytest.raises(PricesMissing) as refused:
        make(show, plan)
    assert refused.value.fields["grades"] == ["VIP"]
    assert not Seat.objects.exists()
    assert not StaffAction.objects.exists()


def test_a_plan_of_another_venue_makes_nothing(show, prices):
    elsewhere = make_plan(ConcertFactory().venue_id)
    with pytest.raises(PlanNotFound):
        make(show, elsewhere)
    assert not Seat.objects.exists()


def test_a_taken_seat_keeps_its_price_and_the_others_get_the_new_one(show, plan, prices):
    Concert.objects.update(published=True)
    make(show, plan)
    taken = hold(make_inside(), list(Seat.objects.filter(row="1", number="1"))).lines.get().seat_id
    ConcertPrice.objects.update(price=200)
    effect = make(show, plan)
    assert (effect.changed, effect.kept) == (5, 1)
    assert Seat.objects.get(pk=taken).price == 100
    assert Seat.objects.filter(price=200).count() == 5


def test_a_plan_without_a_taken_seat_changes_nothing(show, plan, prices):
    Concert.objects.update(published=True)
    make(show, plan)
    hold(make_inside(), list(Seat.objects.filter(row="2", number="1")))
    smaller = make_plan(plan.venue_id, "smaller", rows=1)
    before = list(Seat.objects.order_by("pk").values())
    with pytest.raises(SeatsTaken) as refused:
        make(show, smaller)
    assert refused.value.fields["seats"] == ["A 2-1"]
    assert list(Seat.objects.order_by("pk").values()) == before


def test_seats_that_a_smaller_plan_has_not_are_removed(show, plan, prices):
    make(show, plan)
    effect = make(show, make_plan(plan.venue_id, "smaller", rows=1))
    assert (effect.removed, Seat.objects.count()) == (3, 3)


def test_a_seat_that_staff_blocked_stays_blocked(show, plan, prices):
    make(show, plan)
    Seat.objects.filter(row="1").update(blocked=True, blocked_reason="camera")
    ConcertPrice.objects.update(price=200)
    make(show, plan)
    assert Seat.objects.filter(blocked_reason="camera", price=200).count() == 3


def test_performances_are_added_with_their_seats_or_not_at_all(show, plan, prices):
    starts = [NOW + timedelta(days=50), NOW + timedelta(days=51)]
    fields = {"plan_id": plan.pk, "actor": CLERK, "reason": "two more", "now": NOW}
    made = seating.add_performances(concert_id=show.concert_id, starts=starts, **fields)
    assert [Seat.objects.filter(performance=performance).count() for performance in made] == [6, 6]
    with pytest.raises(StartsTaken):
        seating.add_performances(
            concert_id=show.concert_id, starts=[NOW + timedelta(days=52), starts[0]], **fields
        )
    assert Performance.objects.filter(concert=show.concert).count() == 3


def test_the_page_says_what_will_happen_before_it_does(admin_client, show, plan, prices):
    url = f"/admin/concerts/performance/{show.pk}/make-seats/?plan={plan.pk}"
    page = admin_client.get(url, headers={"accept-language": "en"}).content.decode()
    assert "New: 6 seats." in page
    assert not Seat.objects.exists()
    assert admin_client.post(url, {"reason": "the plan"}).status_code == 302
    assert Seat.objects.count() == 6


# Publishing


def publish(client, concert, **form):
    url = f"{CONCERTS}{concert.pk}/publish/"
    ask = client.post if form else client.get
    answer = ask(url, form, headers={"accept-language": "en"})
    concert.refresh_from_db()
    return answer


def test_a_concert_that_is_ready_is_published_with_a_reason(admin_client, show):
    make_seats(show)
    assert publish(admin_client, show.concert, reason="now").status_code == 302
    assert show.concert.published
    assert StaffAction.objects.get().action == "publish_concert"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda show: Seat.objects.all().delete(), "has no seats"),
        (lambda show: Performance.objects.update(called_off_at=NOW), "No performance is still to come"),
        (lambda show: Concert.objects.update(sales_close_at=NOW), "Its sales closed on"),
        (lambda show: WaitingRoom.objects.update(state="closed"), "is closed: nobody gets in"),
        (lambda show: Concert.objects.update(
            sales_open_at=show.starts_at, sales_close_at=show.starts_at + timedelta(1)
        ), "Its sales open only when the last performance has begun"),
    ],
)  # fmt: skip
def test_a_concert_that_lacks_something_is_not_published(admin_client, show, spoil, told):
    make_seats(show)
    spoil(show)
    assert told in publish(admin_client, show.concert).content.decode()
    publish(admin_client, show.concert, reason="now")
    assert not show.concert.published
    assert not StaffAction.objects.exists()


def test_the_form_of_a_concert_neither_publishes_nor_renames_a_published_one(admin_client, show):
    Concert.objects.update(published=True)
    page = admin_client.get(f"{CONCERTS}{show.concert_id}/change/")
    fields = set(page.context["adminform"].form.fields)
    assert {"published", "slug"} & fields == set()


def test_a_concert_is_taken_out_of_sight_and_keeps_its_slug(admin_client, show):
    Concert.objects.update(published=True)
    admin_client.post(f"{CONCERTS}{show.concert_id}/unpublish/", {"reason": "an error"})
    show.concert.refresh_from_db()
    assert not show.concert.published
    page = admin_client.get(f"{CONCERTS}{show.concert_id}/change/")
    assert "slug" not in page.context["adminform"].form.fields


def test_only_who_may_publishes_and_calls_off(client, show):
    make_seats(show)
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(
        Permission.objects.filter(codename__in=("change_concert", "change_performance"))
    )
    client.force_login(clerk)
    call_off = f"/admin/concerts/performance/{show.pk}/call-off/"
    assert publish(client, show.concert, reason="now").status_code == 403
    assert client.post(call_off, {"reason": "rain"}).status_code == 403
    show.refresh_from_db()
    assert (show.called_off_at, show.concert.published) == (None, False)


def test_calling_off_says_how_much_goes_back_and_is_done_once(admin_client, show):
    Concert.objects.update(published=True)
    make_paid(UserFactory(), make_seats(show, 2))
    url = f"/admin/concerts/performance/{show.pk}/call-off/"
    page = admin_client.get(url, headers={"accept-language": "en"}).content.decode()
    assert "1 paid reservation is cancelled and ₩20,000 goes back." in page
    assert admin_client.post(url, {"reason": "rain"}).status_code == 302
    show.refresh_from_db()
    assert show.called_off_at == NOW


# Lists


def test_the_list_counts_sold_seats_in_as_many_queries_for_one_row_as_for_many(
    admin_client, show, django_assert_max_num_queries
):
    make_paid(UserFactory(), make_seats(show, 2))
    make_seats(show, 3, row="2")
    assert count_by_concert([show.concert_id]) == {show.concert_id: SeatCount(sold=2, seats=5)}
    for concert in ConcertFactory.create_batch(9):
        make_seats(PerformanceFactory(concert=concert))
    with django_assert_max_num_queries(12):
        page = admin_client.get(CONCERTS).content.decode()
    assert "2 / 5" in page


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("draft", {"published": False}),
        ("soon", {"sales_open_at": NOW + timedelta(1)}),
        ("on_sale", {}),
        ("over", {"sales_close_at": NOW}),
        ("stopped", {"sale_stopped_at": NOW, "sale_stopped_reason": "check"}),
    ],
)
def test_concerts_are_found_by_the_state_that_they_show(admin_client, state, fields):
    concert = ConcertFactory(**fields)
    assert concert.get_sale_state(NOW) == state
    for other in Concert.SaleState.values:
        page = admin_client.get(CONCERTS, {"state": other})
        assert len(page.context["cl"].result_list) == (other == state)


# Import and export


def row_of(concert, **changes):
    fields = {
        "slug": "first-snow",
        "title": "첫눈",
        "artist": "서하린",
        "venue": concert.venue.name,
        "sales_open_at": "2026-11-01 10:00",
        "sales_close_at": "2026-12-24 18:00",
        "seats_per_customer": "4",
        "cancel_until_hours": "24",
        "currency": "KRW",
        "room": "main",
    } | changes
    return ",".join(fields) + "\n" + ",".join(fields.values()) + "\n"


def import_file(client, url, text):
    """Send a file, and confirm what is shown where it can be; return the page that showed it."""
    file = SimpleUploadedFile("rows.csv", text.encode(), content_type="text/csv")
    page = client.post(f"{url}import/", {"import_file": file, "format": "0", "resource": ""})
    if page.status_code == 200 and page.context.get("confirm_form"):
        form = page.context["confirm_form"].initial
        assert client.post(f"{url}process_import/", form).status_code == 302
    return page


def test_a_concert_is_imported_by_the_clock_of_its_venue_after_a_preview(admin_client, show):
    import_file(admin_client, CONCERTS, row_of(show.concert))
    concert = Concert.objects.get(slug="first-snow")
    assert concert.sales_open_at == datetime(2026, 11, 1, 1, tzinfo=UTC)
    assert not concert.published
    assert StaffAction.objects.get(action="import").reason == "rows.csv"


@pytest.mark.parametrize(
    "wrong",
    [
        {"venue": "nowhere"},
        {"room": "nowhere"},
        {"sales_close_at": "2026-10-01 10:00"},
        {"sales_open_at": "tomorrow"},
        {"seats_per_customer": "1.5"},
        {"seats_per_customer": "0"},
    ],
)
def test_a_wrong_row_imports_nothing(admin_client, show, wrong):
    page = import_file(admin_client, CONCERTS, row_of(show.concert, **wrong))
    assert page.context.get("confirm_form") is None
    assert Concert.objects.count() == 1


def test_a_time_that_the_clocks_skip_is_refused(admin_client, show):
    type(show.concert.venue).objects.update(time_zone="America/Los_Angeles")
    page = import_file(
        admin_client, CONCERTS, row_of(show.concert, sales_open_at="2026-03-08 02:30")
    )
    assert page.context.get("confirm_form") is None
    assert Concert.objects.count() == 1


def test_imported_prices_and_performances_leave_the_seats_alone(admin_client, show, plan, prices):
    make(show, plan)
    before = list(Seat.objects.order_by("pk").values())
    slug = show.concert.slug
    import_file(
        admin_client, "/admin/concerts/concertprice/", f"concert,grade,price\n{slug},VIP,999\n"
    )
    text = f"concert,starts_at\n{slug},2026-12-24 19:00\n{slug},2026-12-25 19:00\n"
    import_file(admin_client, "/admin/concerts/performance/", text)
    assert ConcertPrice.objects.get().price == 999
    assert show.concert.performances.count() == 3
    assert list(Seat.objects.order_by("pk").values()) == before


def test_a_forged_confirmation_reads_no_file(admin_client, show):
    form = {"import_file_name": "../../etc/passwd", "original_file_name": "x", "format": "0"}
    assert admin_client.post(f"{CONCERTS}process_import/", form).status_code == 403


def test_only_who_may_add_and_change_imports(client, show):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_concert"))
    client.force_login(clerk)
    assert client.get(f"{CONCERTS}import/").status_code == 403
    assert client.get(f"{CONCERTS}export/").status_code == 200


def test_an_exported_file_can_be_imported_again_and_has_no_formulas(show):
    Concert.objects.update(title='=HYPERLINK("http://evil")', artist="-1+1")
    exported = ConcertResource().export(Concert.objects.select_related("venue"))
    row = exported.dict[0]
    assert (row["title"], row["artist"]) == ('\'=HYPERLINK("http://evil")', "'-1+1")
    result = ConcertResource().import_data(exported, dry_run=True, user=UserFactory())
    assert [row.import_type for row in result.rows] == ["skip"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "@SUM(A1)", "-2+3", "\t=1", "\r=1"])
def test_a_text_that_excel_would_compute_is_escaped(cell):
    assert escape_formula(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-3.5", "12", "A-1", "", -3.5, None])
def test_a_number_stays_a_number(cell):
    assert escape_formula(cell) == cell


def test_seats_are_exported_to_excel(admin_client, show):
    make_seats(show, 3)
    answer = admin_client.post("/admin/concerts/seat/export/", {"format": "1", "resource": ""})
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][:5] == ("concert", "starts_at", "section", "row", "number")
    assert len(rows) == 4
