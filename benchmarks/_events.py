"""Events of Bridge and Stripe as whole requests, and of whom they are; signed just before they are sent."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PEOPLE: Final = 500  # whom they are of, in turn
NET: Final = "248.75"  # tokens of a deposit of 250 dollars, less our markup
CENTS: Final = 25_000  # of a top-up
CHAIN_HASH: Final = "0xfeed"
SESSION: Final = "cs_"
INTENT: Final = "pi_"
STRIPE_SECRET: Final = "whsec_" + "bench" * 6  # of the benchmark alone: it opens nothing
RECEIPT: Final = "rcpt_"  # begins the id of the transaction that brings a deposit's tokens
IBEX_SECRET: Final = "of-the-benchmark-alone"  # noqa: S105 - made up
_DEPOSIT: Final = "dep_"
_WORDS: Final = {"Content-Type": "application/json", "Host": "door"}


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is the customer's id here; the rest are the providers' own."""

    name: str
    customer: str
    virtual_account: str
    bank: str
    account: str
    address: str


def person(number: int) -> Person:
    """The one of that number, from 0 to `PEOPLE` - 1."""
    name = f"{number:04d}"
    return Person(
        f"person-{name}", f"cus_{name}", f"va_{name}", f"ba_{name}", f"acc_{name}", f"0x{number + 2**80:040x}"
    )


def whose_deposit(deposit: str) -> int:
    """The number of the person whose deposit it is."""
    return int(deposit.removeprefix(_DEPOSIT)) % PEOPLE


def customer_of_session(session: str) -> str:
    """Who pays by that Checkout session."""
    return person(int(session.removeprefix(SESSION)) % PEOPLE).name


def bridge_public_key() -> str:
    """As BRIDGE_WEBHOOK_PUBLIC_KEYS takes it."""
    der = _bridge_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def deposit_processed(number: int) -> bytes:
    """Bridge tells that a deposit was converted and sent on."""
    deposit, who = f"{_DEPOSIT}{number:012d}", person(number % PEOPLE)
    stage = {
        "id": f"{deposit}-payment_processed",
        "type": "payment_processed",
        "customer_id": who.customer,
        "virtual_account_id": who.virtual_account,
        "deposit_id": deposit,
        "amount": NET,
        "currency": "usdt",
        "created_at": "2026-01-01T10:30:00.000Z",
    }
    event = {
        "api_version": "v0",
        "event_id": f"wh_{number:012d}",
        "event_category": "virtual_account.activity",
        "event_type": "updated.status_transitioned",
        "event_object_id": stage["id"],
        "event_object": stage,
        "event_created_at": "2026-01-01T10:30:00.000Z",
    }
    content = json.dumps(event).encode()
    milliseconds = str(time.time_ns() // 1_000_000)
    inner = hashlib.sha256(milliseconds.encode() + b"." + content).digest()
    signature = base64.b64encode(_bridge_key().sign(inner, PKCS1v15(), SHA256())).decode()
    return _request("/webhooks/bridge", {"X-Webhook-Signature": f"t={milliseconds},v0={signature}"}, content)


def tokens_arrived(number: int) -> bytes:
    """IBEX tells of the tokens of that deposit."""
    shown = {
        "id": f"{RECEIPT}{_DEPOSIT}{number:012d}",
        "accountId": person(number % PEOPLE).account,
        "status": "completed",
    }
    event = {"secret": IBEX_SECRET, "transaction": {**shown, "transactionTypeId": 9}}
    return _request("/webhooks/ibex", {}, json.dumps(event).encode())


def page_paid(number: int) -> bytes:
    """Stripe tells that a Checkout session was paid."""
    session = f"{SESSION}{number:012d}"
    shown = {
        "id": session,
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "client_reference_id": customer_of_session(session),
        "amount_total": CENTS,
        "currency": "usd",
    }
    at = int(time.time())
    event = {"id": f"evt_{number:012d}", "type": "checkout.session.completed", "created": at, "data": {"object": shown}}
    content = json.dumps(event).encode()
    signature = hmac.new(STRIPE_SECRET.encode(), f"{at}.".encode() + content, "sha256").hexdigest()
    return _request("/webhooks/stripe", {"Stripe-Signature": f"t={at},v1={signature}"}, content)


@cache
def _bridge_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=2048)


def _request(path: str, signed: dict[str, str], content: bytes) -> bytes:
    """For a connection that is kept alive."""
    lines = [f"{name}: {value}" for name, value in (_WORDS | signed).items()]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, f"Content-Length: {len(content)}", "", ""])
    return head.encode() + content
