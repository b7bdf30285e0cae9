"""Flows for tests of comparisons: each says only what it is about, and agrees with its provider in all the rest."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from funding.reconcile.records import Record

_FLOW = text("""
    INSERT INTO flows (id, kind, state, status, provider, asset, amount, asset_out, amount_out, data, created_at,
                       moved_at, closed_at, due_at, parked_at, parked_reason)
    VALUES (:id, :kind, :state, :status, 'alpaca', :asset, :amount, :asset_out, :amount_out,
            CAST(:data AS jsonb), :created, :moved,
            CASE WHEN :status <> 'open' THEN CAST(:moved AS timestamptz) END,
            CASE WHEN :status <> 'closed' AND NOT :parked THEN CAST(:moved AS timestamptz) END,
            CASE WHEN :parked THEN CAST(:moved AS timestamptz) END, CASE WHEN :parked THEN 'a person must look' END)
""")
_REFERENCE = text("""
    INSERT INTO flow_references (provider, kind, external_id, flow_id, created_at)
    VALUES (:provider, :kind, :id, :flow, coalesce(CAST(:at AS timestamptz), rk_now()))
""")
CLOSED = {"returned", "failed"}
RESTING = {"broker_funded", "credited", "paid_out"}


def add_compared(
    connection: Connection,
    *,
    transfer: str | None = None,
    journal: str | None = None,
    state: str = "broker_funded",
    at: datetime,
    moved_at: datetime | None = None,
    account: str = "acct_1",
    asset: str = "USDC",
    amount: int | None = 250_000_000,
    asset_out: str = "USD",
    amount_out: int | None = 249_25,
    parked: bool = False,
    kind: str = "due_deposit",
    data: Mapping[str, str] | None = None,
) -> UUID:
    """A deposit seen at `at`, with the objects it owns."""
    flow = uuid4()
    status = "resting" if state in RESTING else "closed" if state in CLOSED else "open"
    connection.execute(
        _FLOW,
        {
            "id": flow,
            "state": state,
            "status": status,
            "asset": asset,
            "amount": amount,
            "asset_out": asset_out,
            "amount_out": amount_out,
            "kind": kind,
            "data": json.dumps(data or {"account": account, "virtual_account": "va_1"}),
            "created": at,
            "moved": moved_at or at + timedelta(seconds=30),
            "parked": parked,
        },
    )
    for provider, what, name in (("due", "transfer", transfer), ("alpaca", "journal", journal)):
        if name is not None:
            own(connection, flow, provider, what, name)
    return flow


def own(connection: Connection, flow: UUID, provider: str, kind: str, name: str, *, at: datetime | None = None) -> None:
    """Give a flow an object of a provider."""
    connection.execute(_REFERENCE, {"provider": provider, "kind": kind, "id": name, "flow": flow, "at": at})


def a_transfer(name: str, *, at: datetime, status: str = "payment_processed", **more: Any) -> Record:
    """Due's record of a deposit as `add_compared` makes it."""
    said: dict[str, Any] = {
        "asset": "USDC",
        "amount": 250_000_000,
        "asset_out": "USD",
        "amount_out": 249_25,
        "fee": 75,
        "account": "acct_1",
        **more,
    }
    return Record(kind="transfer", id=name, status=status, at=at)._replace(**said)


def a_journal(name: str, *, at: datetime, status: str = "executed", **more: Any) -> Record:
    """Alpaca's record of its journal: a date, no time."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    said: dict[str, Any] = {"asset_out": "USD", "amount_out": 249_25, **more}
    return Record(kind="journal", id=name, status=status, at=day)._replace(**said)
