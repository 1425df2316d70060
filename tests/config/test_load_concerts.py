"""`manage.py load_concerts`."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.concerts.models import Concert, Seat, Venue
from apps.core.errors import Busy
from apps.queue.models import WaitingRoom
from config.management.commands import load_concerts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]

# The example of the manual.
EXAMPLE = {
    "concerts": [
        {
            "slug": "iu-2026",
            "title": "…",
            "artist": "…",
            "description": "…",
            "venue": {"name": "…", "time_zone": "Asia/Seoul"},
            "sales_open_at": "2026-11-01T10:00:00+09:00",
            "sales_close_at": "2026-12-24T18:00:00+09:00",
            "seats_per_customer": 4,
            "cancel_until_hours": 24,
            "published": True,
            "room": {
                "slug": "iu",
                "capacity": 200,
                "admit_per_minute": 0,
                "session_seconds": 600,
                "idle_seconds": 60,
            },
            "performances": [
                {
                    "starts_at": "2026-12-24T19:00:00+09:00",
                    "sections": [
                        {
                            "name": "A",
                            "grade": "VIP",
                            "price": 154_000,
                            "rows": 10,
                            "seats_per_row": 20,
                            "blocked": ["1-1"],
                        }
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def write(tmp_path):
    def write_file(document, name="concerts.json"):
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return str(path)

    return write_file


def run(*arguments):
    """Return what the command writes to stdout and stderr, and its error."""
    out, err, error = StringIO(), StringIO(), None
    try:
        call_command("load_concerts", *arguments, stdout=out, stderr=err)
    except CommandError as raised:
        error = str(raised)
    return out.getvalue(), err.getvalue(), error


def assert_nothing_written():
    assert not Concert.objects.exists()
    assert not Venue.objects.exists()
    assert not Seat.objects.exists()
    assert WaitingRoom.objects.count() == 1


def test_a_file_is_loaded_once(write):
    path = write(EXAMPLE)
    out, err, error = run(path)
    assert out == (
        f"{path}: room iu: made\n{path}: iu-2026: made (1 performances made, 200 seats made)\n"
    )
    assert (err, error) == ("", None)
    assert Seat.objects.filter(blocked=True).count() == 1
    out, err, error = run(path)
    assert out == f"{path}: room iu: unchanged\n{path}: iu-2026: unchanged\n"
    assert (err, error) == ("", None)


def test_a_dry_run_writes_nothing(write):
    path = write(EXAMPLE)
    out, _err, error = run(path, "--dry-run")
    assert out.endswith(
        f"(1 performances made, 200 seats made)\n{path}: dry run, nothing was written\n"
    )
    assert error is None
    assert_nothing_written()


def test_json_for_programs(write):
    path = write(EXAMPLE)
    out, _err, _error = run(path, "--json", "--dry-run")
    (file,) = json.loads(out)["files"]
    assert json.loads(out)["dry_run"]
    assert (file["file"], file["loaded"], file["errors"]) == (path, True, [])
    assert (file["concerts"][0]["concert_id"], file["concerts"][0]["seats_made"]) == (None, 200)
    assert_nothing_written()
    out, _err, _error = run(path, "--json")
    (file,) = json.loads(out)["files"]
    assert file["concerts"][0]["concert_id"] == Concert.objects.get().pk


def test_every_error_with_its_place(write):
    (concert,) = EXAMPLE["concerts"]
    path = write({"concerts": [concert, concert | {"published": "yes", "room": {}}]})
    out, err, error = run(path)
    assert out == ""
    assert err.splitlines() == [
        f"{path}: concerts[1].published: should be true or false, is the text “yes”",
        f"{path}: concerts[1].room.slug: is missing",
        f"{path}: concerts[1].slug: is the same as concerts[0].slug",
    ]
    assert error == "1 of 1 files could not be loaded."
    assert_nothing_written()


def test_one_bad_file_does_not_stop_the_others(write, tmp_path):
    good, bad = write(EXAMPLE), str(tmp_path / "none.json")
    out, err, error = run(bad, good, "--json")
    files = json.loads(out)["files"]
    assert files[0] == {
        "file": bad,
        "loaded": False,
        "errors": [{"place": "", "message": "does not exist"}],
    }
    assert files[1]["loaded"]
    assert err.splitlines() == [f"file 1 of 2: {bad}", f"file 2 of 2: {good}"]
    assert error == "1 of 2 files could not be loaded."
    assert Concert.objects.count() == 1


def test_a_performance_that_the_file_lacks_is_mentioned(write):
    run(write(EXAMPLE))
    document = json.loads(json.dumps(EXAMPLE))
    document["concerts"][0]["performances"][0]["starts_at"] = "2026-12-25T19:00:00+09:00"
    path = write(document)
    out, _err, _error = run(path)
    assert (
        f"{path}: iu-2026: the performance at 2026-12-24T10:00:00+00:00 is not in the file and stays"
        in out
    )


def test_a_large_file_shows_progress(write, monkeypatch):
    monkeypatch.setattr(load_concerts, "SILENT_SEATS_MAX", 199)
    _out, err, _error = run(write(EXAMPLE))
    assert err == "iu-2026: performance 1 of 1\n"


def test_a_busy_database_is_told(write, monkeypatch):
    def be_busy(*_args, **_kwargs):
        raise Busy

    monkeypatch.setattr(load_concerts, "load_concerts", be_busy)
    path = write(EXAMPLE)
    _out, err, error = run(path)
    assert err == f"{path}: the database is busy; try again\n"
    assert error == "1 of 1 files could not be loaded."
    assert_nothing_written()


def test_the_manuals_example_loads(tmp_path):
    manual = (Path(__file__).resolve().parents[2] / "docs" / "concert-file.md").read_text()
    file = tmp_path / "concerts.json"
    file.write_text(manual.partition("```json\n")[2].partition("```")[0])
    call_command("load_concerts", file, stdout=StringIO())
    concert = Concert.objects.get()
    assert (concert.slug, concert.room) == ("moonlight-2027", "moonlight")
    assert Seat.objects.count() == 202
    assert Seat.objects.filter(blocked=True).count() == 2
