"""`manage.py reset_two_step`, and the setting that asks for a second step."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.core.models import StaffAction
from tests.config.test_settings import assert_stopped, read, start  # noqa: F401
from tests.factories import UserFactory
from tests.reservations.support import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]


@pytest.fixture
def clerk():
    user = UserFactory(email="clerk@encore.example", is_staff=True)
    TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)
    return user


def run(*arguments):
    out = io.StringIO()
    with translation.override("en"):
        call_command("reset_two_step", *arguments, stdout=out)
    return out.getvalue().strip()


def test_it_is_taken_away_and_recorded(clerk):
    boss = UserFactory(email="boss@encore.example", is_staff=True)
    out = run("Clerk@encore.example", "--reason", "lost the phone", "--by", boss.email)
    assert out == "clerk@encore.example: two-step sign-in taken away"
    assert not TOTPDevice.objects.exists()
    action = StaffAction.objects.get()
    assert (action.action, action.subject, action.reason, action.actor) == (
        "reset_two_step",
        f"user:{clerk.pk}",
        "lost the phone",
        boss,
    )


def test_a_program_reads_it_as_json(clerk):
    out = json.loads(run(clerk.email, "--reason", "x", "--json"))
    assert out == {"email": "clerk@encore.example", "dry_run": False}


def test_a_dry_run_changes_nothing(clerk):
    with nothing_written():
        assert "would be taken away" in run(clerk.email, "--reason", "x", "--dry-run")
    assert TOTPDevice.objects.count() == 1
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize(
    ("email", "reason", "by", "said"),
    [
        ("nobody@encore.example", "x", None, "There is nobody"),
        ("clerk@encore.example", " ", None, "--reason"),
        ("clerk@encore.example", "x", "stranger@encore.example", "--by must be"),
        ("without@encore.example", "x", None, "has no two-step sign-in"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(clerk, email, reason, by, said):
    UserFactory(email="without@encore.example", is_staff=True)
    with nothing_written(), pytest.raises(CommandError, match=said):
        run(email, "--reason", reason, *(["--by", by] if by else []))
    assert TOTPDevice.objects.count() == 1
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize("value", ["required", "optional"])
def test_the_environment_says_whether_it_must_be(start, value):  # noqa: F811
    assert read(start, "STAFF_TWO_STEP", STAFF_TWO_STEP=value) == [value]
    assert read(start, "STAFF_TWO_STEP") == ["optional"]


def test_any_other_value_stops_the_start(start):  # noqa: F811
    stopped = start("manage.py", "check", STAFF_TWO_STEP="yes")
    assert_stopped(stopped, "STAFF_TWO_STEP must be one of required, optional, not 'yes'")
