"""Webhooks: whom Ibex tells of an account's transactions, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.ibex.manner import Manner
from sandbox.ibex.model import RECEIVED, Subscription, Transaction
from sandbox.ibex.views import dump
from sandbox.outbox import LoggedEvent

if TYPE_CHECKING:
    from sandbox.world import World


class Webhooks:
    """At most one subscription an account; `manner` is how it is told, now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.of_account: dict[str, Subscription] = {}
        self.manner = Manner.of(world.config)

    def subscribe(self, account_id: str, url: str, secret: str | None) -> Subscription:
        """Tell this url from now on, in place of any other."""
        made = Subscription(self._world.ids.uuid("ibex_webhook"), account_id, url, secret)
        self.of_account[account_id] = made
        return made

    def tell_change(self, one: Transaction) -> None:
        """Tell of a new status by itself, if the manner has it told."""
        told = one.type_id == RECEIVED or self.manner.sends
        if told and one.status in self.manner.statuses and not self.manner.silent:
            self.tell(one)

    def tell(self, one: Transaction, manner: Manner | None = None) -> bool:
        """Tell of a transaction as it is, in each of the manner's shapes; False if nobody listens."""
        subscription, manner = self.of_account.get(one.account_id), manner or self.manner
        if subscription is None:
            return False
        # Only the account shape is known to tell of sends: the others say that something was received.
        for shape in manner.shapes if one.type_id == RECEIVED else ("account",):
            self._post(shape, manner, subscription, one)
        return True

    def _post(self, shape: str, manner: Manner, subscription: Subscription, one: Transaction) -> None:
        config = self._world.config
        secret = config.ibex_webhook_secret if subscription.secret is None else subscription.secret
        payload, extra = manner.with_secret(shape, manner.body(shape, one, config), secret)
        headers = {"Content-Type": "application/json", "User-Agent": "IBEX-Webhooks/1", **extra}
        event = LoggedEvent(
            provider="ibex",
            id=self._world.ids.uuid("ibex_event"),
            endpoint_id=subscription.id,
            url=subscription.url,
            type=shape,
            payload=payload,
            body=dump(payload).encode(),
            headers=headers,
            occurred_at=self._world.now(),
            subject=one.id,
            status=one.status,
        )
        self._world.outbox.post(event)
