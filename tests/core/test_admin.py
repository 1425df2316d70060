"""The audit log, and the plain edits that land in it."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from unfold.admin import TabularInline

from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Venue
from apps.core import audit_log, sheets
from apps.core.admin import COUNT_MAX, BoundedPaginator, StaffAdmin
from apps.core.audit import Actor, record_action
from apps.core.edits import HIDDEN
from apps.core.models import IntegrityFinding, StaffAction
from tests.factories import NOW, PerformanceFactory, UserFactory, VenueFactory

pytestmark = pytest.mark.django_db

LOG = "/admin/core/staffaction/"


def change_url(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def record(
    subject, action="edit", *, reason="왜냐하면", actor="민지", at=NOW, before=None, after=None
):
    return record_action(
        actor=Actor(name=actor),
        action=action,
        subject=subject,
        reason=reason,
        before=before or {},
        after=after or {},
        now=at,
    )


def no_inlines(client, url):
    """Return the form fields that say that a page's inlines have no rows."""
    sets = client.get(url).context["inline_admin_formsets"]
    names = ("TOTAL_FORMS", "INITIAL_FORMS")
    return {f"{row.formset.prefix}-{name}": 0 for row in sets for name in names}


def listed(client, **query):
    answer = client.get(LOG, query)
    assert answer.status_code == 200, answer.get("Location")
    return list(answer.context["cl"].result_list)


