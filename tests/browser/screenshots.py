"""`make screenshots`: the pictures in the READMEs, of a whole Encore with its demo concerts and a crowd.

The crowd buys through the API: some hold, some reserve, some pay, some wait. Each picture is taken in
both languages into `docs/screenshots/`.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import FLAGS, find_chromium
from tests.running.encore import BARE_PATH, OWN_SETTINGS, ROOT, Encore, wait_until

PICTURES = ROOT / "docs" / "screenshots"
SETTINGS = {"ROOM_CAPACITY": "24", "ROOM_IDLE_SECONDS": "300", "THROTTLE_ENABLED": "0"}
CONCERT = "첫눈, 그리고 우리"
CUSTOMERS = 90
BALANCE = 1_000_000
SEATS = 2
STAFF_EMAIL = "staff@encore.example"
LANGUAGES = ("ko", "en")
PASSWORD = "a quiet long password"
VIEWPORT = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 780}


class Buyer:
    """A customer who goes as far as `goal` says: wait, hold, reserve or pay."""

    def __init__(self, encore: Encore, access: str, goal: str, order: random.Random) -> None:
        self.http = httpx.Client(
            base_url=encore.api, headers={"Authorization": f"Bearer {access}"}, timeout=30
        )
        self.goal = goal
        self.order = order

    def visit(self) -> None:
        """Join the line, and buy where let in."""
        with self.http:
            concerts = self.http.get("/concerts").json()["results"]
            concert = next(c["id"] for c in concerts if c["title"] == CONCERT)
            joined = self.http.post("/queue/tokens", json={"concert_id": concert}).json()
            if joined["status"] != "admitted" or self.goal == "wait":
                return
            self.http.headers["X-Queue-Token"] = joined["token"]
            date = self.http.get(f"/concerts/{concert}/dates").json()["results"][0]["date"]
            self.buy(f"/concerts/{concert}/dates/{date}")

    def buy(self, base: str) -> None:
        """Hold some neighbouring seats, and go on from there."""
        seats = self.http.get(f"{base}/seats").json()["results"]
        first = self.order.randrange(min(len(seats), 260))
        wanted = [seat["id"] for seat in seats[first : first + self.order.randint(1, 4)]]
        hold = self.http.post(f"{base}/holds", json={"seat_ids": wanted})
        if hold.status_code != 201 or self.goal == "hold":
            return
        hold_id = hold.json()["id"]
        self.http.post("/reservations", json={"hold_id": hold_id})
        if self.goal == "pay":
            self.http.post("/payments", json={"reservation_id": hold_id})


def send_crowd(encore: Encore, folder: Path) -> None:
    """Let the customers come: the most of them pay, then come those who stay inside and those who wait."""
    tokens = folder / "tokens.csv"
    manage(
        encore, "create_customers", str(CUSTOMERS),
        "--balance", str(BALANCE), "--access-tokens", str(tokens),
    )  # fmt: skip
    with tokens.open() as file:
        accesses = [row["access"] for row in csv.DictReader(file)]
    goals = ["pay"] * 45 + ["hold", "reserve"] * 12
    goals += ["wait"] * (CUSTOMERS - len(goals))
    order = random.Random(4)
    buyers = [
        Buyer(encore, access, goal, order) for access, goal in zip(accesses, goals, strict=True)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Buyer.visit, buyers))


def manage(encore: Encore, *arguments: str) -> None:
    """Run a command as an operator would, beside the running Encore."""
    own = {"DATA_DIR": str(encore.data_dir), "PATH": BARE_PATH, **encore.settings}
    inherited = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
    subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=inherited | own, check=True
    )


def take_pictures(encore: Encore, password: str) -> None:
    """Take every picture in both languages."""
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        shoppers = {language: stand_in_line(browser, encore, language) for language in LANGUAGES}
        for language in LANGUAGES:
            page = browser.new_page(base_url=encore.address, locale=language, viewport=VIEWPORT)
            page.goto("/admin/login/")
            page.fill("#id_username", STAFF_EMAIL)
            page.fill("#id_password", password)
            page.click("#login-form button[type=submit]")
            page.wait_for_url("**/admin/")
            for name, show in SCENES.items():
                show(page, encore)
                page.screenshot(path=PICTURES / f"{name}.{language}.png")
        manage(encore, "room", "main", "open", "--capacity", "500", "--reason", "doors open")
        for language, page in shoppers.items():
            buy(page, language)
        browser.close()


def stand_in_line(browser: Browser, encore: Encore, language: str) -> Page:
    """Sign a customer in on a phone, let them join the line, and take the picture of it."""
    email = f"{language}@encore.example"
    manage(encore, "create_customer", email, "--password", PASSWORD, "--balance", str(BALANCE))
    page = browser.new_page(
        base_url=encore.address, locale=language, viewport=PHONE, device_scale_factor=2
    )
    page.goto(f"/sign-in?next=/concerts/{find_concert(encore)['id']}/line")
    page.fill("#email", email)
    page.fill("#password", PASSWORD)
    page.locator("#sign-in button").click()
    page.wait_for_url("**/line")
    page.locator("progress").wait_for()
    page.screenshot(path=PICTURES / f"line.{language}.png")
    return page


def buy(page: Page, language: str) -> None:
    """Choose two seats once let in, pay for them, and take the pictures on the way."""
    page.wait_for_url("**/seats*", timeout=60_000)
    page.locator("#date").select_option(index=1)
    page.locator("#performance").select_option(index=1)
    page.get_by_role("application").focus()
    # Taken seats are passed by.
    while page.locator("#chosen-list li").count() < SEATS:
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
    page.screenshot(path=PICTURES / f"seats.{language}.png", full_page=True)
    page.locator("#hold").click()
    page.wait_for_url("**/checkout/*")
    page.locator("#checkout button.primary").click()
    page.wait_for_url("**/receipts/*")
    page.locator("#receipt .seats").wait_for()
    page.screenshot(path=PICTURES / f"receipt.{language}.png")


def show_front_page(page: Page, encore: Encore) -> None:
    """Open the front page and wait for its charts."""
    page.goto("/admin/")
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(1_500)


def show_seat_map(page: Page, encore: Encore) -> None:
    """Open the seat map of the concert's first performance."""
    page.goto(f"/admin/concerts/performance/?q={CONCERT}")
    # The newest stand first.
    link = page.locator("#result_list a[href*='/change/']").last.get_attribute("href")
    assert link is not None
    page.goto(f"/admin/seat-map/{link.split('/')[-3]}/")
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(1_500)


