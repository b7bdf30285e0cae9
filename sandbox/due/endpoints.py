"""Webhook endpoints: whom Due tells, about what, under which key."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.due import views
from sandbox.due.model import Endpoint, Transfer, VirtualAccount
from sandbox.due.signing import SigningKey
from sandbox.outbox import LoggedEvent
from sandbox.times import rfc3339

if TYPE_CHECKING:
    from sandbox.world import World

EVENT_NAMES = (
    "transfer.status_changed",
    "virtual_account.updated",
    "bp.kyc.status_changed",
    "bp.tos_accepted",
    "transfers.kyc.submission.status_changed",
    "transfers.kyc.sumsub.status_changed",
)
_SENDING_TAKES = timedelta(milliseconds=40)  # between occurredAt and attemptedAt


class Endpoints:
    """Every endpoint, by id. Keys come from the seed in order, so the first is known before its endpoint is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: list[SigningKey] = [SigningKey(bytes.fromhex(text)) for text in world.config.due_signing_seeds]
        self._made = 0
        self.by_id: dict[str, Endpoint] = {}
        if world.config.due_webhook_url is not None:
            self.add(world.config.due_webhook_url)

    def key(self, number: int) -> SigningKey:
        """The key of the endpoint that was, or will be, made as the `number`th, from 0."""
        while len(self._keys) <= number:
            self._keys.append(SigningKey.draw(self._world.ids.stream("due_key")))
        return self._keys[number]

    def add(
        self,
        url: str,
        events: list[str] | None = None,
        description: str = "",
        owner_id: str = "",
    ) -> Endpoint:
        """An endpoint; without `events` it hears everything."""
        chosen = list(EVENT_NAMES) if events is None else events
        endpoint = Endpoint(
            self._world.ids.prefixed("whk"),
            url,
            chosen,
            description,
            owner_id,
            self.key(self._made),
        )
        self._made += 1
        self.by_id[endpoint.id] = endpoint
        return endpoint

    def announce_transfer(self, transfer: Transfer) -> None:
        """Tell everyone who listens that a transfer changed, with the whole transfer as it now is."""
        self.announce("transfer.status_changed", views.transfer(transfer, self._world.config.time_digits))

    def announce_virtual_account(self, account: VirtualAccount) -> None:
        """Tell everyone who listens that a virtual account has its details."""
        self.announce("virtual_account.updated", views.virtual_account(account, self._world.config.time_digits))

    def announce(self, kind: str, data: dict[str, Any]) -> None:
        """Send an event to each endpoint that listens for it, signed once: every resend carries the same bytes."""
        now, digits = self._world.now(), self._world.config.time_digits
        for endpoint in self.by_id.values():
            if not endpoint.enabled or kind not in endpoint.events:
                continue
            event_id = self._world.ids.prefixed("wh_evt")
            payload: dict[str, Any] = {
                "id": event_id,
                "type": kind,
                "data": data,
                "occurredAt": rfc3339(now, digits),
                "attemptedAt": rfc3339(now + _SENDING_TAKES, digits),
            }
            body = _dump(payload)
            self._post(endpoint, event_id, kind, payload, body, {"X-Webhook-Signature": endpoint.key.sign(body)})

    def announce_seed_deposit(self, virtual_account_id: str, amount: str) -> None:
        """Send the first seed's own body, under the HMAC that seed's notes describe: to its own address, if it has one.

        The log of the first endpoint keeps it then, else that of each.
        """
        payload = {"event": "deposit", "virtualAccountId": virtual_account_id, "amount": amount}
        body = _dump(payload)
        digest = hmac.new(self._world.config.due_legacy_secret.encode(), body, hashlib.sha256).hexdigest()
        own = self._world.config.due_legacy_webhook_url
        for endpoint in list(self.by_id.values())[: 1 if own else None]:
            told = endpoint if own is None else replace(endpoint, url=own)
            event_id = self._world.ids.prefixed("wh_evt")
            self._post(told, event_id, "deposit", payload, body, {"X-Due-Signature": digest})

    def renew_key(self, endpoint: Endpoint, number: int | None = None) -> None:
        """Sign what is announced from now on with another key; what waits to be sent again keeps its signature.

        `number` names a key that has been there, from 0.
        """
        endpoint.key = self.key(self._made if number is None else number)
        self._made += number is None

    def _post(
        self,
        endpoint: Endpoint,
        event_id: str,
        kind: str,
        payload: dict[str, Any],
        body: bytes,
        signature: dict[str, str],
    ) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "Due-Webhooks/1", **signature}
        data = payload.get("data", {})
        event = LoggedEvent(
            *("due", event_id, endpoint.id, endpoint.url, kind, payload, body, headers, self._world.now()),
            subject=data.get("id"),
            status=data.get("status"),
        )
        self._world.outbox.post(event)


def _dump(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()
