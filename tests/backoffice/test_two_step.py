"""Two-step sign-in: nothing of the back office is served before the second step."""

from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urlparse

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_otp import models as otp_models
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp import models as totp_models
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts import limits
from apps.backoffice.two_step import services
from apps.backoffice.two_step.errors import TwoStepChanged, TwoStepOff, WrongCode
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from tests.backoffice.pages import list_pages
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db

STEP, SET_UP, MANAGE = "/admin/two-step/", "/admin/two-step/set-up/", "/admin/two-step/manage/"
PASSWORD = "a quiet long password"
CLERK = Actor(name="clerk@encore.example")


class Watch:
    """The clock of codes. django-otp reads it by itself."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def move(self, seconds):
        self.now += seconds

    def code_of(self, device):
        """Return the six digits that an authenticator shows now."""
        shown = TOTP(device.bin_key)
        shown.time = self.now
        return f"{shown.token():06d}"


@pytest.fixture
def watch(monkeypatch, clock_at_now):
    stopped = Watch()
    moment = SimpleNamespace(now=lambda: datetime.fromtimestamp(stopped.now, UTC))
    monkeypatch.setattr(totp_models, "time", SimpleNamespace(time=lambda: stopped.now))
    monkeypatch.setattr(otp_models, "timezone", moment)
    return stopped


@pytest.fixture
def clerk():
    user = UserFactory(is_staff=True, is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def device(clerk, watch):
    """The clerk's authenticator, set up half a minute ago, with recovery codes."""
    begun = services.begin_set_up(user_id=clerk.pk, device_id=None)
    services.finish_set_up(
        user_id=clerk.pk, device_id=begun.pk, code=watch.code_of(begun), replaces=False
    )
    watch.move(60)
    begun.refresh_from_db()
    return begun


def sign_in(user, **options):
    """Return a client that has given the password."""
    client = Client(**options)
    client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    return client


def is_in(client):
    return client.get("/admin/").status_code == 200


def recovery_codes(user):
    return list(StaticToken.objects.filter(device__user=user).values_list("token", flat=True))


