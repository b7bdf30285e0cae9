"""Stripe's routes of the door: which check is made, and where its events' names stand."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from providers.event_names import EventName, clean_type, storable_id
from providers.receiving import Body, Receiving
from providers.rotation import Secret, Windowed
from providers.stripe import signature
from providers.webhook_keys import Headers, MatchedKey, WebhookKey, load_secrets


def routes(
    secrets: Sequence[Windowed[Secret]], *, tolerance: timedelta = signature.TOLERANCE
) -> Mapping[str, Receiving]:
    """Stripe's own route and the seed's alias, both with the one check; none without a signing secret."""
    loaded = load_secrets(secrets)
    if not loaded:
        return {}
    one = Receiving("stripe", partial(_verify, loaded, tolerance), name)
    return {"/webhooks/stripe": one, "/webhook/stripe": one}


def name(body: bytes, event: Body) -> EventName:
    """Stripe's own event id, which a redelivery repeats; the bytes, where there is none."""
    shown, given = clean_type(event.get("type")), event.get("id")
    if isinstance(given, str) and given:
        return EventName(storable_id(given), shown)
    return EventName(f"sha256:{hashlib.sha256(body).hexdigest()}", shown)


def _verify(
    secrets: Sequence[WebhookKey[bytes]], tolerance: timedelta, body: bytes, headers: Headers, now: datetime
) -> MatchedKey:
    return signature.verify(body, headers, secrets, now, tolerance=tolerance)
