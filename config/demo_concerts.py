"""The concerts of the demo, as a concert file: made-up artists in made-up halls, at times around `now`."""

import math
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SEOUL = ZoneInfo("Asia/Seoul")
DAYS_TO_SHOW = 60
DAYS_TO_OPENING = 7
# The largest is 5,000 seats, and is bought behind a line of its own.
LARGE_ROOM = {
    "slug": "gocheok", "capacity": 200, "admit_per_minute": 0, "session_seconds": 600,
    "idle_seconds": 60,
}  # fmt: skip
# The sales that make a concert nearly sold out must not wait for a line that staff have paused.
SMALL_ROOM = {
    "slug": "jazz-salon", "capacity": 100, "admit_per_minute": 0, "session_seconds": 600,
    "idle_seconds": 60,
}  # fmt: skip

Seats = list[dict[str, Any]]


def build_concerts(now: datetime) -> dict[str, dict[str, Any]]:
    """Return the demo's concerts by slug, in the order in which they are loaded.

    Lists show the newest first, so the last is the one that a visitor meets first.
    """
    concerts = (_gocheok(now), _jazz_salon(now), _meteor_busan(now), _first_snow(now))
    return {concert["slug"]: concert for concert in concerts}


def _first_snow(now: datetime) -> dict[str, Any]:
    sections = [
        _section("1층 가", "R", 132_000, _block(left=-16.0, front=3, rows=10, seats=8)),
        _section("1층 나", "VIP", 165_000, _block(left=-6.5, front=3, rows=10, seats=14)),
        _section("1층 다", "R", 132_000, _block(left=9.0, front=3, rows=10, seats=8)),
        _section("2층 라", "S", 99_000, _block(left=-16.0, front=16, rows=6, seats=8)),
        _section("2층 마", "S", 99_000, _block(left=-6.5, front=16, rows=6, seats=14)),
        _section("2층 바", "S", 99_000, _block(left=9.0, front=16, rows=6, seats=8)),
        _section("3층 사", "A", 66_000, _block(left=-14.5, front=25, rows=4, seats=30)),
    ]
    return {
        "slug": "first-snow",
        "title": "첫눈, 그리고 우리",
        "artist": "서하린",
        "description": "첫눈이 내리는 날의 설렘을 담은 어쿠스틱 콘서트입니다. "
        "서하린이 데뷔곡부터 미발표곡까지 직접 고른 스무 곡을 들려드립니다.\n"
        "8세 이상 관람가, 120분 (인터미션 15분 포함)",
        "venue": {"name": "한빛아트홀 대극장", "time_zone": "Asia/Seoul"},
        **_sales(now, opens=now - timedelta(days=1)),
        "performances": [
            {"starts_at": _at(now, DAYS_TO_SHOW, time(14)), "sections": sections},
            {"starts_at": _at(now, DAYS_TO_SHOW, time(19)), "sections": sections},
            {"starts_at": _at(now, DAYS_TO_SHOW + 1, time(17)), "sections": sections},
        ],
    }


def _gocheok(now: datetime) -> dict[str, Any]:
    sections = [
        _section("그라운드 1구역", "VIP", 198_000, _block(left=-28.5, front=4, rows=10, seats=28)),
        _section("그라운드 2구역", "VIP", 198_000, _block(left=1.5, front=4, rows=10, seats=28)),
        _section("그라운드 3구역", "R", 165_000, _block(left=-30.5, front=16, rows=10, seats=30)),
        _section("그라운드 4구역", "R", 165_000, _block(left=1.5, front=16, rows=10, seats=30)),
        *_tier("1층 1", "S", 132_000, radius=55, rows=12, seats=20),
        *_tier("2층 2", "A", 99_000, radius=70, rows=10, seats=24),
    ]
    return {
        "slug": "gocheok",
        "title": "2막: 은하를 건너 – 서울",
        "artist": "노바레 (NOVARE)",
        "description": "6인조 그룹 노바레의 두 번째 월드투어, 그 시작은 서울입니다. "
        "360도 조명과 라이브 밴드가 함께합니다.\n"
        "예매는 전용 대기실에서 순서대로 진행됩니다. 만 7세 이상 관람가, 150분",
        "venue": {"name": "고척 스카이홀", "time_zone": "Asia/Seoul"},
        **_sales(now, opens=now - timedelta(hours=2)),
        "room": LARGE_ROOM,
        "performances": [{"starts_at": _at(now, DAYS_TO_SHOW + 4, time(18)), "sections": sections}],
    }


