"""Signed webhooks of Due as whole requests: bodies of 1 kB, each with an id of its own."""

import base64
import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BODY_BYTES: Final = 1000
PATH: Final = "/webhooks/due"
ACCOUNTS: Final = 100  # whom the transfers are for, in turn

_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # of the benchmark alone: it opens nothing


def public_key() -> str:
    """As DUE_WEBHOOK_PUBLIC_KEYS takes it."""
    der = _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def event_id(number: int) -> str:
    """Of the event of that number."""
    return f"wh_evt_{number:012d}"


def transfer_id(number: int) -> str:
    """Of the transfer that this event is about."""
    return f"tf_{number:012d}"


def account_number(number: int) -> int:
    """Whose transfer it is, from 0 to `ACCOUNTS` - 1."""
    return number % ACCOUNTS


def body(number: int) -> bytes:
    """A change of a transfer's status as Due words it, filled up to `BODY_BYTES` by the payer's memo."""
    event = _event(number, memo="")
    memo = "x" * (BODY_BYTES - len(json.dumps(event)))
    return json.dumps(_event(number, memo=memo)).encode()


def request(number: int) -> bytes:
    """The whole request, for a connection that is kept alive."""
    content = body(number)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\nUser-Agent: due-webhooks\r\n"
        f"X-Webhook-Signature: {_KEY.sign(content).hex()}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _event(number: int, *, memo: str) -> dict[str, object]:
    account = {"schema": "bank_us", "accountNumber": "900100200300", "routingNumber": "101000019"}
    amounts = {"amount": "250.00", "fee": "0.00", "totalFee": "0.00"}
    whose = account_number(number)
    transfer = {
        "id": transfer_id(number),
        "ownerId": f"acct_{whose:04d}",
        "status": "payment_processed",
        "source": {**amounts, "currency": "USDC", "rail": "base", "virtualAccountId": f"va_{whose:04d}"},
        "destination": {**amounts, "currency": "USD", "rail": "ach", "label": "Ana Pires", "details": account},
        "createdAt": "2026-01-01T10:30:00Z",
        "expiresAt": "2026-01-01T10:35:00Z",
        "memo": memo,
    }
    return {"id": event_id(number), "type": "transfer.status_changed", "data": transfer}
