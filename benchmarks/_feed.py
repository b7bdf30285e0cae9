"""Webhooks posted to a door, each waited for, as many at a time as there are connections."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from benchmarks._load import PATIENCE_S, status_of
from benchmarks._processes import BenchmarkFailed

CONNECTIONS: Final = 16


def feed(port: int, requests: Sequence[bytes]) -> None:
    """Post these, as many at a time as there are connections. Raises: BenchmarkFailed: one was not accepted."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            for _ in range(min(CONNECTIONS, len(requests)))
        ]
        for start in range(0, len(requests), len(connections)):
            pairs = list(zip(connections, requests[start : start + len(connections)], strict=False))
            for connection, content in pairs:
                connection.sendall(content)
            for connection, _ in pairs:
                data = bytearray()
                while (status := status_of(data)) is None:
                    came = connection.recv(65536)
                    if not came:
                        raise BenchmarkFailed("the door hung up")
                    data += came
                if status != "accepted":
                    raise BenchmarkFailed(f"the door answered {status}")
