"""What a poll keeps of IBEX's transactions, when that is news, and what ingest makes of it."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import CannotUse, Changed, Fact, Ignored, TokensArrived
from funding.money import Money
from funding.ports.ibex import TokenStatus
from providers.ibex import exact
from providers.ibex.interpret import interpret, polled
from providers.ibex.shown import Shown, load_shown

CREATED = datetime(2026, 3, 4, 15, 20, 1, 81277, tzinfo=UTC)
RECEIPT = """{"id":"tx_1","createdAt":"2026-03-04T15:20:01.081277Z","settledAt":"2026-03-04T15:20:11Z",
    "accountId":"acc_1","amount":100.0,"networkFee":0,"currencyId":29,"transactionTypeId":9,"status":"completed",
    "memo":"rent of Ana Kowalska"}"""


def shown(**changes: str | None) -> Shown:
    """The sheet's receipt as a listing shows it, with fields changed as JSON text; None takes one away."""
    made = exact.parse(RECEIPT)
    for name, text in changes.items():
        if text is None:
            del made[name]
        else:
            made[name] = exact.parse(text)
    return load_shown(made)


def fact(one: Shown) -> Fact:
    (found,) = interpret(polled(one.kept), source="poll").facts
    return found


def arrived(one: Shown) -> TokensArrived:
    found = fact(one)
    assert isinstance(found, TokensArrived)
    return found


class TestAReceipt:
    def test_is_told_of_with_its_account_and_amount(self) -> None:
        assert fact(shown()) == TokensArrived(
            transaction="tx_1",
            account="acc_1",
            amount=Money(100_000000, "USDT"),
            status="completed",
            at=CREATED,
        )

    @pytest.mark.parametrize(
        ("text", "minor"),
        [("0.29000000007", 290000), ("99.99999999999", 99_999999), ("1e2", 100_000000), ("0.00000000001", 0)],
    )
    def test_of_eleven_decimals_is_cut_down(self, text: str, minor: int) -> None:
        """On its way through the inbox no float rounds it up."""
        one = shown(amount=text)
        assert arrived(one).amount == Money(minor, "USDT")
        assert text.encode() in polled(one.kept)

    @pytest.mark.parametrize("unset", ['"0001-01-01T00:00:00Z"', "0", "null"])
    def test_whose_time_is_not_set_waits(self, unset: str) -> None:
        one = shown(settledAt=unset, status='"pending"')
        assert (one.settled_at, one.changed_at) == (None, CREATED)
        assert arrived(one).status == "pending"

    @pytest.mark.parametrize(("status", "told"), [('"Completed"', "completed"), ('"odd"', "odd"), (None, "unknown")])
    def test_is_told_of_in_ibexs_own_word(self, status: str | None, told: str) -> None:
        assert arrived(shown(status=status)).status == told

    def test_has_an_address_beside_the_amount_or_in_its_metadata_or_none(self) -> None:
        assert arrived(shown()).address is None
        assert arrived(shown(address='"TXy"')).address == "TXy"
        assert arrived(shown(metadata='{"address":"TXy","name":"Ana"}')).address == "TXy"

    def test_has_the_hash_that_was_read_of_it(self) -> None:
        one = shown()
        found = interpret(polled(one.with_chain_hash("ab" * 32)), source="poll").facts
        assert isinstance(found[0], TokensArrived)
        assert found[0].chain_hash == "ab" * 32

    @pytest.mark.parametrize("kind", ["1", "7", "9"])
    def test_is_what_came_in_on_any_way(self, kind: str) -> None:
        assert isinstance(fact(shown(transactionTypeId=kind)), TokensArrived)

    def test_keeps_nothing_that_nobody_reads(self) -> None:
        assert b"Ana" not in polled(shown(metadata='{"address":"TXy","name":"Ana"}').kept)