class TestSecondStep:
    def test_the_password_alone_is_enough_without_it(self, clerk):
        assert is_in(sign_in(clerk))

    def test_the_code_lets_in_where_one_was_going(self, clerk, device, watch):
        client = sign_in(clerk)
        asked = client.get("/admin/auth/group/?q=x", follow=True)
        assert asked.redirect_chain[-1][0] == f"{STEP}?next=%2Fadmin%2Fauth%2Fgroup%2F%3Fq%3Dx"
        answer = client.post(STEP, {"code": watch.code_of(device), "next": asked.context["next"]})
        assert answer.headers["Location"] == "/admin/auth/group/?q=x"
        assert client.get("/admin/auth/group/?q=x").status_code == 200

    def test_nobody_is_sent_to_another_site(self, clerk, device, watch):
        client = sign_in(clerk)
        form = {"code": watch.code_of(device), "next": "https://evil.example/"}
        assert client.post(STEP, form).headers["Location"] == "/admin/"

    def test_the_session_gets_a_new_key(self, clerk, device, watch):
        client = sign_in(clerk)
        before = client.session.session_key
        client.post(STEP, {"code": watch.code_of(device)})
        assert client.session.session_key != before

    def test_every_page_of_the_admin_waits_for_it(self, clerk, device):
        client = sign_in(clerk)
        pages = list_pages()
        assert len(pages) > 40
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 302, page
            assert urlparse(answer.headers["Location"]).path in {"/admin/login/", "/admin/"}, page

    def test_so_does_what_scripts_ask_for_and_post(self, clerk, device):
        client = sign_in(clerk)
        for name in ("autocomplete", "jsi18n", "search"):
            assert client.get(reverse(f"admin:{name}")).status_code == 302
            assert client.post(reverse(f"admin:{name}")).status_code == 302

    @pytest.mark.parametrize("code", ["000000", "", "1" * 40, "abcdefgh", "¹²³", "١٢٣٤٥٦"])
    def test_a_wrong_code_is_refused(self, clerk, device, code):
        client = sign_in(clerk)
        assert client.post(STEP, {"code": code}).status_code == 200
        assert not is_in(client)

    def test_a_code_is_good_once(self, clerk, device, watch):
        code = watch.code_of(device)
        assert sign_in(clerk).post(STEP, {"code": code}).status_code == 302
        other = sign_in(clerk)
        assert other.post(STEP, {"code": code}).status_code == 200
        assert not is_in(other)

    def test_a_code_of_somebody_else_is_refused(self, clerk, device, watch):
        other = UserFactory(is_staff=True)
        begun = services.begin_set_up(user_id=other.pk, device_id=None)
        services.finish_set_up(
            user_id=other.pk, device_id=begun.pk, code=watch.code_of(begun), replaces=False
        )
        watch.move(60)
        client = sign_in(clerk)
        client.post(STEP, {"code": watch.code_of(begun)})
        assert not is_in(client)

    def test_a_recovery_code_is_good_once_however_it_is_typed(self, clerk, device):
        code = recovery_codes(clerk)[0]
        client = sign_in(clerk, headers={"Accept-Language": "en"})
        client.post(STEP, {"code": f" {code[:4].upper()}-{code[4:].upper()} "})
        assert "9 recovery codes are left." in client.get("/admin/").content.decode()
        other = sign_in(clerk)
        other.post(STEP, {"code": code})
        assert not is_in(other)

    def test_after_a_wrong_code_the_next_waits(self, clerk, device, watch):
        client = sign_in(clerk)
        client.post(STEP, {"code": "000000"})
        assert client.post(STEP, {"code": watch.code_of(device)}).status_code == 200
        assert not is_in(client)
        watch.move(2)
        assert client.post(STEP, {"code": watch.code_of(device)}).status_code == 302

    def test_the_eleventh_wrong_code_is_not_looked_at(self, clerk, device, watch):
        client = sign_in(clerk)
        for _attempt in range(limits.FAILURES_MAX):
            client.post(STEP, {"code": "000000"})
            watch.move(3600)
        answer = client.post(STEP, {"code": watch.code_of(device)})
        assert answer.context["form"].errors
        device.refresh_from_db()
        assert device.throttling_failure_count == limits.FAILURES_MAX
        assert not is_in(client)

    def test_who_is_half_in_can_sign_out(self, clerk, device):
        client = sign_in(clerk)
        assert client.post("/admin/two-step/leave/").headers["Location"] == "/admin/login/"
        assert client.get(STEP).headers["Location"].startswith("/admin/login/")

    def test_neither_customers_nor_strangers_see_the_pages(self, client):
        customer = Client()
        customer.force_login(UserFactory())
        for page in (STEP, SET_UP, MANAGE):
            for visitor in (client, customer):
                assert visitor.get(page).headers["Location"].startswith("/admin/login/")

    def test_a_device_that_is_gone_opens_nothing(self, clerk, device, watch, settings):
        client = sign_in(clerk)
        client.post(STEP, {"code": watch.code_of(device)})
        settings.STAFF_TWO_STEP = "required"
        services.remove_two_step(user_id=clerk.pk)
        assert not is_in(client)


class TestRequired:
    @pytest.fixture(autouse=True)
    def required(self, settings):
        settings.STAFF_TWO_STEP = "required"

    def test_who_has_none_is_led_to_set_it_up_and_nowhere_else(self, clerk):
        client = sign_in(clerk)
        answer = client.get("/admin/", follow=True)
        assert answer.redirect_chain[-1][0] == SET_UP
        for page in list_pages():
            assert client.get(page).status_code == 302, page

    def test_setting_it_up_lets_in(self, clerk, watch):
        client = sign_in(clerk)
        client.get(SET_UP)
        client.post(SET_UP, {"code": watch.code_of(TOTPDevice.objects.get())})
        assert is_in(client)

    def test_it_cannot_be_switched_off(self, clerk, device, watch):
        client = sign_in(clerk)
        client.post(STEP, {"code": watch.code_of(device)})
        watch.move(60)
        form = {"code": watch.code_of(device), "remove": "1"}
        assert client.post(MANAGE, form).status_code == 403
        assert b'name="remove"' not in client.get(MANAGE).content
        assert TOTPDevice.objects.filter(confirmed=True).count() == 1


