"""The demo: loaded once, completed where it was interrupted, and worth looking at."""

import json
from datetime import timedelta
from io import StringIO
from math import dist

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Seat
from apps.payments.models import Payment
from apps.queue.models import QueueEntry, WaitingRoom
from apps.reservations.availability import list_free_seats
from apps.wallet.models import Wallet
from config import demo
from config.demo_concerts import build_concerts
from tests.factories import NOW
from tests.reservations.support import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room", "clock_at_now")]


@pytest.fixture(autouse=True)
def password_file(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    return settings.DATA_DIR / "staff_password"


def load(*arguments):
    out = StringIO()
    call_command("load_demo", *arguments, stdout=out)
    return out.getvalue()


def count_free(slug):
    shows = list(Performance.objects.filter(concert__slug=slug))
    return sum(free.count for free in list_free_seats(shows, now=NOW))


def test_a_dry_run_says_what_is_missing_and_makes_nothing(password_file):
    assert load("--dry-run") == "the demo would be loaded\n"
    assert json.loads(load("--dry-run", "--json"))["loaded"]
    assert not User.objects.exists()
    assert not password_file.parent.exists()
    load()
    assert load("--dry-run") == "nothing is missing\n"


def test_the_first_start(password_file):
    result = json.loads(load("--json"))
    password = password_file.read_text().strip()
    assert result == {
        "loaded": True,
        "sign_ins": [
            {"role": "customer", "email": "fan@encore.example", "password": "encore-demo"},
            {"role": "staff", "email": "staff@encore.example", "password": password},
        ],
        "dry_run": False,
    }
    assert password_file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in password_file.parent.iterdir()] == ["staff_password"]
    fan, staff = (User.objects.get(email=f"{who}@encore.example") for who in ("fan", "staff"))
    assert fan.check_password("encore-demo")
    assert not fan.is_staff
    assert Wallet.objects.get(pk=fan.pk).balance == 1_000_000
    assert staff.check_password(password)
    assert staff.is_superuser


def test_the_concerts():
    load()
    concerts = {concert.slug: concert for concert in Concert.objects.order_by("pk")}
    assert list(concerts) == ["gocheok", "jazz-salon", "meteor-busan", "first-snow"]
    assert all(concert.published for concert in concerts.values())
    on_sale = [slug for slug, concert in concerts.items() if concert.is_on_sale(NOW)]
    assert on_sale == ["gocheok", "jazz-salon", "first-snow"]
    assert concerts["first-snow"].room == "main"
    assert WaitingRoom.objects.get(slug=concerts["gocheok"].room).capacity == 200
    opens_in = concerts["meteor-busan"].sales_open_at - NOW
    assert timedelta(days=6) < opens_in < timedelta(days=8)
    shows = concerts["first-snow"].performances.values("date").annotate(count=Count("pk"))
    assert sorted(show["count"] for show in shows) == [1, 2]
    assert count_free("gocheok") == 5_000
    assert count_free("jazz-salon") == 3
    assert not Seat.objects.exclude(price__range=(66_000, 198_000)).exists()
    assert Payment.objects.filter(status="succeeded").count() == 30
    paid = sum(Payment.objects.values_list("amount", flat=True))
    assert sum(Wallet.objects.values_list("balance", flat=True)) == (
        30 * demo.BUYER_BALANCE + demo.FAN_BALANCE - paid
    )
    assert set(QueueEntry.objects.values_list("state", "end_reason")) == {("ended", "paid")}
    for performance in Performance.objects.all():
        assert timedelta(days=50) < performance.starts_at - NOW < timedelta(days=80)


def test_no_two_seats_are_in_one_spot():
    for concert in build_concerts(NOW).values():
        for performance in concert["performances"]:
            seats = sorted(
                (seat["x"], seat["y"])
                for section in performance["sections"]
                for seat in section["seats"]
            )
            for index, (x, y) in enumerate(seats):
                for other_x, other_y in seats[index + 1 :]:
                    if other_x - x > 0.8:
                        break
                    assert dist((x, y), (other_x, other_y)) > 0.8


def test_later_starts_change_nothing(password_file):
    load()
    password = password_file.read_text().strip()
    with nothing_written(), CaptureQueriesContext(connection) as queries:
        out = load()
        assert len(queries) == 2
    assert out == (
        f"customer  fan@encore.example  encore-demo\nstaff     staff@encore.example  {password}\n"
    )
    password_file.unlink()
    User.objects.filter(email="fan@encore.example").update(email="other@encore.example")
    assert load() == (
        "staff     staff@encore.example  "
        "(no longer kept here; change it with manage.py changepassword)\n"
    )


def build_two_concerts(now):
    concerts = build_concerts(now)
    return {slug: concerts[slug] for slug in (demo.NEARLY_SOLD_OUT, demo.MADE_LAST)}


class Interrupted(Exception):
    """Stands for a process that ends."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "step", ["make_customer", "create_staff", "load_concerts", "make_customers", "pay_reservation"]
)
def test_an_interrupted_start_is_completed_by_the_next(step, monkeypatch, password_file):
    whole, calls = getattr(demo, step), []
    # The two concerts that the steps are about; the others only take time.
    monkeypatch.setattr(demo, "build_concerts", build_two_concerts)

    def interrupt(*args, **kwargs):
        calls.append(step)
        # The second of those that are called oftener.
        if len(calls) == 2 or step in ("make_customer", "create_staff", "make_customers"):
            raise Interrupted
        return whole(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(demo, step, interrupt)
        with pytest.raises(Interrupted):
            load()
    kept = password_file.read_text() if password_file.exists() else None
    # The next day the demo's times are others.
    later = NOW + timedelta(days=1)
    assert demo.load_demo(password_file=password_file, now=later)
    assert kept in (None, password_file.read_text())
    assert Concert.objects.count() == 2
    assert Performance.objects.count() == 4
    assert count_free("jazz-salon") == 3
    assert Payment.objects.count() == 30
    assert User.objects.get(email="staff@encore.example").check_password(
        password_file.read_text().strip()
    )
    assert not demo.load_demo(password_file=password_file, now=later)