class TestEdits:
    """What staff change by plain forms is recorded with who, what was, what is, and why."""

    def save_venue(self, client, venue, **fields):
        url = change_url(venue)
        form = {"name": venue.name, "time_zone": venue.time_zone, **no_inlines(client, url)}
        answer = client.post(url, {**form, **fields})
        assert answer.status_code == 302, answer.context["errors"]

    def test_an_edit_says_only_what_changed(self, admin_client, admin_user):
        venue = VenueFactory(name="올림픽홀")
        self.save_venue(admin_client, venue, name="핸드볼경기장", edit_reason=" 이름이 바뀜 ")
        action = StaffAction.objects.get()
        assert (action.actor, action.action, action.reason) == (admin_user, "edit", "이름이 바뀜")
        assert action.subject == f"venue:{venue.pk}"
        assert (action.before, action.after) == ({"name": "올림픽홀"}, {"name": "핸드볼경기장"})

    def test_without_a_reason_it_says_where_it_was_edited(self, admin_client):
        self.save_venue(admin_client, VenueFactory(), name="다른 이름")
        assert StaffAction.objects.get().reason == audit_log.EDITED

    def test_a_reason_that_is_too_long_is_cut(self, admin_client):
        self.save_venue(admin_client, VenueFactory(), name="다른 이름", edit_reason="x" * 600)
        assert StaffAction.objects.get().reason == "x" * 500

    def test_a_form_that_changes_nothing_records_nothing(self, admin_client):
        self.save_venue(admin_client, VenueFactory())
        assert not StaffAction.objects.exists()

    def test_what_the_form_refuses_is_not_recorded_and_the_reason_stays(self, admin_client):
        venue = VenueFactory()
        url = change_url(venue)
        form = {"name": "", "time_zone": venue.time_zone, "edit_reason": "오타"}
        answer = admin_client.post(url, {**form, **no_inlines(admin_client, url)})
        assert 'value="오타"' in answer.content.decode()
        assert not StaffAction.objects.exists()

    def test_what_is_added_is_recorded_whole(self, admin_client):
        url = reverse("admin:concerts_venue_add")
        form = {"name": "새 공연장", "time_zone": "Asia/Seoul", **no_inlines(admin_client, url)}
        answer = admin_client.post(url, form)
        assert answer.status_code == 302
        action = StaffAction.objects.get()
        assert (action.action, action.reason, action.before) == ("add", audit_log.ADDED, {})
        assert action.after["name"] == "새 공연장"

    @pytest.mark.parametrize("how", ["one", "several"])
    def test_what_is_deleted_is_recorded_as_it_was(self, admin_client, how):
        venue = VenueFactory(name="사라질 곳")
        if how == "one":
            url = reverse("admin:concerts_venue_delete", args=[venue.pk])
            admin_client.post(url, {"post": "yes"})
        else:
            form = {"action": "delete_selected", "_selected_action": [venue.pk], "post": "yes"}
            admin_client.post(reverse("admin:concerts_venue_changelist"), form)
        assert not Venue.objects.filter(pk=venue.pk).exists()
        action = StaffAction.objects.get()
        assert (action.action, action.subject, action.after) == ("delete", f"venue:{venue.pk}", {})
        assert action.before["name"] == "사라질 곳"

    def test_the_record_is_in_the_commit_of_the_edit(self, admin_client, monkeypatch):
        venue = VenueFactory(name="그대로")

        def fail(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr("apps.core.recorded_edits.record_action", fail)
        with pytest.raises(RuntimeError):
            self.save_venue(admin_client, venue, name="바뀜")
        venue.refresh_from_db()
        assert venue.name == "그대로"
        assert not StaffAction.objects.exists()

    def test_who_may_only_look_is_asked_for_no_reason(self, client):
        staff = UserFactory(is_staff=True)
        staff.user_permissions.add(Permission.objects.get(codename="view_venue"))
        client.force_login(staff)
        page = client.get(change_url(VenueFactory())).content.decode()
        assert "edit_reason" not in page


class TestRelations:
    """Many-to-many fields and inlines are recorded too, and secrets are not."""

    def test_a_role_says_what_was_added_and_taken_away(self, admin_client):
        old, new = Permission.objects.filter(codename__in=["view_venue", "view_concert"])
        group = Group.objects.create(name="상담")
        group.permissions.add(old)
        form = {"name": "상담", "permissions": [new.pk]}
        answer = admin_client.post(change_url(group), form)
        assert answer.status_code == 302, answer.context["errors"]
        action = StaffAction.objects.get(subject=f"group:{group.pk}")
        assert [name.split()[0] for name in action.before["permissions"]] == [old.codename]
        assert [name.split()[0] for name in action.after["permissions"]] == [new.codename]

    def test_an_inlines_rows_are_recorded_one_by_one(self, rf, admin_user):
        """By an admin of the test's own, so that it holds whatever inlines the others have."""
        performance = PerformanceFactory()
        added, concert = NOW + timedelta(days=50), performance.concert
        deleted = PerformanceFactory(concert=concert, starts_at=NOW + timedelta(days=45))
        form = {
            "title": performance.concert.title,
            "performances-TOTAL_FORMS": 3,
            "performances-INITIAL_FORMS": 2,
            "performances-0-id": performance.pk,
            "performances-0-starts_at_0": "2026-12-24",
            "performances-0-starts_at_1": "19:00",
            "performances-1-id": deleted.pk,
            "performances-1-starts_at_0": "2026-12-25",
            "performances-1-starts_at_1": "19:00",
            "performances-1-DELETE": "on",
            "performances-2-starts_at_0": added.date().isoformat(),
            "performances-2-starts_at_1": "19:00",
        }
        request = rf.post("/", form)
        request.user = admin_user
        request._dont_enforce_csrf_checks = True
        request._messages = MessagesSpy()
        answer = ConcertWithShows(Concert, site).change_view(request, str(performance.concert_id))
        assert answer.status_code == 302
        done = {(row.action, row.subject) for row in StaffAction.objects.all()}
        made = Performance.objects.latest("pk")
        assert done == {
            ("edit", f"performance:{performance.pk}"),
            ("delete", f"performance:{deleted.pk}"),
            ("add", f"performance:{made.pk}"),
        }
        edit = StaffAction.objects.get(action="edit")
        assert set(edit.before) == {"starts_at", "date"}
        assert edit.after["date"] == "2026-12-24"

    def test_a_password_is_never_recorded(self, admin_client, customer):
        customer.set_password("a first long password")
        customer.save()
        form = {"password1": "another long password", "password2": "another long password"}
        url = reverse("admin:auth_user_password_change", args=[customer.pk])
        assert admin_client.post(url, {**form, "usable_password": "true"}).status_code == 302
        customer.refresh_from_db()
        assert customer.check_password("another long password")
        action = StaffAction.objects.get()
        assert (action.action, action.subject) == ("change_password", f"user:{customer.pk}")
        assert customer.password not in json.dumps([action.before, action.after])

    def test_who_is_added_is_recorded_without_their_password(self, admin_client):
        form = {"email": "new@encore.example", "name": "새 직원", "usable_password": "true"}
        password = "another long password"
        url = reverse("admin:accounts_user_add")
        answer = admin_client.post(url, {**form, "password1": password, "password2": password})
        assert answer.status_code == 302, answer.context["errors"]
        user = User.objects.get(email="new@encore.example")
        action = StaffAction.objects.get(subject=f"user:{user.pk}")
        assert action.after["password"] == HIDDEN
        assert action.after["email"] == "new@encore.example"


class MessagesSpy:
    def add(self, level, message, extra_tags=""):
        """Take what the admin says, and keep nothing."""


class ShowsInline(TabularInline):
    model = Performance
    extra = 0


class ConcertWithShows(StaffAdmin):
    fields = ("title",)
    inlines = (ShowsInline,)


class TestList:
    """The log is found by who, what, why and when, in few queries."""

    @pytest.fixture
    def actions(self, customer, performance):
        return {
            "edit": record(performance, reason="시작 시각 변경"),
            "refund": record(customer, "refund_payment", actor="지수", at=NOW + timedelta(days=1)),
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "지수"}, ["refund"]),
            ({"q": "시작 시각"}, ["edit"]),
            ({"action": "refund_payment"}, ["refund"]),
            ({"at_from": "2026-11-02"}, ["refund"]),
            ({"at_from": "2026-11-01", "at_to": "2026-11-01"}, ["edit"]),
            ({"at_from": "nonsense"}, ["refund", "edit"]),
            ({}, ["refund", "edit"]),
        ],
    )
    def test_it_is_found(self, admin_client, actions, query, found):
        assert listed(admin_client, **query) == [actions[name] for name in found]

    def test_by_what_it_was_done_to(self, admin_client, actions, performance, customer):
        assert listed(admin_client, q=f"performance:{performance.pk}") == [actions["edit"]]
        assert actions["edit"] in listed(admin_client, q=str(performance.pk))
        assert listed(admin_client, q="performance:999999") == []

    def test_actions_and_subjects_are_in_words_and_lead_to_the_row(
        self, admin_client, actions, customer
    ):
        page = admin_client.get(LOG).content.decode()
        assert "결제 환불" in page
        assert change_url(customer) in page
        assert "refund_payment" not in page.split("changelist-form")[1].split("</form>")[0]

    def test_it_takes_few_queries_whatever_its_length(self, admin_client, customer):
        admin_client.get(LOG)
        for number in range(3):
            record(customer, before={"name": "a"}, after={"name": str(number)})
        with CaptureQueriesContext(connection) as short:
            admin_client.get(LOG)
        for number in range(40):
            record(customer, before={"name": "a"}, after={"name": str(number)})
        with CaptureQueriesContext(connection) as long:
            admin_client.get(LOG)
        assert len(long) == len(short) <= 12

    def test_nothing_is_counted_beyond_the_bound(self, customer):
        record(customer)
        paginator = BoundedPaginator(StaffAction.objects.order_by("-at"), 100)
        with CaptureQueriesContext(connection) as queries:
            assert paginator.count == 1
        assert f"LIMIT {COUNT_MAX}" in queries[0]["sql"]
        assert not paginator.is_cut_off

    def test_where_there_are_more_it_says_so(self, admin_client, customer, monkeypatch):
        monkeypatch.setattr("apps.core.admin.COUNT_MAX", 2)
        for _number in range(3):
            record(customer)
        assert "2+" in admin_client.get(LOG).content.decode()


