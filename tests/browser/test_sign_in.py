"""Staff sign in, in both languages."""

import pytest

from tests.browser.axe import find_violations
from tests.browser.conftest import PASSWORD, PHONE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("language", "word"), [("ko", "개요"), ("en", "Overview")])
def test_staff_sign_in_and_see_the_back_office(open_admin, language, word):
    page = open_admin(language=language)
    assert page.locator("html").get_attribute("lang") == language
    assert page.get_by_role("link", name=word).is_visible()


def test_a_wrong_password_is_refused(open_page, make_staff):
    page = open_page()
    page.goto("/admin/")
    page.fill("#id_username", make_staff().email)
    page.fill("#id_password", PASSWORD + "!")
    page.click("#login-form button[type=submit]")
    assert page.locator(".errornote").first.is_visible()
    assert "/admin/login/" in page.url


def test_the_sign_in_page_can_be_used_with_aids(open_page):
    page = open_page(viewport=PHONE)
    page.goto("/admin/")
    assert find_violations(page) == []
