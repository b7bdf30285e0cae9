"""Is this body a JSON object? Asked of bytes that are signed but may still be anything."""

import json
import re
from typing import Any, Final

NUMBER: Final = object()  # stands for every number: the door reads none, so it makes none, however many digits

_TOKEN: Final = re.compile(
    r"""[ \t\n\r]*(?:
        (?P<mark>[][{}:,])
      | (?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
      | (?P<word>true|false|null)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS: Final = {"true": True, "false": False, "null": None}


class NotAnObject(ValueError):
    """The body is not one JSON object in UTF-8. It is never quoted."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The object, with `NUMBER` for every number; of equal keys the last one counts.

    Any depth, any number of digits, and escapes of NUL or lone surrogates are JSON and pass. A byte order mark,
    NaN, raw control characters and bytes that are not UTF-8 are not.
    Raises: NotAnObject.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotAnObject from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        value = _parse_deep(text)
    except ValueError:
        raise NotAnObject from None
    if not isinstance(value, dict):
        raise NotAnObject
    return value


def _number(_text: str) -> object:
    return NUMBER


def _refuse(_text: str) -> object:
    raise NotAnObject


_DECODER: Final = json.JSONDecoder(
    parse_int=_number, parse_float=_number, parse_constant=_refuse
)  # json.loads makes one


def _parse_deep(text: str) -> object:  # noqa: C901, PLR0912 (what may follow what is one table; cut up, it hides)
    """The same as json.loads with a stack of our own, for what is nested deeper than the interpreter's."""
    root: list[object] = []
    open_containers: list[list[object] | dict[str, object]] = [root]
    keys: list[str] = []  # one for each open object: the key whose value comes next
    expected = {"value"}
    position = 0
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            raise NotAnObject
        position = token.end()
        mark = token.group("mark")
        container = open_containers[-1]
        if token.lastgroup == "end":
            if expected == {"end"}:
                return root[0]
            raise NotAnObject
        if token.lastgroup == "text" and "key" in expected:
            keys.append(json.loads(token.group("text")))
            expected = {":"}
        elif mark == ":" and ":" in expected:
            expected = {"value"}
        elif mark == "," and "," in expected:
            expected = {"key"} if isinstance(container, dict) else {"value"}
        elif mark and mark in "]}" and mark in expected:
            open_containers.pop()
            expected = _after(open_containers)
        elif "value" in expected and mark not in {":", ",", "]", "}"}:
            value = _value(token)
            if isinstance(container, dict):
                container[keys.pop()] = value
            else:
                container.append(value)
            if isinstance(value, dict | list):
                open_containers.append(value)
                expected = {"key", "}"} if isinstance(value, dict) else {"value", "]"}
            else:
                expected = _after(open_containers)
        else:
            raise NotAnObject


def _after(open_containers: list[list[object] | dict[str, object]]) -> set[str]:
    """What may follow a finished value."""
    if len(open_containers) == 1:
        return {"end"}
    return {",", "}"} if isinstance(open_containers[-1], dict) else {",", "]"}


def _value(token: re.Match[str]) -> object:
    match token.lastgroup:
        case "mark":
            return {} if token.group("mark") == "{" else []
        case "text":
            return json.loads(token.group("text"))
        case "word":
            return _WORDS[token.group("word")]
        case _:
            return NUMBER
