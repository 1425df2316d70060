"""Every list and form of the admin: no serious or critical violation. The pages of its actions, and the dark
theme, which differs in colours alone, for some models; `make test-long` tries all."""

import os

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from tests.backoffice.rows import make_rows
from tests.browser.axe import find_violations
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)

THEMES = ("light", "dark")
MODELS = sorted(model._meta.label_lower for model in admin.site._registry)
LONG = os.environ.get("ENCORE_TEST_LONG") == "1"
IN_THE_DARK = MODELS if LONG else ["concerts.concert", "queue.waitingroom", "wallet.wallet"]
# Pages that belong to no model.
PAGES = ("index", "password_change", "two_step_manage", "two_step_set_up")


@pytest.fixture
def open_themed(open_admin):
    """Return a maker of pages of the admin in a theme, in Korean."""

    def make(path, theme):
        page = open_admin(path, language="ko", color_scheme=theme)
        dark = page.evaluate("document.documentElement.classList.contains('dark')")
        assert dark == (theme == "dark")
        return page

    return make


def addresses_of(label, row):
    """Return the addresses of a model's list and forms, as far as a superuser has them."""
    base = f"admin:{label.replace('.', '_')}"
    found = [
        reverse(f"{base}_{kind}", args=of)
        for kind, of in (("changelist", ()), ("add", ()), ("change", [row.pk]))
    ]
    if not LONG and label not in IN_THE_DARK:
        return found
    model_admin = admin.site._registry[type(row)]
    for kind in ("actions_detail", "actions_row"):
        for name in model_admin._extract_action_names(getattr(model_admin, kind)):
            try:
                found.append(reverse(f"{base}_{name}", args=[row.pk]))
            except NoReverseMatch:
                continue
    return [*found, reverse(f"{base}_delete", args=[row.pk])]


@pytest.mark.parametrize(
    ("theme", "label"),
    [*(("light", label) for label in MODELS), *(("dark", label) for label in IN_THE_DARK)],
)
def test_lists_and_forms(open_themed, theme, label):
    rows = make_rows(at=timezone.now())
    page = open_themed("/admin/", theme)
    problems = {}
    for address in addresses_of(label, rows[label]):
        answer = page.goto(address)
        assert answer is not None
        if answer.status == 403:  # nobody adds or deletes these
            continue
        assert answer.status == 200, address
        found = find_violations(page)
        if found:
            problems[page.url] = found
    assert problems == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_pages_of_no_model(open_themed, theme, name):
    page = open_themed(reverse(f"admin:{name}"), theme)
    page.wait_for_load_state("networkidle")
    assert find_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_signing_in(open_page, theme):
    page = open_page(language="ko", viewport=PHONE, color_scheme=theme)
    page.goto("/admin/login/")
    assert find_violations(page) == []
