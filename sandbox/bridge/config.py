"""What can be chosen of Bridge."""

from __future__ import annotations

from dataclasses import dataclass

BRIDGE_KEYS: frozenset[str] = frozenset({"bridge_api_keys", "bridge_signing_keys"})  # what a test may renew


@dataclass(frozen=True)
class BridgeConfig:
    """Each has a default that works; every name begins with `bridge_`."""

    bridge_api_keys: tuple[str, ...] = ("sk-test-bridge-sandbox",)  # each is accepted, as during a rotation
    bridge_signing_keys: tuple[str, ...] = ()  # base64 of PKCS#8 DER: keys of the first endpoints; the rest are ours
    bridge_webhook_url: str | None = None  # makes one active endpoint for every category at the start
    bridge_https_only: bool = False  # whether an endpoint's url must be https, as at Bridge
    bridge_event_types: str = "prefixed"  # "transfer.created"; or "bare": "created"; or "mixed"
    bridge_envelope: str = "real"  # or "seed": the first seed's {id, type, data}; or "both"
    bridge_events_paging: str = "forward"  # /webhook_events: oldest first; "backward" as other lists; "swapped"
    bridge_seed_customers: bool = False  # a customer's `kyc_status` in place of `status`
    bridge_escaped_pem: bool = False  # public keys with a backslash and an n for each end of line
    bridge_bare_lists: bool = False  # transfers and drains as arrays, as older documents show them
    bridge_not_found_status: int = 404  # or 400: documents show both
    bridge_rate_limit: int | None = None  # requests a minute; none is published
    bridge_key_seconds: float = 86_400.0  # how long an idempotency key replays; then it is dead
    bridge_keeps_refusals: bool = True  # whether a 4xx is the key's answer for good, like a success
    bridge_step_seconds: float = 0.2  # between the states of a transfer or drain that nobody gave a course
    bridge_takes_return_address: bool = True  # with an order; False: 400, for its documentation does not name it
    bridge_chain_seconds: float = 0.1  # from leaving Bridge to arriving on the chain
    bridge_exchange_fee_percent: str = "0"  # kept at each conversion
    bridge_submitted_in: str = "source"  # currency of a payment_submitted activity; or "destination"
    bridge_return_address: str | None = None  # the developer's return policy for crypto; None: none is set
