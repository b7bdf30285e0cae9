"""Due, Alpaca and the team's backend over HTTP, for both peers: one session a thread, timeouts, errors for bad answers.

Raises, everywhere: `requests.RequestException`: ask again; a create is sent again under the same idempotency key.
"""

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

import requests
from standardwebhooks import Webhook

TIMEOUT_S: Final = 20.0
EXECUTED: Final = "executed"
_local = threading.local()


class CashShort(requests.RequestException):
    """The firm's own cash does not cover the journal now."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer at Due; amounts in minor units. `asked_at`: when we asked."""

    id: str
    virtual_account: str
    account: str
    status: str
    asset: str
    amount: int
    asset_out: str
    amount_out: int
    fee_out: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal at Alpaca; the amount in cents. `asked_at`: when its making began."""

    id: str
    status: str
    amount: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Balances:
    """What a brokerage account shows, in cents."""

    account: str
    buying_power: int
    cash: int
    asked_at: datetime


def get_transfer(transfer: str, account: str) -> Transfer:
    """One transfer, scoped to its owner."""
    asked_at = datetime.now(UTC)
    headers = {"Authorization": f"Bearer {os.environ['DUE_API_KEY']}", "Due-Account-Id": account}
    answer = _answered(_session().get(_due(f"/v1/transfers/{transfer}"), headers=headers, timeout=TIMEOUT_S))
    source, destination = answer["source"], answer["destination"]
    return Transfer(
        id=answer["id"],
        virtual_account=source["virtualAccountId"],
        account=answer["ownerId"],
        status=answer["status"],
        asset=source["currency"],
        amount=int(Decimal(source["amount"]).scaleb(6)),
        asset_out=destination["currency"],
        amount_out=int(Decimal(destination["amount"]).scaleb(2)),
        fee_out=int(Decimal(destination["fee"]).scaleb(2)),
        asked_at=asked_at,
    )


def fund(flow: UUID, transfer: str, account: str, brokerage: str, amount: int) -> Journal:
    """Move dollars to a customer's account, once for each flow: the idempotency key is made from its id.

    The transfer is read again and the firm's cash looked at first. Raises: ValueError: Due changed its mind.
    """
    again = get_transfer(transfer, account)
    if again.status != "payment_processed" or again.amount_out != amount:
        raise ValueError(f"transfer {transfer} is {again.status} of {again.amount_out} now")
    firm = os.environ["ALPACA_FIRM_ACCOUNT_ID"]
    if get_balances(firm).cash < amount:
        raise CashShort(f"the firm has less than {amount} cents")
    order = {
        "entry_type": "JNLC",
        "from_account": firm,
        "to_account": brokerage,
        "amount": str(Decimal(amount).scaleb(-2)),
        "currency": "USD",
        "description": f"{flow} {transfer}",
    }
    headers = {"Idempotency-Key": str(uuid5(flow, "journal"))}
    began = datetime.now(UTC)
    made = _session().post(_alpaca("/v1/journals"), json=order, headers=headers, auth=_auth(), timeout=TIMEOUT_S)
    return _journal(_answered(made), began)


def get_journal(journal: str) -> Journal:
    """One journal."""
    asked_at = datetime.now(UTC)
    shown = _session().get(_alpaca(f"/v1/journals/{journal}"), auth=_auth(), timeout=TIMEOUT_S)
    return _journal(_answered(shown), asked_at)


def get_balances(account: str) -> Balances:
    """Of a customer's account or of the firm's own."""
    asked_at = datetime.now(UTC)
    address = _alpaca(f"/v1/trading/accounts/{account}/account")
    shown = _answered(_session().get(address, auth=_auth(), timeout=TIMEOUT_S))
    return Balances(account, _cents(shown["buying_power"]), _cents(shown["cash"]), asked_at)


def tell(notification: UUID, kind: str, data: dict[str, Any]) -> int:
    """Tell the backend, signed as Standard Webhooks ask; the status it answered."""
    now = datetime.now(UTC)
    body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data}, separators=(",", ":"))
    signature = Webhook(os.environ["NOTIFY_WEBHOOK_SECRETS"]).sign(str(notification), now, body)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(notification),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    answer = _session().post(os.environ["NOTIFY_WEBHOOK_URL"], data=body, headers=headers, timeout=TIMEOUT_S)
    answer.raise_for_status()
    return answer.status_code


def _session() -> requests.Session:
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
        session.trust_env = False  # spares it a look at the environment on each call
    return session


def _answered(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()


def _journal(shown: dict[str, str], asked_at: datetime) -> Journal:
    return Journal(shown["id"], shown["status"], _cents(shown["net_amount"]), asked_at)


def _cents(text: str) -> int:
    return int(Decimal(text).scaleb(2))


def _due(path: str) -> str:
    return os.environ["DUE_BASE_URL"] + path


def _alpaca(path: str) -> str:
    return os.environ["ALPACA_BASE_URL"] + path


def _auth() -> tuple[str, str]:
    return os.environ["ALPACA_KEY_ID"], os.environ["ALPACA_SECRET"]
