"""JSON in and out."""

from datetime import UTC, date, datetime
from io import BytesIO
from types import MappingProxyType

import pytest
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ParseError

from apps.core.media import JsonParser, JsonRenderer, encode_json


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (datetime(2026, 12, 24, 10, tzinfo=UTC), b'"2026-12-24T10:00:00Z"'),
        (datetime(2026, 12, 24, 10, 0, 0, 5, UTC), b'"2026-12-24T10:00:00.000005Z"'),
        (date(2026, 12, 24), b'"2026-12-24"'),
        ("첫눈", '"첫눈"'.encode()),
        (2**53 - 1, b"9007199254740991"),
        (MappingProxyType({"a": None}), b'{"a":null}'),
        ({1: 1.0}, b'{"1":1.0}'),
        (gettext_lazy("no such message"), b'"no such message"'),
        ([], b"[]"),
    ],
)
def test_values_in_their_json_form(value, encoded):
    assert encode_json(value) == encoded


def test_what_has_no_json_form_is_no_answer():
    with pytest.raises(TypeError):
        encode_json(object())


def test_no_answer_is_no_body():
    assert JsonRenderer().render(None) == b""
    assert JsonRenderer().render({}) == b"{}"


def parse(body):
    return JsonParser().parse(BytesIO(body))


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b" {} "])
def test_no_body_is_an_empty_object(body):
    assert parse(body) == {}


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"{", b"{'a': 1}", b'{"a": 01}', b"\xff"])
def test_anything_but_one_object_is_refused(body):
    with pytest.raises(ParseError):
        parse(body)


def test_the_limit_of_a_body(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert parse(b'{"a":   1}') == {"a": 1}
    with pytest.raises(RequestDataTooBig):
        parse(b'{"a":    1}')
