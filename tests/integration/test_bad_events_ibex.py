"""IBEX's traps, from its documentation, at the real door and the real ingest: set aside with a reason, or a hint."""

import json
from typing import Any

import pytest

from tests.support.bad_events import Seen, echoing, is_only_a_hint, set_aside
from tests.support.signing import IBEX_SECRET, STRIPE_SECRET

TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
SHOWN: dict[str, Any] = {"id": "tx_1", "accountId": "acc_1", "amount": 100, "currencyId": 29, "status": "completed"}
FLAT: dict[str, Any] = {"tx_hash": "0xabc", "address": TRON, "amount": "100.00", "currency": "USDT", "network": "tron"}


def account(**changes: Any) -> bytes:
    """An account's webhook; None takes a field away."""
    shown = {name: value for name, value in ({**SHOWN, "transactionTypeId": 9} | changes).items() if value is not None}
    return echoing({"transaction": shown}, "secret")


def flat(**changes: Any) -> bytes:
    """The flat body; None takes a field away."""
    return echoing({name: value for name, value in (FLAT | changes).items() if value is not None})


def seeds(kind: str = "crypto.received", **changes: Any) -> bytes:
    """The seed's envelope, its secret within."""
    data = {name: value for name, value in (FLAT | changes).items() if value is not None}
    return json.dumps({"event": kind, "data": data | {"webhookSecret": IBEX_SECRET}}).encode()


SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "two shapes at once": (echoing({**FLAT, "transaction": SHOWN}), "two shapes at once"),
    "an envelope around a flat body": (echoing({**FLAT, "event": "crypto.received", "data": FLAT}), "two shapes"),
    "no shape": (echoing({"hello": "world"}), "no shape we know"),
    "a poll's body": (echoing({"poll": {"kind": "transaction", "object": SHOWN}}), "a poll's body came by webhook"),
    "an id that is a path": (account(id="../accounts"), "transaction.id is no id"),
    "an id that is a number": (account(id=71), "transaction.id must be text"),
    "no id": (account(id=None), "transaction.id is missing"),
    "a transaction that is text": (echoing({"transaction": "tx_1"}), "transaction must be an object"),
    "an address of another chain": (flat(address=ETHEREUM), "not an address of Tron"),
    "a mistyped address": (flat(address=TRON[:-1] + "5"), "not an address of Tron"),
    "a chain nobody told us of": (flat(network="dogechain"), "not a network we know"),
    "no address": (flat(address=None), "address is missing"),
    "no network": (flat(network=None), "network is missing"),
    "no hash": (seeds(tx_hash=None), "data.tx_hash is missing"),
    "a seed's mistyped address": (seeds(address="TXyz"), "data.address cannot be looked for"),
    "a seed without its data": (
        json.dumps({"event": "crypto.received", "webhookSecret": IBEX_SECRET}).encode(),
        "data is missing",
    ),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_it_is_quarantined_with_a_reason_and_credits_nothing(door: Seen, case: str) -> None:
    set_aside(door, "ibex", *SET_ASIDE[case])


HINTS: dict[str, tuple[bytes, str]] = {
    "whole tokens": (account(), "handled"),
    "millionths of them": (account(amount=100_000_000), "handled"),
    "an amount without end": (account(amount="end").replace(b'"end"', b"1e400"), "handled"),
    "another currency than the account's": (account(currencyId=30), "handled"),
    "the currency's other name": (account(currencyId=None, currencyID=29), "handled"),
    "a status nobody documented": (account(status="screening"), "handled"),
    "no status": (account(status=None), "handled"),
    "a type nobody documented": (account(transactionTypeId=77), "handled"),
    "bitcoin": (account(transactionTypeId=7), "ignored"),
    "a flat amount in another unit": (flat(amount="100000000"), "handled"),
    "an address in capitals": (flat(address=ETHEREUM.upper().replace("X", "x"), network="ETHEREUM"), "handled"),
    "a seed of a type nobody documented": (seeds("crypto.burned"), "ignored"),
}


@pytest.mark.parametrize("case", HINTS)
def test_it_is_a_hint_at_most(fresh_door: Seen, case: str) -> None:
    """No amount of a webhook is read: its unit differs from one shape to the next."""
    is_only_a_hint(fresh_door, "ibex", *HINTS[case])


def test_one_deposit_told_of_in_three_shapes_is_looked_up_and_credited_by_none(fresh_door: Seen) -> None:
    for body in (account(), flat(), seeds(), flat(address=TRON, network="TRON"), account(status="pending")):
        assert fresh_door.knock("ibex", body)[0] == 200
    fresh_door.ingest()
    found = fresh_door.values("SELECT poll || ' ' || subject FROM looks ORDER BY 1")
    assert found == [f"ibex_address tron/{TRON}", "ibex_transaction tx_1"]
    assert fresh_door.counts("flows", "receipts", "journal_entries") == [0, 0, 0]
    assert fresh_door.knock("ibex", account()) == (200, "duplicate")


@pytest.mark.parametrize("secret", ["ibx_whsec_7Qm3", IBEX_SECRET.upper(), "", STRIPE_SECRET, None, 7, [IBEX_SECRET]])
def test_a_body_without_our_secret_is_turned_away_counted_and_stored_nowhere(door: Seen, secret: Any) -> None:
    door.empty()
    before = sum(door.refused("ibex").values())

    assert door.knock("ibex", json.dumps({**FLAT, "webhookSecret": secret}).encode())[0] == 401

    assert (door.counts("inbox_events"), sum(door.refused("ibex").values())) == ([0], before + 1)
    assert IBEX_SECRET not in door.log.getvalue()
