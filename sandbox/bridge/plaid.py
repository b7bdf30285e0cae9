"""Linking a bank account through Plaid: a link token, and what the person brings back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.bridge.errors import refused
from sandbox.bridge.model import Customer, ExternalAccount
from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.bridge.state import BridgeState
    from sandbox.world import World

_GOOD_FOR = timedelta(hours=4)


class Plaid:
    """Link tokens under way; each makes one external account at most."""

    def __init__(self, world: World, state: BridgeState) -> None:
        self._world = world
        self._state = state
        self._open: dict[str, tuple[Customer, datetime]] = {}

    def ask(self, customer: Customer) -> dict[str, Any]:
        """A link token, as the API answers it."""
        token = self._world.ids.prefixed("link-sandbox")
        expires_at = self._world.now() + _GOOD_FOR
        self._open[token] = (customer, expires_at)
        return {
            "link_token": token,
            "link_token_expires_at": milliseconds(expires_at),
            "callback_url": f"https://api.sandbox.bridge.xyz/v0/plaid_exchange_public_token/{token}",
        }

    def finish(self, token: str) -> ExternalAccount:
        """The person chose a bank. Raises: BridgeError 400: no such token, or it is used up or too old."""
        found = self._open.pop(token, None)
        if found is None or found[1] <= self._world.now():
            raise refused("bad_request", "the link token is unknown or has expired")
        return self._state.people.add_bank(found[0], bank_name="First Platypus Bank")
