"""IBEX's routes of the door: the checks they make, the body that is stored, and how an event is called.

Unlike a signature the proof stands within the body: it is parsed before it is proved, and what is stored are other
bytes than came.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

from funding.chain_addresses import NoAddress, normal
from providers.event_names import EventName, clean_type, digest_of, storable_id
from providers.ibex import secret
from providers.ibex.shapes import Shape, shapes_of
from providers.receiving import Body, ProofWithin, Proved, SourceRefused
from providers.rotation import Secret, Windowed
from providers.sources import Source, is_allowed
from providers.webhook_keys import Headers, WebhookKey

PATHS: Final = ("/webhooks/ibex", "/webhooks/ibex/crypto-receive")  # both closed without a secret


def routes(secrets: Sequence[Windowed[Secret]], *, sources: Sequence[Source] = ()) -> Mapping[str, ProofWithin]:
    """IBEX's own route and the seed's, both with the one check; none without a secret.

    `sources`: where they may come from, if that is known. IBEX may change it; as copied in 2026 from its documentation:
    sandbox 35.243.242.121, 34.74.236.191; production 34.148.92.171, 35.196.168.24.
    """
    loaded = secret.load_secrets(secrets)
    if not loaded:
        return {}
    one = ProofWithin("ibex", partial(check, secrets=loaded, sources=sources), name)
    return dict.fromkeys(PATHS, one)


def check(
    body: bytes,
    headers: Headers,
    peer: str | None,
    now: datetime,
    *,
    secrets: Sequence[WebhookKey[bytes]],
    sources: Sequence[Source] = (),
) -> Proved:
    """Make a route's checks; what `Proved.body` holds is to be named, stored and logged instead of what came.

    Raises, in this order: SourceRefused (403), WrongShape (400: not a JSON object), SignatureRefused (401).
    """
    if not is_allowed(peer, sources):
        raise SourceRefused
    return secret.prove(body, headers, secrets, now)


def name(body: bytes, event: Body) -> EventName:
    """The transaction and its status; else network, hash and address (a hash may pay several of ours); else the bytes.

    `body` and `event` are those without the secret. The flat body and the envelope of one deposit have one name.
    """
    shapes = shapes_of(event)
    if len(shapes) != 1:
        return EventName(_by_bytes(body), None)
    (shape,) = shapes
    match shape:
        case Shape.INVOICE | Shape.BITCOIN | Shape.ACCOUNT:
            return EventName(_by_transaction(event) or _by_bytes(body), shape)
        case Shape.FLAT:
            return EventName(_by_arrival(event) or _by_bytes(body), shape)
        case Shape.ENVELOPE:
            return EventName(_by_arrival(event.get("data")) or _by_bytes(body), clean_type(event.get("event")))
        case Shape.POLL:  # ours alone: at the door it is somebody's words, and names nothing
            return EventName(_by_bytes(body), None)


def _by_transaction(event: Mapping[str, Any]) -> str | None:
    shown = event.get("transaction")
    made, status = (shown.get("id"), shown.get("status")) if isinstance(shown, dict) else (None, None)
    if not isinstance(made, str) or not made:
        return None
    said = status or event.get("status")
    return storable_id(f"{made}:{said.lower()}" if isinstance(said, str) else made)


def _by_arrival(shown: Any) -> str | None:
    if not isinstance(shown, dict):
        return None
    network, chain_hash, address = shown.get("network"), shown.get("tx_hash"), shown.get("address")
    if not (isinstance(network, str) and isinstance(chain_hash, str) and isinstance(address, str)):
        return None
    if not (network and chain_hash and address):
        return None
    with suppress(NoAddress):
        address = normal(network, address)
    return f"fields:{digest_of(network.lower(), chain_hash.lower(), address)}"


def _by_bytes(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
