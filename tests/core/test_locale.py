"""The language of answers."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("ko", "대기실을 찾을 수 없습니다"),
        ("en", "Waiting room not found"),
        ("", "대기실을 찾을 수 없습니다"),
        ("fr, en;q=0.5", "Waiting room not found"),
    ],
)
def test_errors_are_in_the_callers_language(client, language, title):
    answer = client.get("/api/v1/queue/rooms/nowhere", headers={"Accept-Language": language})
    assert answer.json()["title"] == title
    assert "Accept-Language" in answer["Vary"]
    assert answer["Content-Language"] == ("en" if "en" in language else "ko")


def test_a_cache_keeps_a_rooms_status_once_for_all_languages(client, room):
    answer = client.get("/api/v1/queue/rooms/main", headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert "Vary" not in answer
    assert answer["Cache-Control"] == "public, max-age=1"