class TestSettingUp:
    def test_the_code_confirms_it_and_recovery_codes_are_shown_once(self, clerk, watch):
        client = sign_in(clerk)
        page = client.get(SET_UP)
        device = TOTPDevice.objects.get()
        assert not device.confirmed
        assert page.context["secret"].replace(" ", "") == secret_of(device.config_url)
        assert page.headers["Cache-Control"].count("no-store") == 1
        shown = client.post(SET_UP, {"code": watch.code_of(device)})
        codes = [code.replace("-", "") for code in shown.context["codes"]]
        assert sorted(codes) == sorted(recovery_codes(clerk))
        assert len(set(codes)) == 10
        assert is_in(client)  # with this session, which has proved it
        assert not is_in(sign_in(clerk))
        assert not any(code.encode() in client.get(MANAGE).content for code in codes)

    def test_the_code_that_confirmed_it_signs_nobody_in(self, clerk, watch):
        client = sign_in(clerk)
        client.get(SET_UP)
        code = watch.code_of(TOTPDevice.objects.get())
        client.post(SET_UP, {"code": code})
        other = sign_in(clerk)
        other.post(STEP, {"code": code})
        assert not is_in(other)

    def test_a_wrong_code_confirms_nothing(self, clerk, watch):
        client = sign_in(clerk)
        client.get(SET_UP)
        answer = client.post(SET_UP, {"code": "000000"})
        assert answer.context["form"].errors["code"]
        assert not TOTPDevice.objects.get().confirmed
        assert not StaticDevice.objects.exists()

    def test_another_session_gets_another_secret_and_voids_the_first(self, clerk, watch):
        first, second = sign_in(clerk), sign_in(clerk)
        first.get(SET_UP)
        seen = TOTPDevice.objects.get()
        second.get(SET_UP)
        device = TOTPDevice.objects.get()
        assert device.key != seen.key
        answer = first.post(SET_UP, {"code": watch.code_of(seen)})
        assert answer.context["form"].non_field_errors()
        assert not TOTPDevice.objects.filter(confirmed=True).exists()

    def test_a_page_that_is_loaded_again_keeps_its_secret(self, clerk):
        client = sign_in(clerk)
        assert client.get(SET_UP).context["secret"] == client.get(SET_UP).context["secret"]

    def test_a_stolen_password_sets_no_second_one_up(self, clerk, device):
        thief = sign_in(clerk)
        assert thief.get(SET_UP).headers["Location"] == STEP
        assert thief.post(SET_UP, {"code": "000000"}).headers["Location"] == STEP
        assert TOTPDevice.objects.count() == 1

    def test_moving_to_another_takes_a_code_of_both(self, clerk, device, watch):
        client = sign_in(clerk)
        client.post(STEP, {"code": watch.code_of(device)})
        watch.move(60)
        client.get(SET_UP)
        fresh = TOTPDevice.objects.get(confirmed=False)
        form = {"code": watch.code_of(fresh), "current_code": "000000"}
        assert "current_code" in client.post(SET_UP, form).context["form"].errors
        assert TOTPDevice.objects.get(confirmed=True) == device
        watch.move(60)
        form = {"code": watch.code_of(fresh), "current_code": watch.code_of(device)}
        assert client.post(SET_UP, form).context["codes"]
        assert TOTPDevice.objects.get() == fresh
        assert is_in(client)

    def test_of_two_sessions_that_finish_the_second_is_told(self, clerk, device, watch):
        begun = services.begin_set_up(user_id=clerk.pk, device_id=None)
        with pytest.raises(TwoStepChanged):
            services.finish_set_up(
                user_id=clerk.pk, device_id=begun.pk, code=watch.code_of(begun), replaces=False
            )
        assert TOTPDevice.objects.get(confirmed=True) == device


