"""A real Chromium before a real server.

The pages are served by a thread of the test, from the database that the test writes to.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from apps.accounts.models import User
from tests.browser.chromium import FLAGS, find_chromium
from tests.factories import UserFactory

PASSWORD = "a quiet long password"
HERE = Path(__file__).parent
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Playwright keeps an event loop in this thread, beside which Django would refuse the tests' own queries.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try each of these tests once more where it fails: on a busy machine Chromium may be late, and what
    is wrong is wrong twice."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Return a maker of pages, each in a context of its own: `open_page(language="ko", viewport=PHONE)`.

    Errors of a page, and requests to any address but the server's, fail the test.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def make(*, language: str = "en", viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        context = browser.new_context(
            base_url=live_server.url, locale=language, viewport=viewport, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((live_server.url, "data:", "blob:"))
                else problems.append(f"{page.url} asked for {request.url}")
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def make_staff(transactional_db: None) -> Callable[..., User]:
    """Return a maker of staff who sign in with `PASSWORD`; superusers unless said otherwise."""

    def make(*, is_superuser: bool = True, **fields: Any) -> User:
        user = UserFactory(is_staff=True, is_superuser=is_superuser, **fields)
        user.set_password(PASSWORD)
        user.save()
        return user

    return make


@pytest.fixture
def open_admin(
    open_page: Callable[..., Page], make_staff: Callable[..., User]
) -> Callable[..., Page]:
    """Return a maker of pages that show the admin to a member of staff, signed in by its form:
    `open_admin("/admin/…", user=clerk, language="ko")`."""

    def make(path: str = "/admin/", *, user: User | None = None, **options: Any) -> Page:
        page = open_page(**options)
        sign_in_staff(page, user or make_staff())
        page.goto(path)
        return page

    return make


def sign_in_staff(page: Page, user: User) -> None:
    """Sign a member of staff in by the form."""
    page.goto("/admin/login/")
    page.fill("#id_username", user.email or "")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form button[type=submit]")
    page.wait_for_url("**/admin/")
