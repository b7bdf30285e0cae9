"""The load: a program that sends signed webhooks over connections kept alive and notes when each is answered.

Plain sockets in one thread, because on a small machine a client's own cost is taken from the server it measures. Two
ways: as fast as answers come (each connection sends its next request when it has its answer), or at a steady rate,
where a request that must wait for a free connection has begun when it should have been sent.
"""

import argparse
import gc
import json
import math
import selectors
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Final

from benchmarks._webhooks import request

SETTLE_S: Final = 0.5  # what is answered before that is not counted: connections open, threads start
PATIENCE_S: Final = 30.0  # with no answer for so long the server is taken for dead


class ServerSilent(Exception):
    """It closed a connection, or answered nobody for `PATIENCE_S`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Answers a second and their times in milliseconds, both once settled; `answers` by status, all of them.

    `accepted` are the numbers of the events that were answered so.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    answers: dict[str, int]
    accepted: list[int]


@dataclass(slots=True, eq=False)
class _Connection:
    """One socket and the request under way on it: its number, when it was due, what has come of its answer."""

    socket: socket.socket
    number: int = 0
    due: float = 0.0
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class _Answer:
    number: int
    due: float
    at: float
    status: str


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least this share of them does not exceed. Raises: ValueError: there are none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def status_of(data: bytes | bytearray) -> str | None:
    """What a whole answer says: "accepted", "duplicate" or its HTTP status; None as long as some of it is missing."""
    head, ended, content = bytes(data).partition(b"\r\n\r\n")
    if not ended:
        return None
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    if len(content) < length:
        return None
    code = lines[0].split()[1].decode()
    return str(json.loads(content)["status"]) if code == "200" else code


def drive(
    port: int, requests: Sequence[bytes], *, first: int, connections: int, seconds: float, rate: float | None
) -> Measured:
    """Send `requests`, numbered from `first`, for so many seconds or until none is left; then wait for every answer.

    `rate` is requests a second; None, as many as are answered. Raises: ServerSilent.
    """
    answers: list[_Answer] = []
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        # In turn: a server hangs up on one that is left idle.
        idle = deque(_open(port, selector, stack) for _ in range(connections))
        start = time.monotonic()
        sent = 0
        while True:
            now = time.monotonic()
            while idle and sent < len(requests) and now - start < seconds:
                due = now if rate is None else start + sent / rate
                if due > now:
                    break
                connection = idle.popleft()
                connection.number, connection.due = first + sent, due
                connection.socket.sendall(requests[sent])
                sent += 1
            over = sent == len(requests) or now - start >= seconds
            if over and len(idle) == connections:
                break
            waits = rate is not None and idle and not over
            events = selector.select(max(start + sent / rate - now, 0) if waits and rate else PATIENCE_S)
            if not events and not waits:
                raise ServerSilent
            for key, _ in events:
                connection = key.data
                if answer := _receive(connection):
                    answers.append(answer)
                    idle.append(connection)
    return _measured(answers, start)


def _open(port: int, selector: selectors.BaseSelector, stack: ExitStack) -> _Connection:
    connection = _Connection(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)))
    connection.socket.settimeout(None)  # each call with one asks the system twice
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def _receive(connection: _Connection) -> _Answer | None:
    came = connection.socket.recv(65536)
    if not came:
        raise ServerSilent
    connection.data += came
    status = status_of(connection.data)
    if status is None:
        return None
    connection.data.clear()
    return _Answer(connection.number, connection.due, time.monotonic(), status)


def _measured(answers: Sequence[_Answer], start: float) -> Measured:
    begin = start + SETTLE_S
    settled = [answer for answer in answers if answer.at >= begin]
    times = [(answer.at - answer.due) * 1000 for answer in settled]
    return Measured(
        per_s=len(settled) / (settled[-1].at - begin),
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
        answers=dict(Counter(answer.status for answer in answers)),
        accepted=[answer.number for answer in answers if answer.status == "accepted"],
    )


def main() -> None:
    """Sign, send, and print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--port", "--first", "--count", "--connections"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    requests = [request(number) for number in range(given.first, given.first + given.count)]
    gc.disable()  # a pause of ours would be counted as the server's
    measured = drive(
        given.port,
        requests,
        first=given.first,
        connections=given.connections,
        seconds=given.seconds,
        rate=given.rate,
    )
    json.dump(asdict(measured), sys.stdout)


if __name__ == "__main__":
    main()
