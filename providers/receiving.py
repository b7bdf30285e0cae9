"""What the door needs of each provider: which routes are its own, how it signs, where its event's name stands.

Pure, and light on purpose: the receiver imports this and must not reach anything that calls out.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.due import signature as due
from providers.event_names import EventName, clean_type, digest_of, storable_id
from providers.rotation import Secret, Windowed
from providers.webhook_keys import Headers, MatchedKey, WebhookKey

Verify = Callable[[bytes, Headers, datetime], MatchedKey]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receiving:
    """One route. `kept_headers` (lower case) are stored beside the body; none of them is a secret."""

    provider: str
    verify: Verify
    name: Callable[[bytes, Body], EventName]
    kept_headers: frozenset[str] = frozenset({"content-type", "user-agent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingKeys:
    """The keys of every provider as configured; an empty one closes its routes."""

    due_public_keys: Sequence[Windowed[bytes]] = ()
    due_legacy_secrets: Sequence[Windowed[Secret]] = ()


def routes(keys: ReceivingKeys) -> Mapping[str, Receiving]:
    """Each open route, by its exact path. A provider without a receiving key has none."""
    found: dict[str, Receiving] = {}
    public, secrets = due.load_keys(keys.due_public_keys), due.load_legacy_secrets(keys.due_legacy_secrets)
    if public:
        found["/webhooks/due"] = Receiving("due", partial(_verify_due, public), _name_due)
    if public or secrets:
        found["/webhooks/due/deposit"] = Receiving("due", partial(_verify_due_deposit, public, secrets), _name_due)
    return found


def _verify_due(
    public: Sequence[WebhookKey[Ed25519PublicKey]], body: bytes, headers: Headers, now: datetime
) -> MatchedKey:
    return due.verify(body, headers, public, now)


def _verify_due_deposit(
    public: Sequence[WebhookKey[Ed25519PublicKey]],
    secrets: Sequence[WebhookKey[bytes]],
    body: bytes,
    headers: Headers,
    now: datetime,
) -> MatchedKey:
    """With both headers only Ed25519 counts: the weaker check is never a way round the stronger one."""
    if due.HEADER in headers or due.LEGACY_HEADER not in headers:
        return due.verify(body, headers, public, now)
    return due.verify_legacy(body, headers, secrets, now)


def _name_due(body: bytes, event: Body) -> EventName:
    """Due's own event id; else type, object and status, as Due's older events lack an id; else the bytes."""
    kind = event.get("type") or event.get("event")
    shown = clean_type(kind)
    if isinstance(event.get("id"), str) and event["id"]:
        return EventName(storable_id(event["id"]), shown)
    data = event.get("data")
    if isinstance(data, dict):
        fields = (event.get("type"), data.get("id"), data.get("status"))
        texts = [field for field in fields if isinstance(field, str) and field]
        if len(texts) == len(fields):
            return EventName(f"fields:{digest_of(*texts)}", shown)
    return EventName(f"sha256:{hashlib.sha256(body).hexdigest()}", shown)
