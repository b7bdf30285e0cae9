"""Which transaction is the one that is waited for: by its chain's hash, else by amount where only one can be meant."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from funding.calls import Arrivals, Arrived, Call
from funding.errors import NeedsPerson, NotFound
from funding.flows.receipts import READ_AT_MOST, find_receipt
from funding.money import Money
from funding.ports.ibex import TokenStatus, TokenTransaction

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENT = Money(248_750_000, "USDT")


def tx(name: str, **changes: Any) -> TokenTransaction:
    one = TokenTransaction(
        id=name,
        account="acct",
        incoming=True,
        status=TokenStatus.COMPLETED,
        raw_status="completed",
        amount=SENT,
        raw_amount="248.75",
        address=None,
        chain_hash=None,
        created_at=NOW,
        settled_at=NOW,
    )
    return replace(one, **changes)


class Ibex:
    """Shows no hash in its listing, as IBEX does not; counts what is read one by one."""

    def __init__(self, *there: TokenTransaction, gone: Collection[str] = ()) -> None:
        self.there = {one.id: one for one in there}
        self.gone = gone
        self.read: list[str] = []
        self.listed = 0

    def list_arrivals(self, account: str, *, since: datetime) -> Sequence[TokenTransaction]:
        self.listed += 1
        return [replace(one, chain_hash=None) for one in self.there.values()]

    def get_transaction(self, name: str) -> TokenTransaction:
        self.read.append(name)
        if name in self.gone:
            raise NotFound("gone", provider="ibex")
        return self.there[name]


class Others:
    """`polled`: the receipts of the amount that our own polls have read; None: they do not read the account."""

    def __init__(self, *owned: str, alike: bool = False, polled: Sequence[str] | None = None) -> None:
        self._owned = owned
        self._alike = alike
        self._polled = polled

    def owned(self, _provider: str, _kind: str, ids: Sequence[str]) -> Collection[str]:
        return set(ids) & set(self._owned)

    def one_alike(self, _provider: str, _kind: str, *, alike: str) -> bool:
        return self._alike and alike == "customer"

    def arrivals(self, _provider: str, _account: str, **_: Any) -> Arrivals:
        there = [Arrived(one, SENT) for one in self._polled or () if one not in self._owned]
        return Arrivals(there, self._polled is not None)


def found(
    ibex: Ibex, *, others: Others | None = None, chain_hash: str | None = None, lean_on_polls: bool = True
) -> str | None:
    call = cast("Call", SimpleNamespace(ibex=ibex, others=others or Others()))
    one = find_receipt(
        call,
        account="acct",
        amount=SENT,
        chain_hash=chain_hash,
        since=NOW,
        alike="customer",
        lean_on_polls=lean_on_polls,
    )
    return one.id if one else None


@pytest.mark.parametrize(("theirs", "ours"), [("0xFEED01", "feed01"), ("feed01", "0xfeed01"), ("0xfeed01", "0xFEED01")])
def test_it_finds_a_hash_however_it_is_written(theirs: str, ours: str) -> None:
    assert found(Ibex(tx("other", chain_hash="0x01"), tx("mine", chain_hash=theirs)), chain_hash=ours) == "mine"


def test_the_hash_tells_two_equal_amounts_apart_though_another_flow_waits() -> None:
    ibex = Ibex(tx("a", chain_hash="0x0a"), tx("b", chain_hash="0x0b"))
    assert found(ibex, chain_hash="0x0b", others=Others(alike=True)) == "b"


def test_what_a_poll_has_read_is_read_again_and_nothing_is_listed() -> None:
    ibex = Ibex(tx("other", chain_hash="0x01"), tx("mine", chain_hash="0x02"))
    assert found(ibex, chain_hash="0x02", others=Others(polled=["other", "mine"])) == "mine"
    assert (ibex.read, ibex.listed) == (["other", "mine"], 0)


def test_while_polls_read_the_account_it_is_not_listed_in_vain() -> None:
    """IBEX allows five calls a second: a hundred flows that wait must not each ask, beside the polls that do."""
    ibex = Ibex(tx("mine", chain_hash="0x02"))
    assert found(ibex, chain_hash="0x02", others=Others(polled=[])) is None
    assert (ibex.read, ibex.listed) == ([], 0)
    assert found(ibex, chain_hash="0x02", others=Others(polled=[]), lean_on_polls=False) == "mine"
    assert found(ibex, chain_hash="0x02", others=Others()) == "mine", "nobody polls it"


@pytest.mark.parametrize("changes", [{"chain_hash": "0x01"}, {"amount": Money(1, "USDT")}, {"account": "another"}])
def test_what_a_poll_has_read_and_is_not_it_now_does_not_hide_what_is(changes: dict[str, Any]) -> None:
    ibex = Ibex(tx("polled", **{"chain_hash": "0x02", **changes}), tx("mine", chain_hash="0x02"))
    assert found(ibex, chain_hash="0x02", others=Others(polled=["polled"])) == "mine"
    assert ibex.listed == 1


def test_without_a_hash_what_a_poll_has_read_is_not_known_to_be_all_that_may_be_meant() -> None:
    with pytest.raises(NeedsPerson):
        found(Ibex(tx("polled"), tx("newer")), others=Others(polled=["polled"]))


def test_it_leaves_what_bears_another_hash() -> None:
    assert found(Ibex(tx("other", chain_hash="0x01")), chain_hash="0x02") is None


def test_it_takes_the_only_one_whose_hash_ibex_does_not_know() -> None:
    assert found(Ibex(tx("other", chain_hash="0x01"), tx("mine")), chain_hash="0x02") == "mine"


@pytest.mark.parametrize(("amount", "kind"), [(248_749_999, "amount_differs"), (248_750_001, "amount_differs")])
def test_another_amount_under_its_own_hash_is_for_people(amount: int, kind: str) -> None:
    ibex = Ibex(tx("mine", chain_hash="0x02", amount=Money(amount, "USDT")))
    with pytest.raises(NeedsPerson) as refused:
        found(ibex, chain_hash="0x02")
    assert refused.value.break_type == kind


def test_another_token_under_its_own_hash_is_for_people() -> None:
    ibex = Ibex(tx("mine", chain_hash="0x02", amount=Money(SENT.minor, "USDC")))
    with pytest.raises(NeedsPerson) as refused:
        found(ibex, chain_hash="0x02")
    assert refused.value.break_type == "currency_differs"


def test_one_payment_of_a_chain_may_bring_two_amounts_to_an_account() -> None:
    ibex = Ibex(tx("one", chain_hash="0x02", amount=Money(1, "USDT")), tx("two", chain_hash="0x02"))
    assert found(ibex, chain_hash="0x02") == "two"


@pytest.mark.parametrize("others", [Others(), Others(alike=True)])
def test_without_a_hash_two_that_may_be_meant_are_for_people(others: Others) -> None:
    there = [tx("a"), tx("b")] if not others.one_alike("", "", alike="customer") else [tx("a")]
    with pytest.raises(NeedsPerson) as refused:
        found(Ibex(*there), others=others)
    assert refused.value.break_type == "duplicate"


@pytest.mark.parametrize(
    "changes",
    [
        {"incoming": None},  # a send: its type is not documented
        {"incoming": False},
        {"status": TokenStatus.FAILED},
        {"created_at": NOW - timedelta(days=1)},
        {"amount": Money(SENT.minor + 1, "USDT")},
    ],
)
def test_it_takes_nothing_that_cannot_be_it(changes: dict[str, Any]) -> None:
    assert found(Ibex(tx("other", **changes))) is None


def test_it_takes_nothing_that_another_flow_has() -> None:
    assert found(Ibex(tx("taken"), tx("free")), others=Others("taken")) == "free"


def test_one_that_is_gone_when_it_is_read_is_not_there() -> None:
    assert found(Ibex(tx("mine"), gone={"mine"})) is None


def test_an_account_full_of_others_payments_is_not_read_through() -> None:
    crowd = [tx(f"other{n}", chain_hash=f"0x{n:x}", amount=Money(n + 1, "USDT")) for n in range(500)]
    ibex = Ibex(*crowd, tx("mine", chain_hash="0xfff"))
    assert found(ibex, chain_hash="0xfff") == "mine"
    assert ibex.read == ["mine"]
    assert found(Ibex(*crowd), chain_hash="0xfff") is None
    assert len(ibex.read) <= READ_AT_MOST
