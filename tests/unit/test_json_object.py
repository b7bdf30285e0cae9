"""Which bodies are JSON objects: as the standard says, at any depth and size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import json_object
from web.json_object import NUMBER, NotAnObject, parse_object

DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"a":1,"a":2}\r\n\t',
        b'{"a":' + b"9" * 200_000 + b"}",
        b'{"a":1e999999999999999999}',
        b'{"a":"\\u0000\\ud800"}',
        b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    ],
)
def test_an_object_passes_however_odd(body: bytes) -> None:
    assert isinstance(parse_object(body), dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"{}"',
        b'{"a":1',
        b'{"a":1}{}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":"\x00"}',
        b"{}\x00",
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * DEEP,
        b'{"a":' + b"[" * DEEP,
        b'{"a":' + b"[" * DEEP + b"]" * (DEEP - 1) + b"}",
        b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}]",
        b'{"a":' + b"[" * DEEP + b"NaN" + b"]" * DEEP + b"}",
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnObject):
        parse_object(body)


def test_names_can_be_read_from_a_body_of_any_depth() -> None:
    body = b'{"id":"first","x":' + b"[" * DEEP + b"]" * DEEP + b',"data":{"id":"tf_1","n":1},"id":"last"}'

    read = parse_object(body)

    assert (read["id"], read["data"]) == ("last", {"id": "tf_1", "n": NUMBER})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON.map(json.dumps), st.integers(min_value=0), st.sampled_from('{}[],:"0-1.e \\tn'))
def test_the_deep_reader_agrees_with_the_shallow_one(text: str, place: int, letter: str) -> None:
    """It reads what json.loads reads and refuses what that refuses, whole or broken at one place."""
    place %= len(text)
    for tried in (text, text[:place] + letter + text[place + 1 :], text[:place] + text[place + 1 :]):
        assert outcome_deep(tried) == outcome_shallow(tried)


def outcome_deep(text: str) -> object:
    try:
        return json_object._parse_deep(text)
    except NotAnObject:
        return "refused"


def outcome_shallow(text: str) -> object:
    try:
        return json.loads(
            text,
            parse_int=json_object._number,
            parse_float=json_object._number,
            parse_constant=json_object._refuse,
        )
    except ValueError:
        return "refused"
