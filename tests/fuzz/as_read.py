"""What providers say: bodies of events, a stream, and the words around an answer."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from funding.facts import CannotUse, Reading
from funding.money import DIGITS
from providers.alpaca import interpret as alpaca
from providers.alpaca.sse import Parser
from providers.answers import problem, retry_after, safe
from providers.bridge import interpret as bridge
from providers.due import interpret as due
from providers.ibex import interpret as ibex
from providers.stripe import interpret as stripe
from tests.fuzz.told import told
from tests.support.door import NOW
from web.json_object import NotAnObject, parse_object


def due_interpret(body: bytes) -> None:
    """Facts that can be stored, the same each time, or a refusal with a reason."""
    for source in ("webhook", "poll", "replay"):
        _read_twice(lambda source=source: due.interpret(body, source=source))  # type: ignore[misc]


def alpaca_interpret(body: bytes) -> None:
    for source in ("stream", "poll", "replay", "webhook"):
        _read_twice(lambda source=source: alpaca.interpret(body, source=source))  # type: ignore[misc]


def bridge_interpret(body: bytes) -> None:
    for source in ("webhook", "poll", "replay"):
        _read_twice(lambda source=source: bridge.interpret(body, source=source))  # type: ignore[misc]


def ibex_interpret(body: bytes) -> None:
    for source in ("webhook", "poll", "replay"):
        _read_twice(lambda source=source: ibex.interpret(body, source=source))  # type: ignore[misc]


def stripe_interpret(body: bytes) -> None:
    for source in ("webhook", "poll", "replay"):
        _read_twice(lambda source=source: stripe.interpret(body, source=source))  # type: ignore[misc]


def _read_twice(read: Callable[[], Reading]) -> None:
    reading = told(read, CannotUse)
    if isinstance(reading, CannotUse):
        assert str(reading)
        return
    assert reading == read()
    for value in _leaves(reading):
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
        assert not isinstance(value, float)
        assert not isinstance(value, int) or abs(value) < 10**DIGITS


def _leaves(value: Any) -> Iterator[Any]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _leaves([*value.keys(), *value.values()])
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def json_object(body: bytes) -> None:
    """The door's own reader agrees with Python's about what is a JSON object."""
    try:
        ours: object = parse_object(body)
    except NotAnObject:
        ours = None
    try:
        theirs = json.loads(body.decode("utf-8"), parse_int=str, parse_constant=_no_constant)
    except RecursionError:
        return
    except ValueError:
        theirs = None
    assert isinstance(theirs, dict) == isinstance(ours, dict)


def _no_constant(_: str) -> None:
    raise ValueError


def alpaca_sse(data: bytes) -> None:
    """However the network cuts the stream into pieces, the same frames come out; the first byte says how."""
    size, stream = (data[0] % 7) + 1 if data else 1, data[1:]
    whole, cut = Parser(), Parser()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [*whole.feed(stream)] == [found for piece in pieces for found in cut.feed(piece)]


def provider_answer(data: bytes) -> None:
    """What a provider says beside its JSON: when to come back, and what was wrong, fit to be shown."""
    first, _, body = data.partition(b"\n")
    for header in ("Retry-After", "X-RateLimit-Reset"):
        wait = retry_after({header: first.decode("latin-1")}, NOW)
        assert wait is None or wait >= timedelta()
    for text in problem(body):
        assert text is None or "\0" not in safe(text, ["hidden-secret"])
    assert "hidden-secret" not in safe(f"{first.decode('latin-1')}hidden-secret", ["hidden-secret"])
