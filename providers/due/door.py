"""Due's routes of the door: which check each makes, and where its events' names stand."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.due import signature
from providers.event_names import EventName, clean_type, digest_of, storable_id
from providers.receiving import Body, Receiving
from providers.rotation import Secret, Windowed
from providers.webhook_keys import Headers, MatchedKey, WebhookKey, load_secrets


def routes(keys: Sequence[Windowed[bytes]], legacy_secrets: Sequence[Windowed[Secret]]) -> Mapping[str, Receiving]:
    """Due's own route where it has a key; the seed's where either kind of key is there."""
    found: dict[str, Receiving] = {}
    public, secrets = signature.load_keys(keys), load_secrets(legacy_secrets)
    if public:
        found["/webhooks/due"] = Receiving("due", partial(_verify, public), name)
    if public or secrets:
        found["/webhooks/due/deposit"] = Receiving("due", partial(_verify_deposit, public, secrets), name)
    return found


def name(body: bytes, event: Body) -> EventName:
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


def _verify(public: Sequence[WebhookKey[Ed25519PublicKey]], body: bytes, headers: Headers, now: datetime) -> MatchedKey:
    return signature.verify(body, headers, public, now)


def _verify_deposit(
    public: Sequence[WebhookKey[Ed25519PublicKey]],
    secrets: Sequence[WebhookKey[bytes]],
    body: bytes,
    headers: Headers,
    now: datetime,
) -> MatchedKey:
    """With both headers only Ed25519 counts: the weaker check is never a way round the stronger one."""
    if signature.HEADER in headers or signature.LEGACY_HEADER not in headers:
        return signature.verify(body, headers, public, now)
    return signature.verify_legacy(body, headers, secrets, now)