class TestDifference:
    """Before and after stand side by side, as staff read them."""

    def tell(self, client, action):
        return client.get(change_url(action)).content.decode()

    def test_amounts_choices_and_times(self, customer, performance):
        action = StaffAction(
            subject="reservation:42",
            before={"status": "confirmed", "total": 20_000, "customer": customer.pk},
            after={"status": "cancelled", "ended_at": "2026-11-01T01:00:00Z", "total": 20_000},
        )
        told = audit_log.list_differences(action, audit_log.find_names([action]))
        rows = {row.label: (row.before, row.after) for row in told}
        assert ("예매 확정", "취소") in rows.values()
        assert (None, "2026년 11월 1일 10:00:00") in rows.values()
        assert (str(customer), None) in rows.values()
        # The total is the same; what only one side says comes after what changed.
        assert [str(row) for row in told] == [
            "상태: 예매 확정 → 취소",
            f"고객: {customer}",
            "만료·취소 시각: 2026년 11월 1일 10:00:00",
        ]

    def test_money_has_its_currency(self):
        action = StaffAction(subject="wallet:1", before={"balance": 100}, after={"balance": 4_100})
        (row,) = audit_log.list_differences(action)
        assert (row.before, row.after) == ("₩100", "₩4,100")

    def test_seats_are_named(self, seats):
        named = {"seats": [seats[0].pk], "names": {"A": {"1": ["1"]}}}
        moved = {"seats": [seats[1].pk], "names": {"A": {"1": ["2"]}}, "moved": [[1, 2]]}
        (row,) = audit_log.list_differences(
            StaffAction(subject="reservation:1", before=named, after=moved)
        )
        assert (row.before, row.after) == ("A 1-1", "A 1-2")
        ids = StaffAction(subject="reservation:1", before={"seats": [seats[0].pk]}, after={})
        (row,) = audit_log.list_differences(ids, audit_log.find_names([ids]))
        assert row.before == "A 1-1"

    def test_a_secret_says_only_that_it_changed(self):
        action = StaffAction(
            subject="user:1", before={"password": HIDDEN}, after={"password": HIDDEN}
        )
        (row,) = audit_log.list_differences(action)
        assert (row.before, row.after) == (HIDDEN, HIDDEN)

    def test_the_page_shows_them_and_what_it_was_done_to(self, admin_client, customer):
        action = record(customer, before={"name": "앞"}, after={"name": "<b>뒤</b>"})
        page = self.tell(admin_client, action)
        assert "encore-difference" in page
        assert "&lt;b&gt;뒤&lt;/b&gt;" in page
        assert change_url(customer) in page

    def test_what_is_no_row_has_no_link(self):
        assert audit_log.link_subject("trigger:staff_action_append_only") is None
        assert audit_log.tell_subject("trigger:x") == "trigger:x"
        assert audit_log.link_subject("idempotencykey:1") is None


