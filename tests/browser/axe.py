"""What people with aids cannot use, found by axe-core."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")


def find_violations(page: Page) -> list[str]:
    """Return the serious and critical violations of the page as it stands, each with where it is."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {', '.join(map(str, node['target']))}"
        for violation in found
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
