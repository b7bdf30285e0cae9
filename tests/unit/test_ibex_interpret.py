"""What IBEX's webhooks say, in each shape they have been seen in."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import CannotUse, Fact, Ignored, LookDue
from providers.ibex.interpret import interpret

TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
INVOICE: dict[str, Any] = {
    "hash": "4c7b",
    "settledAtUtc": "2026-03-04T15:20:11Z",
    "receivedMsat": 2150000,
    "transaction": {
        "id": "tx_1",
        "accountId": "acc_1",
        "amount": 1.37,
        "currencyID": 3,
        "transactionTypeId": 1,
        "invoice": {"hash": "4c7b", "stateId": 1},
    },
}
BITCOIN: dict[str, Any] = {
    "amountSat": 5000,
    "feeSat": 10,
    "status": "CONFIRMED",
    "networkTransactionId": "ab",
    "blockConfirmations": 2,
    "destinationAddress": "bc1q",
    "transaction": {"id": "tx_1"},
}
ACCOUNT: dict[str, Any] = {
    "transaction": {
        "id": "tx_1",
        "accountId": "acc_1",
        "amount": 100,
        "currencyId": 29,
        "status": "completed",
        "settledAt": "2026-03-04T15:20:11Z",
        "transactionTypeId": 9,
        "address": ETHEREUM,
    },
}
FLAT: dict[str, Any] = {
    "tx_hash": "0xabc",
    "address": ETHEREUM,
    "amount": "100.00",
    "currency": "USDT",
    "network": "ethereum",
}
ENVELOPE: dict[str, Any] = {
    "event": "crypto.received",
    "data": {
        "tx_hash": "abc",
        "address": TRON,
        "amount": "100.00",
        "currency": "USDT",
        "network": "tron",
        "account_id": "acc_1",
    },
}


def read(event: Any) -> Fact:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    (fact,) = interpret(body, source="webhook").facts
    return fact


def changed(event: dict[str, Any], within: str, **changes: Any) -> dict[str, Any]:
    inner = {name: value for name, value in (event[within] | changes).items() if value is not ...}
    return event | {within: inner}


class TestATransaction:
    def test_is_looked_up_by_its_id(self) -> None:
        assert read(ACCOUNT) == LookDue(poll="ibex_transaction", subject="tx_1")

    @pytest.mark.parametrize("amount", [100, 100000000, "100.00", None, 1e-7])
    def test_is_looked_up_whatever_amount_it_tells(self, amount: Any) -> None:
        """One live user divides it by a million, another does not: nothing may come of it."""
        assert isinstance(read(changed(ACCOUNT, "transaction", amount=amount)), LookDue)

    @pytest.mark.parametrize("kind", [9, 10, None, ...])
    def test_of_a_type_nobody_documented_is_looked_up(self, kind: Any) -> None:
        assert isinstance(read(changed(ACCOUNT, "transaction", transactionTypeId=kind)), LookDue)

    @pytest.mark.parametrize("kind", [1, 2, 4, 7])
    def test_over_lightning_or_bitcoin_moves_no_tokens(self, kind: int) -> None:
        assert isinstance(read(changed(ACCOUNT, "transaction", transactionTypeId=kind)), Ignored)

    @pytest.mark.parametrize("odd", [7, "", "a/b", "..", None, ..., ["x"]])
    def test_without_a_plain_id_is_set_aside(self, odd: Any) -> None:
        with pytest.raises(CannotUse, match=r"transaction\.id"):
            read(changed(ACCOUNT, "transaction", id=odd))


class TestAnArrival:
    def test_is_looked_for_at_its_address_written_in_one_way(self) -> None:
        expected = LookDue(poll="ibex_address", subject=f"ethereum/{ETHEREUM.lower()}")
        assert read(FLAT) == read(FLAT | {"network": "Ethereum", "address": ETHEREUM.lower()}) == expected

    def test_reads_the_same_in_an_envelope(self) -> None:
        assert read(ENVELOPE) == LookDue(poll="ibex_address", subject=f"tron/{TRON}")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"address": TRON}, "address"),
            ({"address": 7}, "address"),
            ({"address": None}, "address"),
            ({"network": "tron"}, "address"),
            ({"network": "dogecoin"}, "address"),
            ({"network": None}, "network"),
            ({"tx_hash": 7}, "tx_hash"),
        ],
    )
    def test_at_no_address_is_set_aside_naming_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(CannotUse, match=field) as caught:
            read(FLAT | changes)
        assert TRON not in str(caught.value)

    def test_of_another_event_is_ignored(self) -> None:
        assert isinstance(read(ENVELOPE | {"event": "crypto.seen"}), Ignored)


class TestOtherBodies:
    @pytest.mark.parametrize("event", [INVOICE, BITCOIN, BITCOIN | {"status": "MEMPOOL", "transaction": None}])
    def test_about_lightning_and_bitcoin_are_ignored(self, event: dict[str, Any]) -> None:
        assert isinstance(read(event), Ignored)

    @pytest.mark.parametrize(
        "event",
        [ACCOUNT | FLAT, ACCOUNT | ENVELOPE, FLAT | ENVELOPE, INVOICE | FLAT, INVOICE | BITCOIN, BITCOIN | ENVELOPE],
    )
    def test_of_two_shapes_are_set_aside(self, event: dict[str, Any]) -> None:
        with pytest.raises(CannotUse, match="two shapes"):
            read(event)

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b"[]",
            b"",
            b"\xff",
            b"[" * 100_000,
            b'{"poll":{"kind":"transaction","object":{}}}',
            b'{"address":"x","network":"tron"}',
            b'{"transaction":5}',
            b'{"event":"crypto.received"}',
            b'{"data":{}}',
            b'{"transaction":{"id":"tx_1","id":"tx_2"}}',
        ],
    )
    def test_of_no_shape_are_set_aside(self, body: bytes) -> None:
        with pytest.raises(CannotUse):
            read(body)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["transaction", "id", "hash", "tx_hash", "event", "data", "address", "network"]),
                    inner,
                )
            ),
        )
    )
    def test_of_any_kind_are_read_or_set_aside(self, event: Any) -> None:
        with suppress(CannotUse):
            interpret(json.dumps(event).encode(), source="webhook")
