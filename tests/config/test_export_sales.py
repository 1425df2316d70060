"""`manage.py export_sales`: every seat that is sold or reserved, once, at the price that it had."""

import csv
import io
import json
import signal
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.concerts.models import Seat
from apps.payments import sales
from config.management.commands import export_sales
from tests.config.processes import manage, managing
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import make_hold, make_paid, make_reservation

COLUMNS = [
    *("performance_id", "starts_at", "section", "row", "number", "grade", "price", "currency"),
    *("status", "seat_id", "reservation_id", "reserved_at", "payment_id", "paid_at", "customer_id"),
]


def run(*arguments):
    """Return what the command writes to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    call_command("export_sales", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def read_csv(text):
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def sold(performance, clock_at_now):
    """Two seats sold and one reserved; beside them what is neither, and another concert's."""
    seats = make_seats(performance, 8)
    paid = make_paid(UserFactory(email="a@encore.example"), seats[1:3], at=NOW)
    reserved = make_reservation(UserFactory(), seats[:1], at=NOW)
    make_hold(UserFactory(), seats[3:4], at=NOW)
    make_reservation(UserFactory(), seats[4:5], at=NOW - timedelta(hours=1))
    make_paid(UserFactory(), make_seats(PerformanceFactory(), 1), at=NOW)
    Seat.objects.filter(pk=seats[1].pk).update(price=77)
    return seats, paid, reserved


@pytest.mark.django_db
class TestRows:
    def test_each_seat_is_a_row_at_the_price_that_it_had(self, sold, performance):
        seats, paid, reserved = sold
        out, err = run(performance.concert.slug, "--format", "jsonl")
        rows = read_lines(out)
        assert [row["seat_id"] for row in rows] == [seat.pk for seat in seats[:3]]
        assert list(rows[0]) == COLUMNS
        assert rows[1] == {
            "performance_id": performance.pk,
            "starts_at": "2026-12-11T01:00:00Z",
            "section": "A",
            "row": "1",
            "number": "2",
            "grade": "VIP",
            "price": 10_000,
            "currency": "KRW",
            "status": "sold",
            "seat_id": seats[1].pk,
            "reservation_id": paid.pk,
            "reserved_at": "2026-11-01T01:00:00Z",
            "payment_id": paid.payment_id,
            "paid_at": "2026-11-01T01:00:00Z",
            "customer_id": paid.customer_id,
        }
        assert (rows[0]["status"], rows[0]["payment_id"]) == ("reserved", None)
        assert rows[0]["reservation_id"] == reserved.pk
        assert err == f"{performance.concert.slug}: 3 rows, as many as the table has\n"

    def test_csv_says_the_same(self, sold, performance):
        out, _err = run(performance.concert_id)
        rows = read_csv(out)
        assert list(rows[0]) == COLUMNS
        expected = read_lines(run(performance.concert_id, "--format", "jsonl")[0])
        assert rows == [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in expected
        ]

    def test_addresses_are_shown_when_asked_for(self, sold, performance):
        User.objects.filter(pk=sold[2].customer_id).update(email=None, subject="abc")
        slug = performance.concert.slug
        assert "@" not in run(slug)[0]
        for arguments in (["--format", "jsonl"], []):
            out, _err = run(slug, "--with-customers", *arguments)
            read = read_lines if arguments else read_csv
            emails = [row["customer_email"] or None for row in read(out)]
            assert emails == [None, "a@encore.example", "a@encore.example"]

    def test_no_text_is_taken_for_a_formula(self, sold, performance):
        Seat.objects.filter(pk=sold[0][1].pk).update(number="=1+1", row='a,"b"\r\n')
        row = read_csv(run(performance.concert_id)[0])[1]
        assert (row["number"], row["row"], row["price"]) == ("'=1+1", 'a,"b"\r\n', "10000")
        out, _err = run(performance.concert_id, "--format", "jsonl")
        assert read_lines(out)[1]["number"] == "=1+1"

    def test_performances_and_seats_are_in_order(self, sold, performance, monkeypatch):
        monkeypatch.setattr(sales, "FETCHED", 2)
        earlier = PerformanceFactory(concert=performance.concert, starts_at=NOW)
        seats = make_seats(earlier, 5)
        make_paid(UserFactory(), seats[3:5], at=NOW)
        make_paid(UserFactory(), seats[0:3], at=NOW)
        rows = read_lines(run(performance.concert_id, "--format", "jsonl")[0])
        assert [row["seat_id"] for row in rows] == [seat.pk for seat in [*seats, *sold[0][:3]]]

    def test_a_concert_that_has_sold_nothing(self, performance):
        assert read_csv(run(performance.concert_id)[0]) == []
        assert run(performance.concert_id, "--format", "jsonl")[0] == ""


