"""An IBEX that behaves as it is told, for what the pretended one never does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from providers.ibex.adapter import IbexAdapter
from tests.contract.ibex.client import ByHand, an_adapter
from tests.support.odd_server import Behave, OddServer, read_request


@contextmanager
def speaking_to(behave: Behave) -> Iterator[IbexAdapter]:
    """The port, over an IBEX that behaves as it is told."""
    with OddServer(behave) as server, an_adapter(server.url, ByHand()) as adapter:
        yield adapter


def shown() -> bytes:
    return (
        b'{"id":"tx_1","createdAt":"2026-03-04T15:20:01Z","settledAt":"2026-03-04T15:20:11Z","accountId":"acc_1",'
        b'"amount":100.0,"currencyId":29,"transactionTypeId":9,"status":"completed"}'
    )


def by_path(replies: dict[bytes, bytes], otherwise: bytes, *, seen: list[bytes] | None = None) -> Behave:
    """To each request the first reply whose name stands in its first line."""

    def behave(connection: Any, stopping: threading.Event) -> None:
        while request := read_request(connection):
            if seen is not None:
                seen.append(request)
            line = request.split(b"\r\n")[0]
            connection.sendall(next((reply for name, reply in replies.items() if name in line), otherwise))

    return behave