SCENES: dict[str, Any] = {"front-page": show_front_page, "seat-map": show_seat_map}


def find_concert(encore: Encore) -> dict[str, Any]:
    """Return the concert that the crowd wants."""
    concerts = httpx.get(f"{encore.api}/concerts").json()["results"]
    return next(concert for concert in concerts if concert["title"] == CONCERT)


def has_guard_run(encore: Encore) -> bool:
    """Say whether the guard has run: before, the front page says that it does not."""
    metrics = httpx.get(f"{encore.address}/metrics").text
    return "encore_guard_last_run_timestamp_seconds 0.0" not in metrics


def main() -> None:
    """Start an Encore of its own, let the crowd in, take the pictures and stop it."""
    with tempfile.TemporaryDirectory(prefix="encore-pictures-") as name:
        folder = Path(name)
        encore = Encore(folder / "data", settings=SETTINGS)
        encore.start()
        try:
            wait_until(encore.is_ready, seconds=60, what="ready")
            wait_until(lambda: has_guard_run(encore), seconds=120, what="the guard's first run")
            send_crowd(encore, folder)
            password = (encore.data_dir / "staff_password").read_text().strip()
            take_pictures(encore, password)
        finally:
            encore.end(signal.SIGTERM)


if __name__ == "__main__":
    main()
