"""Alpaca's event streams: history by time or id, then what happens, with heartbeats and misbehaviour."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from flask import Response, request

from sandbox.alpaca.errors import AlpacaError, invalid
from sandbox.alpaca.streams import EventLog, Frame
from sandbox.http import Routes, route
from sandbox.ids import ulid_milliseconds
from sandbox.times import parse
from sandbox.world import World

_HEARTBEAT = b":heartbeat\n\n"


@dataclass(frozen=True)
class Bounds:
    """What part of the history a reader asked for; times or ids, never both."""

    since: datetime | None = None
    until: datetime | None = None
    since_id: str | None = None
    until_id: str | None = None

    @property
    def ends(self) -> bool:
        """Whether the stream closes once the history is sent."""
        return self.until is not None or self.until_id is not None

    @property
    def starts(self) -> bool:
        """Whether any history is wanted."""
        return self.since is not None or self.since_id is not None

    def holds(self, frame: Frame) -> bool:
        """Whether a frame lies within; ids are compared as they are, known or not, bounds included."""
        return (
            (self.since is None or frame.at >= self.since)
            and (self.until is None or frame.at <= self.until)
            and (self.since_id is None or frame.event_id >= self.since_id)
            and (self.until_id is None or frame.event_id <= self.until_id)
        )


def bounds_of_request() -> Bounds:
    """The replay parameters. Raises: AlpacaError 422: mixed, an end without a start, or not readable."""
    given = {name: request.args[name] for name in ("since", "until", "since_id", "until_id") if name in request.args}
    if given.keys() & {"since", "until"} and given.keys() & {"since_id", "until_id"}:
        raise invalid("times and ids cannot be mixed")
    for end, start in (("until", "since"), ("until_id", "since_id")):
        if end in given and start not in given:
            raise invalid(f"{end} needs {start}")
    try:
        moments = {name: parse(given[name].replace(" ", "+")) for name in ("since", "until") if name in given}
        for name in ("since_id", "until_id"):
            if name in given:
                ulid_milliseconds(given[name])
    except ValueError as error:
        raise invalid("since and until are dates or RFC 3339 times, ids are ULIDs") from error
    return Bounds(moments.get("since"), moments.get("until"), given.get("since_id"), given.get("until_id"))


class StreamRoutes(Routes):
    """The streams. `environ["sandbox.stopping"]` (an Event) ends them; `["sandbox.instant"]` ends them when idle."""

    table: ClassVar = (
        ("GET", "/v2/events/journals/status", "journals"),
        ("GET", "/v2/events/funding/status", "funding"),
        ("GET", "/v1/events/transfers/status", "gone"),
    )

    def journals(self) -> Response:
        """Changes of journals."""
        return self._open(self.world.alpaca.journal_events)

    def funding(self) -> Response:
        """Changes of bank transfers."""
        return self._open(self.world.alpaca.funding_events)

    def gone(self) -> Response:
        """The legacy stream, closed to new partners."""
        raise AlpacaError(410, "this stream is no longer available: use /v2/events/funding/status")

    def _open(self, log: EventLog) -> Response:
        frames = stream(self.world, log, bounds_of_request(), route(), dict(request.environ))
        return Response(frames, mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


def stream(world: World, log: EventLog, bounds: Bounds, where: str, environ: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of one reader's stream. Faults strike live frames only: the history is always whole."""
    with world.lock:
        place = len(log.frames)
        history = [frame for frame in log.frames if bounds.holds(frame)] if bounds.starts else []
    yield b"".join(map(_written, history)) or b":connected\n\n"
    if bounds.ends:
        return
    stopping, instant = environ.get("sandbox.stopping"), bool(environ.get("sandbox.instant"))
    while not (stopping is not None and stopping.is_set()):
        with world.lock:
            if place >= len(log.frames) and not instant:
                _await_frame(world, log, place, stopping)
            fresh, place = log.frames[place:], len(log.frames)
            sent, closing = _misbehaved(world, fresh, where)
            silent = not fresh and world.faults.take("stream_silent", "alpaca", where) is not None
        if sent or not silent:
            yield sent or _HEARTBEAT
        if closing or (instant and not fresh):
            return


def _await_frame(world: World, log: EventLog, place: int, stopping: Any) -> None:
    """Wait until there is a frame past `place`, the server stops, or a heartbeat is due."""
    world.changed.wait_for(
        lambda: place < len(log.frames) or (stopping is not None and stopping.is_set()),
        world.config.heartbeat_seconds,
    )


def _misbehaved(world: World, fresh: list[Frame], where: str) -> tuple[bytes, bool]:
    """These live frames as the faults leave them, and whether the stream closes after them."""
    take, kept, lost = world.faults.take, list[Frame](), 0
    for frame in fresh:
        if take("stream_overrun", "alpaca", where) is not None:
            lost += 1
            continue
        if take("stream_dropped", "alpaca", where) is not None:
            continue
        kept += [frame, frame] if take("stream_doubled", "alpaca", where) is not None else [frame]
    for number in range(len(kept) - 1):
        first, second = kept[number : number + 2]
        # Order is promised for each account only, so neighbours of different accounts may change places.
        if first.account_id != second.account_id and take("stream_swapped", "alpaca", where) is not None:
            kept[number : number + 2] = second, first
    text = b"".join(map(_written, kept))
    if lost:
        text += f": you are reading too slowly, dropped {lost} messages\n\n".encode()
    if fresh and take("stream_error", "alpaca", where) is not None:
        return text + b": internal server error\n\n", True
    return text, bool(fresh) and take("stream_closed", "alpaca", where) is not None


def _written(frame: Frame) -> bytes:
    return f"data: {json.dumps(frame.payload, separators=(',', ':'))}\n\n".encode()
