"""What the door needs of each provider: which routes are its own, how it signs, where its event's name stands.

Pure, and light on purpose: the receiver imports this and must not reach anything that calls out.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.due import signature as due
from providers.rotation import Secret, Windowed
from providers.webhook_keys import Headers, MatchedKey, WebhookKey

Verify = Callable[[bytes, Headers, datetime], MatchedKey]
Body = Mapping[str, Any]

# Ids of our own making share the unique index with the provider's: none of theirs may look like one of ours.
_OWN_IDS: Final = re.compile(r"(poll|replay|stream|named|fields|sha256):")
_PLAIN_ID: Final = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class EventName:
    """How an event is told apart from all others of its provider.

    `numbered` means the body names nothing: `id` is the digest of its bytes, and the same bytes may be another
    event, so storing adds an arrival number.
    """

    id: str
    type: str | None
    numbered: bool = False


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
            return EventName(f"fields:{_digest(*texts)}", shown)
    return EventName(f"sha256:{hashlib.sha256(body).hexdigest()}", shown, numbered=True)


def storable_id(text: str) -> str:
    """The provider's id as it is when it is plain; a digest of it when it is long, odd, or looks like one of ours."""
    if _PLAIN_ID.fullmatch(text) and not _OWN_IDS.match(text):
        return text
    return f"named:{_digest(text)}"


def clean_type(value: object) -> str | None:
    """An event type fit for a column: printable, at most 100 characters; None when it is not text."""
    if not isinstance(value, str) or not value:
        return None
    kept = value[:100]
    return kept if kept.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in kept)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
