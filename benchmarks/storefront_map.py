"""How fast a customer's seat map of a large house is drawn and moved: `make bench-storefront-map`.

The same house, browser and movements as `benchmarks.seat_map`, on the page that customers see.
"""

import argparse
import sys
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.seat_map import EMAIL, PASSWORD, fill, report_pan
from benchmarks.servers import describe_machine, workbench
from tests.browser.chromium import FLAGS, find_chromium

DATABASE = "storefront_map"
VIEWPORTS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1600, "height": 1000}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 3,
        "is_mobile": True,
        "has_touch": True,
    },
}


def sign_in(browser: Browser, address: str, device: str) -> Page:
    """Return the seats page of a customer who has signed in and come through the line."""
    context = browser.new_context(base_url=address, locale="en", **VIEWPORTS[device])
    page = context.new_page()
    page.goto("/concerts/1/line")
    page.fill("#email", EMAIL)
    page.fill("#password", PASSWORD)
    page.click("#sign-in button")
    page.wait_for_url("**/seats?*")
    return page


def measure_first_paint(page: Page) -> float:
    """Load the page again; return the milliseconds from there to the first frame with seats."""
    page.reload()
    return float(
        page.evaluate(
            "async () => { for (;;) {"
            " const [mark] = performance.getEntriesByName('seat-map-drawn');"
            " if (mark) return mark.startTime;"
            " await new Promise((done) => setTimeout(done, 20)); } }"
        )
    )


def report(browser: Browser, address: str, device: str, *, rounds: int) -> None:
    """Print the figures of one device."""
    page = sign_in(browser, address, device)
    paints = [measure_first_paint(page) for _round in range(rounds)]
    print(
        f"| {device}: first frame with seats | {median(paints):.0f} ms (median of {len(paints)}) "
        f"| {min(paints):.0f} to {max(paints):.0f} ms |"
    )
    report_pan(page, f"{device}, the whole house in sight", zooms=0)
    report_pan(page, f"{device}, zoomed in", zooms=3)
    report_pan(page, f"{device}, seats with their numbers", zooms=6 if device == "desktop" else 9)
    page.context.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seats", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(describe_machine())
    with workbench() as bench, sync_playwright() as playwright:
        bench.make_database(DATABASE)
        fill(bench.environment(DATABASE), count=options.seats)
        with bench.serve(DATABASE) as address:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            print(f"{options.seats:,} seats, Chromium {browser.version}", flush=True)
            for device in VIEWPORTS:
                report(browser, address, device, rounds=options.rounds)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
