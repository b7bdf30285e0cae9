"""How Bridge and Stripe sign a body at a moment, and how IBEX carries its secret, from the fact sheets alone."""

import hmac
import json
from datetime import datetime
from typing import Any

from sandbox.bridge.signing import SigningKey, throwaway
from tests.support.door import NOW

STRIPE_SECRET = "whsec_test_4b1d8f0c2e7a"
STRIPE_OLD_SECRET = "whsec_test_old_91aa"
IBEX_SECRET = "ibx_whsec_7Qm2"


def bridge_key(number: int = 0) -> SigningKey:
    """One of the pretended Bridge's key pairs."""
    return throwaway(number)


def bridge_headers(body: bytes, at: datetime = NOW, *, key: int = 0) -> dict[str, str]:
    return {"X-Webhook-Signature": throwaway(key).sign(body, at)}


def stripe_headers(body: bytes, at: datetime = NOW, *secrets: str) -> dict[str, str]:
    """One signature for each secret."""
    seconds = int(at.timestamp())
    made = [stripe_signature(body, seconds, secret) for secret in secrets or (STRIPE_SECRET,)]
    return {"Stripe-Signature": ",".join([f"t={seconds}", *(f"v1={one}" for one in made)])}


def stripe_signature(body: bytes, seconds: int, secret: str = STRIPE_SECRET) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()


def bridge_event(event_id: str = "wh_1", **more: Any) -> bytes:
    shown = {"id": "tr_1", "state": "payment_processed", "amount": "250.00"}
    named = {"event_id": event_id, "event_category": "transfer", "event_type": "transfer.updated"}
    return json.dumps(named | {"event_object_id": "tr_1", "event_object": shown} | more).encode()


def stripe_event(event_id: str = "evt_1", **more: Any) -> bytes:
    session = {"id": "cos_1", "object": "crypto.onramp_session", "status": "fulfillment_complete"}
    named = {"id": event_id, "object": "event", "type": "crypto.onramp_session.updated", "created": 1767225599}
    return json.dumps(named | {"data": {"object": session}} | more).encode()


def ibex_event(transaction: str = "tx_1", secret: Any = IBEX_SECRET, **more: Any) -> bytes:
    """An account's webhook; without a secret when that is Ellipsis."""
    shown = {"id": transaction, "accountId": "acc_1", "amount": 100.5, "currencyId": 29, "status": "completed"}
    return json.dumps(({} if secret is ... else {"secret": secret}) | {"transaction": shown} | more).encode()
