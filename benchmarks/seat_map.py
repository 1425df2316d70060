"""How fast the seat map of a large house is drawn and moved: `make bench-seat-map`.

A headless Chromium without a graphics card opens the page over a real server, several times; then the map
is dragged to and fro for three seconds by the page itself, a step a frame.
"""

import argparse
import subprocess
import sys
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.servers import ROOT, describe_machine, workbench
from tests.browser.chromium import FLAGS, find_chromium

DATABASE = "seat_map"
EMAIL, PASSWORD = "bench@encore.example", "a quiet long password"
VIEWPORT = {"width": 1600, "height": 1000}
PAN_MS = 3_000

# Seats in sections of 1,000, five sections abreast; a third is held, reserved, sold or blocked.
FILL = """
from datetime import timedelta
from django.utils import timezone
from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.queue.services import ensure_main_room
from apps.reservations.transitions import create_hold, reserve

now = timezone.now()
ensure_main_room(now=now)
User.objects.create_superuser({email!r}, password={password!r})
customer = User.objects.create(email="c@encore.example")
concert = Concert.objects.create(
    slug="bench", title="Bench", artist="Bench", venue=Venue.objects.create(name="Bench"),
    sales_open_at=now - timedelta(days=1), sales_close_at=now + timedelta(days=30), published=True,
)
show = Performance.objects.create(concert=concert, starts_at=now + timedelta(days=40))
seats = Seat.objects.bulk_create(
    Seat(
        performance=show, section=f"S{{n // 1000}}", row=str(n % 1000 // 40 + 1), number=str(n % 40 + 1),
        grade="VIP" if n < 5000 else "R", price=154000 if n < 5000 else 99000,
        x=n // 1000 % 5 * 44 + n % 40, y=n // 5000 * 28 + n % 1000 // 40, position=n,
        blocked=n % 50 == 49, blocked_reason="camera" if n % 50 == 49 else "",
    )
    for n in range({count})
)
for first in range(0, len(seats) - 4, 12):
    hold = create_hold(customer_id=customer.pk, concert=concert, seats=seats[first : first + 4], now=now)
    if first % 24:
        reserve(hold, now=now)
print(show.pk)
"""

# Drags the map by a few pixels a frame, to the right and back; zooms in first where asked.
PAN = """
([ms, zooms]) => new Promise((done) => {
  const { drawing } = document.getElementById("seat-map").seatMap;
  drawing.fit();
  for (let i = 0; i < zooms; i++) drawing.zoom(1.4);
  const gaps = [], draws = [];
  const draw = drawing.draw.bind(drawing);
  drawing.draw = () => { const began = performance.now(); draw(); draws.push(performance.now() - began); };
  let last = 0, began = 0;
  const step = (at) => {
    began ||= at;
    if (last) gaps.push(at - last);
    last = at;
    const turn = Math.sin((at - began) / 250);
    drawing.pan(8 * turn, 5 * turn);
    if (at - began < ms) requestAnimationFrame(step);
    else { delete drawing.draw; done({ gaps, draws }); }
  };
  requestAnimationFrame(step);
})
"""


def fill(environment: Any, *, count: int) -> str:
    """Make the house; return the id of its performance."""
    script = FILL.format(email=EMAIL, password=PASSWORD, count=count)
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()[-1]


def sign_in(browser: Browser, address: str) -> Page:
    """Return a page of somebody who may see and do everything."""
    page = browser.new_context(base_url=address, viewport=VIEWPORT, locale="en").new_page()
    page.goto("/admin/login/")
    page.fill("#id_username", EMAIL)
    page.fill("#id_password", PASSWORD)
    page.click("#login-form button[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def measure_first_paint(page: Page, path: str) -> float:
    """Return the milliseconds from the start of the navigation to the first frame with seats."""
    page.goto(path)
    page.wait_for_function("performance.getEntriesByName('seat-map-drawn').length")
    return float(page.evaluate("performance.getEntriesByName('seat-map-drawn')[0].startTime"))


def report_pan(page: Page, label: str, *, zooms: int) -> None:
    """Print how the frames came while the map moved."""
    measured = page.evaluate(PAN, [PAN_MS, zooms])
    gaps, draws = measured["gaps"], measured["draws"]
    print(
        f"| panning, {label} | {1_000 / median(gaps):.0f} frames a second (median), worst frame "
        f"{max(gaps):.0f} ms, {len(gaps)} frames | drawing {median(draws):.1f} ms (median), "
        f"{max(draws):.1f} ms (worst) |",
        flush=True,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seats", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(describe_machine())
    with workbench() as bench, sync_playwright() as playwright:
        bench.make_database(DATABASE)
        path = f"/admin/seat-map/{fill(bench.environment(DATABASE), count=options.seats)}/"
        with bench.serve(DATABASE) as address:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            print(f"{options.seats:,} seats, Chromium {browser.version}", flush=True)
            page = sign_in(browser, address)
            paints = [measure_first_paint(page, path) for _round in range(options.rounds)]
            print(
                f"| first frame with seats | {median(paints):.0f} ms (median of {len(paints)}) "
                f"| {min(paints):.0f} to {max(paints):.0f} ms |"
            )
            report_pan(page, "the whole house in sight", zooms=0)
            report_pan(page, "zoomed in", zooms=3)
            report_pan(page, "seats with their numbers", zooms=6)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