def _jazz_salon(now: datetime) -> dict[str, Any]:
    sections = [
        _section("가", "R", 77_000, _block(left=-9.0, front=2, rows=8, seats=5)),
        _section("나", "VIP", 88_000, _block(left=-2.0, front=2, rows=8, seats=5)),
        _section("다", "R", 77_000, _block(left=5.0, front=2, rows=8, seats=5)),
    ]
    return {
        "slug": "jazz-salon",
        "title": "재즈 살롱: 밤의 대화",
        "artist": "이도윤 트리오",
        "description": "피아노와 콘트라베이스, 드럼이 나누는 밤의 대화. "
        "120석 소극장에서 마이크 없이 듣는 재즈입니다.\n만 12세 이상 관람가, 90분",
        "venue": {"name": "북촌 소극장 온", "time_zone": "Asia/Seoul"},
        **_sales(now, opens=now - timedelta(days=3)),
        "room": SMALL_ROOM,
        "performances": [{"starts_at": _at(now, DAYS_TO_SHOW - 3, time(20)), "sections": sections}],
    }


def _meteor_busan(now: datetime) -> dict[str, Any]:
    sections = [
        _section("1층 A", "VIP", 154_000, _block(left=-15.5, front=3, rows=10, seats=15)),
        _section("1층 B", "VIP", 154_000, _block(left=1.5, front=3, rows=10, seats=15)),
        _section("1층 C", "R", 121_000, _block(left=-15.5, front=14.5, rows=10, seats=15)),
        _section("1층 D", "R", 121_000, _block(left=1.5, front=14.5, rows=10, seats=15)),
        *_tier("2층 ", "S", 88_000, radius=38, rows=5, seats=15, sections=8),
    ]
    return {
        "slug": "meteor-busan",
        "title": "유성우 전국투어 – 부산",
        "artist": "밴드 유성우",
        "description": "전국 여섯 도시를 도는 밴드 유성우의 첫 단독 투어. "
        "바다가 보이는 공연장에서 마지막 밤을 함께합니다.\n만 7세 이상 관람가, 130분",
        "venue": {"name": "해운대 오션홀", "time_zone": "Asia/Seoul"},
        **_sales(now, opens=datetime.fromisoformat(_at(now, DAYS_TO_OPENING, time(20)))),
        "performances": [
            {"starts_at": _at(now, DAYS_TO_SHOW + 11, time(18, 30)), "sections": sections}
        ],
    }


def _sales(now: datetime, *, opens: datetime) -> dict[str, Any]:
    return {
        "sales_open_at": opens.astimezone(SEOUL)
        .replace(minute=0, second=0, microsecond=0)
        .isoformat(),
        "sales_close_at": _at(now, DAYS_TO_SHOW - 4, time(18)),
        "seats_per_customer": 4,
        "cancel_until_hours": 24,
        "published": True,
    }


def _at(now: datetime, days: int, at: time) -> str:
    """Return the time of day `at` in Seoul, so many days after `now`."""
    date = now.astimezone(SEOUL).date() + timedelta(days=days)
    return datetime.combine(date, at, SEOUL).isoformat()


def _section(name: str, grade: str, price: int, seats: Seats) -> dict[str, Any]:
    return {"name": name, "grade": grade, "price": price, "seats": seats}


def _tier(
    name: str, grade: str, price: int, *, radius: float, rows: int, seats: int, sections: int = 8
) -> Iterator[dict[str, Any]]:
    """Yield the sections of a half circle around the stage, from the left to the right."""
    width = math.pi / sections
    for index in range(sections):
        start = math.pi - index * width
        yield _section(
            f"{name}{index + 1:02}",
            grade,
            price,
            _arc(start=start, width=width, radius=radius, rows=rows, seats=seats),
        )


def _arc(*, start: float, width: float, radius: float, rows: int, seats: int) -> Seats:
    """Return rows of seats on arcs around the stage; angles in radians."""
    return [
        _seat(
            row,
            number,
            (radius + row) * math.cos(start - width * number / (seats + 1)),
            (radius + row) * math.sin(start - width * number / (seats + 1)),
        )
        for row in range(1, rows + 1)
        for number in range(1, seats + 1)
    ]


def _block(*, left: float, front: float, rows: int, seats: int) -> Seats:
    """Return rows that bend a little around the stage; `left` and `front` are the first seat's place."""
    return [
        _seat(row, number, x, front + row - 1 - x * x / 300)
        for row in range(1, rows + 1)
        for number in range(1, seats + 1)
        for x in [left + number - 1]
    ]


def _seat(row: int, number: int, x: float, y: float) -> dict[str, Any]:
    return {"row": str(row), "number": str(number), "x": round(x, 2), "y": round(y, 2)}
