"""The frames: who may ask, in which language, under which policy."""

import pytest
from django.urls import reverse

from apps.storefront.urls import urlpatterns

PAGES = [pattern.name for pattern in urlpatterns]
IDS = {"concert": [1], "line": [1], "seats": [1], "checkout": [1], "receipt": [1]}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("language", "word"), [("ko", "내 지갑"), ("en", "Wallet")])
def test_each_page_is_framed_in_both_languages(client, name, language, word):
    address = reverse(f"storefront:{name}", args=IDS.get(name, []))
    answer = client.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert answer["Content-Language"] == language


@pytest.mark.parametrize("name", PAGES)
def test_nothing_inline_and_nothing_from_elsewhere(client, name):
    answer = client.get(reverse(f"storefront:{name}", args=IDS.get(name, [])))
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    page = answer.content.decode()
    for forbidden in ("style=", "onclick=", "javascript:", "//cdn"):
        assert forbidden not in page


def test_pages_are_read_only(client):
    assert client.post(reverse("storefront:concerts")).status_code == 405