class TestManaging:
    @pytest.fixture
    def client(self, clerk, device, watch):
        client = sign_in(clerk)
        client.post(STEP, {"code": watch.code_of(device)})
        watch.move(60)
        return client

    def test_a_code_switches_it_off(self, client, clerk, device, watch):
        client.post(MANAGE, {"code": watch.code_of(device), "remove": "1"})
        assert not TOTPDevice.objects.exists()
        assert not StaticToken.objects.exists()
        assert is_in(client)
        assert is_in(sign_in(clerk))

    @pytest.mark.parametrize("wish", ["remove", "renew"])
    def test_without_a_code_nothing_changes(self, client, clerk, device, wish):
        before = recovery_codes(clerk)
        for code in ("", "000000"):
            assert client.post(MANAGE, {"code": code, wish: "1"}).context["form"].errors
        assert (TOTPDevice.objects.get(), recovery_codes(clerk)) == (device, before)

    def test_new_recovery_codes_void_the_old(self, client, clerk, device, watch):
        before = recovery_codes(clerk)
        shown = client.post(MANAGE, {"code": watch.code_of(device), "renew": "1"}).context["codes"]
        assert not set(before) & set(recovery_codes(clerk))
        assert len(shown) == len(recovery_codes(clerk)) == 10


class TestReset:
    def test_it_is_recorded_with_who_and_why(self, clerk, device):
        services.reset_two_step(user_id=clerk.pk, actor=CLERK, reason=" lost ", now=NOW)
        action = StaffAction.objects.get()
        told = (action.action, action.subject, action.reason, action.at)
        assert told == ("reset_two_step", f"user:{clerk.pk}", "lost", NOW)
        assert not TOTPDevice.objects.exists()
        assert not StaticDevice.objects.exists()

    def test_without_a_reason_nothing_is_taken_away(self, clerk, device):
        with pytest.raises(InvalidRequest):
            services.reset_two_step(user_id=clerk.pk, actor=CLERK, reason=" ", now=NOW)
        assert TOTPDevice.objects.get() == device
        assert len(recovery_codes(clerk)) == 10
        assert not StaffAction.objects.exists()

    def test_where_there_is_nothing_it_says_so(self, clerk):
        with pytest.raises(TwoStepOff):
            services.reset_two_step(user_id=clerk.pk, actor=CLERK, reason="x", now=NOW)
        with pytest.raises(TwoStepOff):
            services.renew_recovery_codes(user_id=clerk.pk)
        assert not StaffAction.objects.exists()


def test_a_failed_check_leaves_the_count_of_passwords_alone(clerk, device, watch):
    for _attempt in range(limits.FAILURES_MAX):
        with pytest.raises(WrongCode):
            services.check_code(user_id=clerk.pk, code="000000", address="192.0.2.1", now=NOW)
        watch.move(3600)
    client = sign_in(clerk)
    assert client.get(STEP).status_code == 200


def test_secrets_are_nowhere_in_the_admin(clerk, device, watch):
    assert TOTPDevice not in admin.site._registry
    assert StaticDevice not in admin.site._registry
    client = sign_in(clerk)
    client.post(STEP, {"code": watch.code_of(device)})
    page = client.get(f"/admin/accounts/user/{clerk.pk}/change/").content.decode()
    assert device.key not in page
    assert secret_of(device.config_url) not in page


def test_the_api_asks_the_database_nothing_more(sign_in, buyer, settings):
    def ask():
        client = sign_in(UserFactory())
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/api/v1/wallet").status_code == 200
        return len(asked)

    ask()  # whatever is remembered by the process is known from here on
    with_it = ask()
    middleware = "django_otp.middleware.OTPMiddleware"
    assert middleware in settings.MIDDLEWARE
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != middleware]
    assert with_it == ask()


def secret_of(url):
    return parse_qs(urlparse(url).query)["secret"][0]