class TestFile:
    """The filtered log as a file."""

    def read(self, client, **query):
        answer = client.get(f"{LOG}export/", query)
        assert answer.status_code == 200
        assert answer.streaming
        text = b"".join(answer.streaming_content).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text)))

    def test_it_has_what_the_list_shows(self, admin_client, customer, monkeypatch):
        monkeypatch.setattr("apps.core.admin.EXPORT_BATCH", 2)
        for number in range(5):
            record(customer, actor="지수", before={"name": "a"}, after={"name": str(number)})
        record(customer, "refund_payment", actor="민지")
        rows = self.read(admin_client, q="지수")
        assert len(rows) == 6
        assert [row[6][-1] for row in rows[1:]] == ["4", "3", "2", "1", "0"]
        assert rows[1][:4] == [
            "2026-11-01T10:00:00.000+09:00", "지수", "수정", f"user:{customer.pk}",
        ]  # fmt: skip
        assert len(self.read(admin_client, action="refund_payment")) == 2

    def test_nothing_in_it_is_a_formula(self, admin_client, customer):
        record(customer, reason="=HYPERLINK(1)", actor="+7", after={"name": "@x"})
        _heading, row = self.read(admin_client)
        assert row[4] == "'=HYPERLINK(1)"
        assert row[1] == "'+7"
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)

    @pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1"])
    def test_what_would_be_computed_is_disarmed(self, cell):
        assert sheets.disarm(cell) == f"'{cell}"
        assert sheets.disarm(f"a{cell}") == f"a{cell}"

    def test_it_takes_the_permission(self, client, customer):
        client.force_login(UserFactory(is_staff=True))
        assert client.get(f"{LOG}export/").status_code == 403

    def test_a_filter_that_is_none_is_refused(self, admin_client):
        assert admin_client.get(f"{LOG}export/", {"nonsense": "1"}).status_code == 400


class TestFindings:
    """What the guard has found is in words, with a link to the row."""

    def test_the_list_and_the_page(self, admin_client, customer):
        finding = IntegrityFinding.objects.create(
            invariant=2, subject=f"user:{customer.pk}", detail="broken", found_at=NOW, seen_at=NOW
        )
        for url in (reverse("admin:core_integrityfinding_changelist"), change_url(finding)):
            page = admin_client.get(url).content.decode()
            assert change_url(customer) in page
            assert audit_log.tell_invariant(2) in page
            assert "2026년 11월 1일 10:00:00" in page
