"""Alpaca's JSON, its stream's bytes, and our words for them."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.money import Money
from funding.ports.alpaca import JournalOrder, JournalStatus
from providers.alpaca import wire
from providers.alpaca.sse import Comment, Frame, FrameTooLarge, Parser
from providers.fields import WrongShape

JOURNAL: dict[str, Any] = {
    "id": "5b1a3a58-6f0e-4a4f-9f31-7f0e2a8c1d10",
    "entry_type": "JNLC",
    "from_account": "9f0d1c1e",
    "to_account": "3c2a7f6b",
    "status": "queued",
    "net_amount": "100.00",
    "currency": "USD",
    "description": "deposit dep_01",
    "settle_date": None,
    "system_date": "2026-03-04",
}
BALANCES: dict[str, Any] = {
    "id": "3c2a7f6b",
    "cash": "600.00",
    "cash_withdrawable": "500.00",
    "cash_transferable": "400.00",
    "buying_power": "1200.009",
    "account_blocked": False,
    "transfers_blocked": False,
}


class TestDumpOrder:
    def test_is_the_same_bytes_each_time(self) -> None:
        """A retry under the same key with other bytes is refused."""
        order = JournalOrder(to_account="3c2a", amount=Money(249_20, "USD"), reference="flow_1", subject="tf_1")
        text = wire.dump_order(order, firm_account="9f0d")
        assert text == (
            '{"entry_type":"JNLC","from_account":"9f0d","to_account":"3c2a","amount":"249.20",'
            '"currency":"USD","description":"flow_1 tf_1"}'
        )

    @pytest.mark.parametrize("amount", [Money(1, "USDC"), Money(0, "USD"), Money(-5, "USD")])
    def test_moves_dollars_only_and_more_than_none(self, amount: Money) -> None:
        order = JournalOrder(to_account="3c2a", amount=amount, reference="flow_1")
        with pytest.raises(ValueError, match="dollars"):
            wire.dump_order(order, firm_account="9f0d")


class TestLoadJournal:
    def test_reads_net_amount_before_amount(self) -> None:
        assert wire.load_journal(JOURNAL | {"amount": "7"}).amount == Money(100_00, "USD")

    def test_reads_amount_when_there_is_no_net_amount(self) -> None:
        assert wire.load_journal(JOURNAL | {"net_amount": None, "amount": "7"}).amount == Money(7_00, "USD")

    @pytest.mark.parametrize("status", list(JournalStatus))
    def test_knows_each_status_in_any_case(self, status: JournalStatus) -> None:
        assert wire.load_journal(JOURNAL | {"status": status.upper()}).status is status

    def test_keeps_an_unknown_status_open(self) -> None:
        journal = wire.load_journal(JOURNAL | {"status": "Pondered"})
        assert (journal.status, journal.raw_status) == (JournalStatus.UNKNOWN, "Pondered")

    @pytest.mark.parametrize(
        "changes",
        [
            {"net_amount": 100},
            {"net_amount": "100.001"},
            {"net_amount": None},
            {"net_amount": "-1"},
            {"currency": "EUR"},
            {"id": 5},
            {"id": None},
            {"to_account": None},
            {"status": None},
        ],
    )
    def test_refuses_another_shape(self, changes: dict[str, Any]) -> None:
        with pytest.raises(WrongShape):
            wire.load_journal(JOURNAL | changes)


class TestLoadBalances:
    def test_cuts_to_cents(self) -> None:
        assert wire.load_balances(BALANCES).buying_power == Money(1200_00, "USD")

    def test_falls_back_where_a_key_is_gone(self) -> None:
        """Alpaca takes fields out of this answer from time to time."""
        shown = {name: BALANCES[name] for name in ("id", "cash")}
        balances = wire.load_balances(shown)
        assert balances.buying_power == balances.cash_transferable == Money(600_00, "USD")
        assert not balances.transfers_blocked

    @pytest.mark.parametrize("name", ["transfers_blocked", "account_blocked"])
    def test_says_when_the_account_is_blocked(self, name: str) -> None:
        assert wire.load_balances(BALANCES | {name: True}).transfers_blocked

    @pytest.mark.parametrize("changes", [{"cash": 600}, {"cash": None}, {"transfers_blocked": "no"}])
    def test_refuses_another_shape(self, changes: dict[str, Any]) -> None:
        with pytest.raises(WrongShape):
            wire.load_balances(BALANCES | changes)


STREAM = (
    b':heartbeat\n\nid: 7\r\ndata: {"a":\r\ndata: 1}\r\n\r\n: you are reading too slowly, dropped 3 messages\n'
    b"event: x\rdata:tight\r\rretry: 5\n\ndata: cut"
)
EXPECTED = [
    Comment("heartbeat"),
    Frame(b'{"a":\n1}', "7"),
    Comment("you are reading too slowly, dropped 3 messages"),
    Frame(b"tight", "7"),
]


class TestTheStreamsParser:
    @given(cuts=st.sets(st.integers(0, len(STREAM))))
    def test_reads_the_same_wherever_the_network_cuts(self, cuts: set[int]) -> None:
        parser, found = Parser(), list[Comment | Frame]()
        places = [0, *sorted(cuts), len(STREAM)]
        for start, end in itertools.pairwise(places):
            found += parser.feed(STREAM[start:end])
        assert found == EXPECTED

    @pytest.mark.parametrize("piece", [b"x" * 70_000, b"data: " + b"x" * 70_000 + b"\n"])
    def test_gives_up_on_a_frame_without_end(self, piece: bytes) -> None:
        parser = Parser()

        def feed_on() -> None:
            for _ in range(20):
                list(parser.feed(piece))

        with pytest.raises(FrameTooLarge):
            feed_on()


class TestKept:
    @pytest.mark.parametrize("odd", [None, 5, "x", []])
    def test_keeps_nothing_of_what_is_no_object(self, odd: Any) -> None:
        assert wire.kept_journal(odd) == wire.kept_activity(odd) == {}

    def test_has_a_digest_that_moves_with_status_and_amount(self) -> None:
        digests = {wire.digest_of(JOURNAL | change) for change in ({}, {"status": "x"}, {"net_amount": "1"})}
        assert len(digests) == 3
        assert wire.digest_of(json.loads(json.dumps(JOURNAL))) in digests
