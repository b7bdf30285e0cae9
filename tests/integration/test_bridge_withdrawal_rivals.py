"""Whether tokens that came are what an on-ramp of the same customer waits for."""

import json
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from db.claims import Claim
from db.engine import unit_of_work
from db.other_flows import OtherFlows
from funding.money import Money

AMOUNT = Money(250_000000, "USDT")


def add_flow(engine: Engine, kind: str, *, customer: str = "ana", status: str = "open", **data: Any) -> UUID:
    flow = uuid4()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO customers (id, level) VALUES (:id, 2) ON CONFLICT DO NOTHING"), {"id": customer}
        )
        connection.execute(
            text("""
                INSERT INTO flows (id, kind, state, status, customer_id, asset_out, amount_out, data, due_at, closed_at)
                VALUES (:id, :kind, 'anywhere', :status, :customer, 'USDT', 250000000, CAST(:data AS jsonb), rk_now(),
                        CASE WHEN :status <> 'open' THEN rk_now() END)
            """),
            {"id": flow, "kind": kind, "status": status, "customer": customer, "data": json.dumps(data)},
        )
    return flow


@pytest.mark.parametrize(
    ("there", "came", "waits"),
    [
        ({"chain_hash": "0xFEED"}, "feed", True),
        ({"chain_hash": "0xfeed"}, "0xbeef", False),
        ({"chain_hash": None}, "0xbeef", True),
        ({"chain_hash": "0xfeed"}, None, True),
        ({"chain_hash": "0xfeed", "customer": "ben"}, "0xfeed", False),
        ({"chain_hash": "0xfeed", "status": "resting"}, "0xfeed", False),
    ],
)
def test_they_are_left_to_an_on_ramp_that_may_mean_them(
    engine: Engine, there: dict[str, Any], came: str | None, *, waits: bool
) -> None:
    mine = add_flow(engine, "bridge_withdrawal")
    add_flow(engine, "bridge_on_ramp", **there)
    others = OtherFlows(unit_of_work(engine), cast("Claim", SimpleNamespace(flow=SimpleNamespace(id=mine))))
    assert others.on_ramp_waits(AMOUNT, chain_hash=came) is waits
    assert not others.on_ramp_waits(Money(1, "USDT"), chain_hash=came)
