"""What a pretended world can be told when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sandbox.bridge.config import BRIDGE_KEYS, BridgeConfig
from sandbox.ibex.config import IBEX_KEYS, IbexConfig
from sandbox.stripe.config import STRIPE_KEYS, StripeConfig

RENEWABLE = frozenset({"due_api_keys", "due_legacy_secret", "alpaca_keys"}) | BRIDGE_KEYS | IBEX_KEYS | STRIPE_KEYS


@dataclass(frozen=True)
class Config(BridgeConfig, IbexConfig, StripeConfig):
    """Everything that can be chosen; each has a default that works. Money is decimal text."""

    due_api_keys: tuple[str, ...] = ("due-sandbox-key",)  # each is accepted, as during a rotation
    due_signing_seeds: tuple[str, ...] = ()  # hex of 32 bytes: Ed25519 keys of the first endpoints; the rest are drawn
    due_legacy_secret: str = "due-legacy-sandbox-secret"  # noqa: S105 - made up; signs the first seed's own event shape
    due_webhook_url: str | None = None  # makes one webhook endpoint at the start
    due_legacy_webhook_url: str | None = None  # where the first seed's events go instead of to every endpoint
    due_rate_limit: int | None = None  # requests a minute; Due publishes none, so none by default
    time_digits: int = 9  # fractional digits in Due's times
    amount_style: str = "varied"  # or "plain": amounts exactly as they were given
    event_data: str = "object"  # how the delivery log shows eventData: object, text, base64 or integers
    bare_lists: bool = False  # Due's small lists as arrays, where its texts contradict each other
    payout_delay_seconds: float = 0.0  # from payment_processed to the money in the firm's Alpaca account
    alpaca_keys: tuple[tuple[str, str], ...] = (("CKSANDBOX0000000001", "alpaca-sandbox-secret"),)
    alpaca_rate_limit: int = 60_000  # requests a minute
    firm_account_id: str | None = None  # drawn from the seed when absent
    firm_cash: str = "0"
    journal_queue_seconds: float = 0.1  # queued to sent_to_clearing; 0 answers executed at once
    journal_clearing_seconds: float = 0.1  # sent_to_clearing to executed
    journal_single_limit: str = "10000000"  # above it a journal waits for a person
    journal_daily_limit: str = "1000000000"
    idempotency_seconds: float = 86_400.0  # how long Alpaca remembers a key
    idempotency_keeps_refusals: bool = True  # whether a 4xx is the key's answer for good, like a success
    heartbeat_seconds: float = 5.0  # between comment lines of a stream
    time_scale: float = 1.0  # divides the waits between tries of a webhook

    @classmethod
    def load(cls, given: Mapping[str, Any] | None) -> Config:
        """Defaults with `given` over them; lists become tuples. Raises: ValueError: a name that does not exist."""
        known = {field.name for field in fields(cls)}
        chosen = dict(given or {})
        if unknown := sorted(set(chosen) - known):
            raise ValueError(f"unknown setting of the sandbox: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**{name: _frozen(value) for name, value in chosen.items()})

    def renewed(self, keys: Mapping[str, Any]) -> Config:
        """The same with other keys or secrets; None leaves one as it is. Raises: ValueError: what is no key."""
        if unknown := sorted(set(keys) - RENEWABLE):
            raise ValueError(f"not a key of the sandbox: {', '.join(unknown)}; known: {', '.join(sorted(RENEWABLE))}")
        return replace(self, **{name: _frozen(value) for name, value in keys.items() if value is not None})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