class TestAnyOther:
    @pytest.mark.parametrize("kind", ["10", "2", "4", None])
    def test_may_be_a_send_of_ours_and_is_no_receipt(self, kind: str | None) -> None:
        """The type of a send is documented nowhere: what is not known to have come in is never credited."""
        expected = Changed(kind="transaction", id="tx_1", status="completed", at=None, ours=True)
        assert fact(shown(transactionTypeId=kind)) == expected

    @pytest.mark.parametrize("currency", ["0", "3"])
    def test_money_is_ignored(self, currency: str) -> None:
        assert isinstance(fact(shown(currencyId=currency)), Ignored)

    @pytest.mark.parametrize(
        "changes",
        [
            {"currencyId": "31"},
            {"currencyId": None},
            {"amount": '"100"'},
            {"amount": "-1"},
            {"amount": None},
            {"amount": "[[1]]"},
            {"accountId": None},
            {"createdAt": '"0001-01-01T00:00:00Z"'},
            {"transactionTypeId": '"9"'},
            {"id": '"a/b"'},
            {"id": None},
        ],
    )
    def test_shape_is_set_aside_by_ingest_and_stands_in_nobodys_way(self, changes: dict[str, str | None]) -> None:
        one = shown(**changes)
        assert one.status in {TokenStatus.PENDING, TokenStatus.COMPLETED}
        with pytest.raises(CannotUse):
            fact(one)

    @pytest.mark.parametrize("row", [None, 7, "x", [], {}])
    def test_thing_in_a_listing_has_a_name_of_its_own(self, row: Any) -> None:
        one = load_shown(row)
        assert one.id.startswith("unreadable-")
        with pytest.raises(CannotUse):
            fact(one)

    def test_unreadable_two_are_two(self) -> None:
        assert shown(id=None).id != shown(id=None, amount="7").id

    def test_value_may_nest_as_deep_as_it_likes(self) -> None:
        deep = "[" * 300 + "]" * 300
        found = arrived(shown(status=deep, address=deep, metadata=f'{{"address":{deep}}}'))
        assert (found.status, found.address) == ("unknown", None)


class TestNews:
    @pytest.mark.parametrize(
        "changes",
        [
            {"address": '"TXy"'},
            {"metadata": '{"address":"TXy"}'},
            {"amount": "100"},
            {"amount": "100.000"},
            {"networkFee": "1"},
            {"settledAt": '"2026-03-04T15:20:12Z"'},
        ],
    )
    def test_is_not_what_one_reply_shows_and_another_leaves_out(self, changes: dict[str, str | None]) -> None:
        """A look and a listing that differ so would tell of the same receipt again and again."""
        assert shown(**changes).digest_of == shown().digest_of

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": '"pending"'},
            {"status": None},
            {"amount": "1000"},
            {"amount": "10"},
            {"currencyId": "30"},
            {"transactionTypeId": "10"},
            {"accountId": '"acc_2"'},
        ],
    )
    def test_is_what_changes_the_fact(self, changes: dict[str, str | None]) -> None:
        assert shown(**changes).digest_of != shown().digest_of

    def test_is_dated_by_the_later_of_its_times(self) -> None:
        assert shown().changed_at == datetime(2026, 3, 4, 15, 20, 11, tzinfo=UTC)


class TestAPollsBody:
    def test_is_believed_of_a_poll_only(self) -> None:
        """Whoever knows the echoed secret could otherwise tell us of any receipt at all."""
        with pytest.raises(CannotUse, match="webhook"):
            interpret(polled(shown().kept), source="webhook")

    def test_replayed_reads_the_same(self) -> None:
        assert interpret(polled(shown().kept), source="replay").facts == (fact(shown()),)

    @pytest.mark.parametrize(
        "body",
        [
            {"poll": {"kind": "transfer", "object": {}}},
            {"poll": {"kind": "transaction"}},
            {"poll": {"object": {}}},
            {"poll": []},
            {"poll": {"kind": "transaction", "object": {}}, "transaction": {"id": "tx_1"}},
        ],
    )
    def test_in_another_shape_is_set_aside(self, body: Any) -> None:
        with pytest.raises(CannotUse):
            interpret(json.dumps(body).encode(), source="poll")

    @given(
        st.dictionaries(
            st.sampled_from(["id", "accountId", "amount", "currencyId", "transactionTypeId", "status", "metadata"]),
            st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
        )
    )
    def test_of_any_kind_is_read_or_set_aside(self, row: dict[str, Any]) -> None:
        one = load_shown(exact.parse(json.dumps(row)))
        with suppress(CannotUse):
            fact(one)
