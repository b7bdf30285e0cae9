"""All providers and the team's backend, answering at once: the sandbox would be measured, not what calls it.

One address for all: Due and Alpaca are here, the others in `_instant_ramps` and `_instant_stripe`. A transfer exists as
soon as it is asked for, and is paid out; a journal is executed when it is made, once for each idempotency key; listings
without an account, and the stream, tell nothing new. What was made and told, and how many calls there were, is asked
for at `/_made`. Run as a program, it listens on PORT.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from benchmarks import _instant_stripe
from benchmarks._instant_ramps import Ramps
from benchmarks._webhooks import account_number, transfer_id

FIRM: Final = "9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"
HOOK: Final = "/backend"
HEARTBEAT_S: Final = 15.0  # of the stream
AMOUNT: Final = "250.00"  # as the webhooks say
FEE: Final = "0.50"
PAID: Final = "249.50"
_JSON_HEAD: Final = "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n"

Answer = tuple[HTTPStatus, Any]
NOT_FOUND: Final[Answer] = (HTTPStatus.NOT_FOUND, {"message": "not found"})


def brokerage_account(whose: int) -> str:
    """Of the person of that number."""
    return str(uuid5(NAMESPACE_URL, f"brokerage-{whose}"))


@dataclass
class Providers:
    """What was made there. `told` counts the messages to the backend by their id."""

    began: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    by_key: dict[str, dict[str, str]] = field(default_factory=dict)
    by_id: dict[str, dict[str, str]] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)  # journals, by the transfer they are for
    told: Counter[str] = field(default_factory=Counter)
    ramps: Ramps = field(default_factory=Ramps)
    calls: int = 0  # to providers

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request, answered."""
        parts = urlsplit(target)
        path = parts.path.strip("/").split("/")
        match method, path:
            case "POST", ["backend"]:
                self.told[headers.get("webhook-id", "")] += 1
                return HTTPStatus.OK, {}
            case "GET", ["_made"]:
                made = {"journals": self.made, "transfers": self.ramps.transfers, "sends": self.ramps.sends}
                return HTTPStatus.OK, {**made, "told": self.told, "calls": self.calls}
        self.calls += 1
        match path:
            case ["v0", *rest]:
                return self.ramps.bridge(method, rest, parts.query, headers, body)
            case ["v1", ("checkout" | "refunds" | "disputes" | "events" | "crypto"), *_]:
                return _instant_stripe.answer(path[1:])
        return self.ramps.ibex(method, path, parts.query, body) or self._due_or_alpaca(
            method, path, parse_qs(parts.query), headers, body
        )

    def _due_or_alpaca(
        self, method: str, path: list[str], asked: Mapping[str, list[str]], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        match method, path:
            case "GET", ["v1", "transfers", transfer]:
                return self._transfer(transfer)
            case "POST", ["v1", "journals"]:
                return self._create(headers.get("idempotency-key", ""), json.loads(body))
            case "GET", ["v1", "journals", journal]:
                return (HTTPStatus.OK, self.by_id[journal]) if journal in self.by_id else NOT_FOUND
            case "GET", ["v1", "journals"]:
                account = asked.get("to_account", [""])[0]
                return HTTPStatus.OK, [one for one in self.by_id.values() if one["to_account"] == account]
            case "GET", ["v1", "trading", "accounts", account, "account"]:
                return HTTPStatus.OK, _balances(account)
            case "GET", ["v1", "accounts", "activities"]:
                return HTTPStatus.OK, []
            case "GET", ["v1", "transfers" | "accounts" | "webhook_endpoints"]:
                return HTTPStatus.OK, {"items": []}
            case _:
                return NOT_FOUND

    def _transfer(self, transfer: str) -> Answer:
        number = transfer.removeprefix("tf_")
        if not number.isdecimal() or transfer != transfer_id(int(number)):
            return NOT_FOUND
        whose = account_number(int(number))
        came = {"amount": AMOUNT, "fee": "0.00", "currency": "USDC", "rail": "base"}
        return HTTPStatus.OK, {
            "id": transfer,
            "ownerId": f"acct_{whose:04d}",
            "status": "payment_processed",
            "source": {**came, "virtualAccountId": f"va_{whose:04d}"},
            "destination": {"amount": PAID, "fee": FEE, "currency": "USD", "rail": "ach"},
            "createdAt": self.began,
        }

    def _create(self, key: str, order: Mapping[str, str]) -> Answer:
        known = self.by_key.get(key)
        if known is not None:
            return HTTPStatus.OK, known
        journal = {
            "id": str(uuid5(NAMESPACE_URL, f"journal-{len(self.by_key)}")),
            "entry_type": "JNLC",
            "from_account": order["from_account"],
            "to_account": order["to_account"],
            "status": "executed",
            "net_amount": order["amount"],
            "currency": "USD",
            "description": order["description"],
            "system_date": self.began[:10],
            "settle_date": self.began[:10],
        }
        self.by_key[key] = self.by_id[journal["id"]] = journal
        self.made[order["description"].rpartition(" ")[2]] += 1
        return HTTPStatus.OK, journal


def _balances(account: str) -> dict[str, str]:
    cash = "100000000.00"
    return {"id": account, "cash": cash, "buying_power": cash, "cash_transferable": cash}


class _Exchange(asyncio.Protocol):
    """One connection: requests with a length, one after the other; the stream of journals never ends."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._beat: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        if self._beat is not None:
            self._beat.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._data[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._data) < whole:
                return
            body = bytes(self._data[end + 4 : whole])
            del self._data[:whole]
            method, target, _ = first.split(" ")
            self._write(method, target, headers, body)

    def _write(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        if self._transport is None:
            return
        if target.startswith("/v2/events/"):
            self._transport.write(_STREAM_HEAD)
            self._keep_alive()
            return
        status, value = self._providers.answer(method, target, headers, body)
        content = json.dumps(value).encode()
        self._transport.write(_JSON_HEAD.format(status.value, status.phrase, len(content)).encode() + content)

    def _keep_alive(self) -> None:
        if self._transport is not None:
            self._transport.write(b": heartbeat\n\n")
            self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._keep_alive)


async def serve(port: int) -> None:
    """Answer on that loopback port until SIGTERM or SIGINT."""
    providers = Providers()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: _Exchange(providers), "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(os.environ["PORT"])))
