"""The concert that buyers meet over while things break: few seats and a low limit."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONCERT = "faults"
DATES = 6


def prepare(
    manage: "Callable[..., subprocess.CompletedProcess[str]]",
    folder: Path,
    *,
    buyers: int,
    seats_per_date: int,
) -> list[str]:
    """Put a concert on sale and make its buyers, by `manage.py`; return their access tokens."""
    file = folder / "concert.json"
    file.write_text(json.dumps(describe_concert(seats_per_date)))
    tokens = folder / "tokens.csv"
    for arguments in (
        ("load_concerts", str(file)),
        ("create_customers", str(buyers), "--access-tokens", str(tokens)),
    ):
        done = manage(*arguments)
        assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in tokens.read_text().splitlines()[1:]]


def describe_concert(seats_per_date: int) -> dict[str, Any]:
    """Return the concert file: few seats and a low limit, so that buyers meet over them."""
    return {
        "concerts": [
            {
                "slug": CONCERT,
                "title": "Faults",
                "artist": "Nobody",
                "venue": {"name": "Hall", "time_zone": "Asia/Seoul"},
                "sales_open_at": "2020-01-01T00:00:00+09:00",
                "sales_close_at": "2190-01-01T00:00:00+09:00",
                "seats_per_customer": 6,
                "cancel_until_hours": 24,
                "published": True,
                "performances": [
                    {
                        "starts_at": f"2190-02-{day:02}T19:00:00+09:00",
                        "sections": [
                            {
                                "name": "A",
                                "grade": "R",
                                "price": 50_000,
                                "rows": seats_per_date // 10,
                                "seats_per_row": 10,
                            }
                        ],
                    }
                    for day in range(1, DATES + 1)
                ],
            }
        ]
    }