@pytest.mark.django_db
class TestTheCommand:
    def test_to_a_file_for_its_owner_alone(self, sold, performance, tmp_path):
        path = tmp_path / "sales.csv"
        out, err = run(performance.concert_id, "--output", path, "--json")
        assert out == ""
        slug = performance.concert.slug
        assert json.loads(err) == {"concert": slug, "rows": 3, "file": str(path)}
        assert len(read_csv(path.read_text(encoding="utf-8"))) == 3
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("extra", [-1, 1])
    def test_rows_that_are_not_as_many_as_the_table_has(
        self, sold, performance, tmp_path, monkeypatch, extra
    ):
        count = sales._count
        monkeypatch.setattr(sales, "_count", lambda *args: count(*args) + extra)
        with pytest.raises(CommandError, match=f"3 rows were read, but the table has {3 + extra}"):
            run(performance.concert_id, "--output", tmp_path / "sales.csv")
        assert list(tmp_path.iterdir()) == []

    def test_a_row_that_is_lost_on_the_way_is_noticed(self, sold, performance, monkeypatch):
        monkeypatch.setattr(
            sales, "_ROWS", sales._ROWS.replace("WHERE", "WHERE s.number <> '2' AND")
        )
        with pytest.raises(CommandError, match="2 rows were read, but the table has 3"):
            run(performance.concert_id)

    def test_progress_and_where_it_was_stopped(self, sold, performance, tmp_path, monkeypatch):
        monkeypatch.setattr(export_sales, "PROGRESS_S", 0)
        monkeypatch.setattr(export_sales, "ROWS_PER_LOOK", 1)
        assert run(performance.concert_id)[1].splitlines()[:2] == ["1 of 3", "2 of 3"]

        def stop(_columns, rows):
            yield str(next(rows))
            raise KeyboardInterrupt

        monkeypatch.setitem(export_sales.FORMATS, "csv", stop)
        with pytest.raises(CommandError, match=r"Stopped after 1 of 3 rows; .* was not") as caught:
            run(performance.concert_id, "--output", tmp_path / "sales.csv")
        assert caught.value.returncode == 130
        assert list(tmp_path.iterdir()) == []

    def test_an_unknown_concert(self, db):
        with pytest.raises(CommandError, match="There is no concert 'nowhere'"):
            run("nowhere")

    def test_rows_come_from_a_cursor_of_the_server_poolers_or_not(
        self, sold, performance, monkeypatch
    ):
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
        monkeypatch.setattr(sales, "FETCHED", 1)
        with sales.read_sales(performance.concert, now=NOW) as read, connection.cursor() as cursor:
            next(read.rows)
            cursor.execute("SELECT count(*) FROM pg_cursors")
            assert cursor.fetchone() == (1,)
            assert len(list(read.rows)) == 2

    def test_a_reader_who_stops_half_way_leaves_no_cursor(self, sold, performance, monkeypatch):
        monkeypatch.setattr(sales, "FETCHED", 1)
        with sales.read_sales(performance.concert, now=NOW) as read:
            next(read.rows)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_cursors")
            assert cursor.fetchone() == (0,)
        assert list(read.rows) == []

    @pytest.mark.django_db(transaction=True)
    def test_it_reads_one_moment_and_sets_nothing_for_the_session(self, sold, performance):
        with CaptureQueriesContext(connection) as captured:
            run(performance.concert_id)
        statements = [query["sql"] for query in captured]
        assert "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY" in statements
        settings_made = [sql for sql in statements if sql.startswith("SET ")]
        assert len(settings_made) == 3
        assert all(sql.startswith(("SET LOCAL ", "SET TRANSACTION ")) for sql in settings_made)


@pytest.mark.django_db(transaction=True)
class TestTheProcess:
    def test_rows_on_stdout_words_on_stderr_and_zero(self, sold, performance):
        # Its clock is not stopped: what was reserved then has lapsed.
        done = manage("export_sales", performance.concert_id, "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        assert [row["status"] for row in read_lines(done.stdout)] == ["sold", "sold"]
        assert done.stderr == f"{performance.concert.slug}: 2 rows, as many as the table has\n"

    def test_a_mistake_is_one_line_and_one(self, db):
        done = manage("export_sales", "nowhere")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "CommandError: There is no concert 'nowhere'.\n"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_it(self, performance, tmp_path, number):
        seats = make_seats(performance, 400, section="A" * 50)
        for start in range(0, 400, 50):
            make_paid(UserFactory(), seats[start : start + 50], at=NOW)
        path = tmp_path / "sales.csv"
        # Nobody reads the pipe, which is full before all is written.
        with managing("export_sales", performance.concert_id, "--format", "jsonl") as process:
            assert process.stdout.read(1) == "{"
            process.send_signal(number)
            _out, err = process.communicate(timeout=30)
            assert process.returncode == 130
        assert err.startswith("CommandError: Stopped after ")
        assert err.endswith(" of 400 rows. Run it again.\n")
        assert not path.exists()

    def test_a_reader_who_goes_is_no_crash(self, performance):
        seats = make_seats(performance, 400, section="A" * 50)
        make_paid(UserFactory(), seats, at=NOW)
        with managing("export_sales", performance.concert_id, "--format", "jsonl") as process:
            assert process.stdout.read(1) == "{"
            process.stdout.close()
            err = process.stderr.read()
            assert process.wait(timeout=30) == 1
        assert err == "The output was not read to its end.\n"
