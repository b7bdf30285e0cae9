"""Bridge's routes of the door: whose keys each takes, and where its events' names stand."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from providers.bridge import signature
from providers.bridge.words import full_type
from providers.event_names import EventName, clean_type, storable_id
from providers.receiving import Body, Receiving
from providers.rotation import Windowed
from providers.webhook_keys import Headers, MatchedKey, WebhookKey


def routes(
    keys: Sequence[Windowed[bytes]],
    *,
    kyc_keys: Sequence[Windowed[bytes]] = (),
    deposit_keys: Sequence[Windowed[bytes]] = (),
    transfer_keys: Sequence[Windowed[bytes]] = (),
    tolerance: timedelta = signature.TOLERANCE,
) -> Mapping[str, Receiving]:
    """The one route of all events, and the seed's three, which take their own keys where they have any.

    Bridge signs each endpoint with a key of its own, so a route without any key stays shut.
    Raises: ValueError: a key is not RSA.
    """
    taken = {
        "/webhooks/bridge": keys,
        "/webhooks/bridge/kyc": kyc_keys or keys,
        "/webhooks/bridge/deposit": deposit_keys or keys,
        "/webhooks/bridge/transfer": transfer_keys or keys,
    }
    return {
        path: Receiving("bridge", partial(_verify, signature.load_keys(entries), tolerance), name)
        for path, entries in taken.items()
        if entries
    }


def name(body: bytes, event: Body) -> EventName:
    """Bridge's own event id, the same for every retry; else the seed's; else the bytes."""
    for text in (event.get("event_id"), event.get("id")):
        if isinstance(text, str) and text:
            return EventName(storable_id(text), _type(event))
    return EventName(f"sha256:{hashlib.sha256(body).hexdigest()}", _type(event))


def _type(event: Body) -> str | None:
    category, kind = event.get("event_category"), event.get("event_type")
    if isinstance(category, str) and isinstance(kind, str):
        return clean_type(full_type(category, kind))
    return clean_type(event.get("type"))


def _verify(
    keys: Sequence[WebhookKey[RSAPublicKey]], tolerance: timedelta, body: bytes, headers: Headers, now: datetime
) -> MatchedKey:
    return signature.verify(body, headers, keys, now, tolerance=tolerance)
