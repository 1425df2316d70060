"""Staff set two-step sign-in up, and sign in with it: by a code, and by a recovery code."""

from base64 import b32decode
from types import SimpleNamespace

import pytest
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp import models as totp_models

from tests.browser.axe import find_violations
from tests.browser.conftest import PASSWORD, PHONE

pytestmark = pytest.mark.django_db(transaction=True)


class Watch:
    """The clock of codes, for the page and for the authenticator."""

    now = 1_800_000_000.0

    def code_of(self, secret):
        """Return what an authenticator with the secret shows."""
        shown = TOTP(b32decode(secret.replace(" ", "")))
        shown.time = self.now
        return f"{shown.token():06d}"


@pytest.fixture
def watch(monkeypatch):
    stopped = Watch()
    monkeypatch.setattr(totp_models, "time", SimpleNamespace(time=lambda: stopped.now))
    return stopped


def give_password(page, user):
    page.goto("/admin/login/")
    page.fill("#id_username", user.email)
    page.fill("#id_password", PASSWORD)
    page.click("#login-form button[type=submit]")


def give_code(page, code):
    page.fill("#id_code", code)
    page.click("#two-step-form button[type=submit]")


def sign_out(page):
    page.click(".encore-account")
    page.click("#logout-form button")
    page.wait_for_load_state()


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_setting_it_up_and_signing_in(open_page, make_staff, watch, viewport):
    user = make_staff()
    page = open_page(language="ko", **({"viewport": viewport} if viewport else {}))
    give_password(page, user)
    page.goto("/admin/two-step/manage/")
    page.get_by_role("link", name="설정하기").click()
    assert page.locator(".encore-qr").is_visible()
    page.locator("summary").click()
    assert find_violations(page) == []
    secret = page.locator("#secret").inner_text()
    give_code(page, watch.code_of(secret))
    codes = page.locator("#recovery-codes li").all_inner_texts()
    assert len(set(codes)) == 10
    assert find_violations(page) == []
    page.get_by_role("link", name="보관했습니다").click()
    page.wait_for_url("**/admin/")

    page.context.clear_cookies()
    give_password(page, user)
    page.wait_for_url("**/two-step/**")
    assert find_violations(page) == []
    page.goto("/admin/concerts/concert/")
    assert "/two-step/" in page.url
    give_code(page, "000000")
    assert page.get_by_text("코드가 틀렸거나").is_visible()
    # A recovery code has a count of its own: it need not wait for the wrong one before it.
    give_code(page, codes[0])
    page.wait_for_url("**/admin/concerts/concert/")


def test_signing_in_with_a_code_and_out_again(open_page, make_staff, watch):
    user = make_staff()
    page = open_page(language="en")
    give_password(page, user)
    page.goto("/admin/two-step/set-up/")
    page.locator("summary").click()
    secret = page.locator("#secret").inner_text()
    give_code(page, watch.code_of(secret))
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)
    give_password(page, user)
    page.wait_for_url("**/two-step/**")
    watch.now += 30
    give_code(page, watch.code_of(secret))
    page.wait_for_url("**/admin/")
    assert page.get_by_role("link", name="Overview").is_visible()
