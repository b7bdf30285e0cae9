"""Readings of a withdrawal: which are old, which sends are its own, and where its tokens are to go back to."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from funding.calls import Call
from funding.errors import NeedsPerson, ProviderRejected, UnexpectedAnswer
from funding.flows import bridge_withdrawal_checks as checks
from funding.money import Money
from funding.ports.bridge import Payout, TransferState
from funding.ports.ibex import TokenStatus, TokenTransaction
from funding.snapshot import Intention, Snapshot
from providers.bridge import wire

NOW = datetime(2026, 1, 1, 13, 0, tzinfo=UTC)
HERE, ELSEWHERE = "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
AMOUNT = Money(250_000000, "USDT")
DATA = {
    "bridge_customer": "cust_1",
    "external_account": "ea_1",
    "bank_name": "Chase",
    "last4": "6789",
    "account": "acct_1",
    "network": "ethereum",
    "return_to": None,
}


def a_flow(**changes: Any) -> Snapshot:
    told: dict[str, Any] = {
        "id": UUID("9f2c1f6e-0000-4000-8000-000000000001"),
        "kind": "bridge_withdrawal",
        "state": "held",
        "status": "open",
        "customer": "ana",
        "amount": AMOUNT,
        "amount_out": None,
        "data": DATA,
        "hints": {},
        "visit": 1,
        "tries": 0,
        "snoozes": 0,
        "misses": 0,
        "created_at": NOW,
        "moved_at": NOW,
        "watch_until": None,
        "now": NOW,
        "parked": False,
        "look_first": False,
        "references": (),
        "links": (),
        "intentions": (),
    }
    return Snapshot(**{**told, **changes})


def a_payout(state: TransferState = TransferState.AWAITING_FUNDS, **changes: Any) -> Payout:
    payout = Payout(
        id="tr_1",
        reference=str(a_flow().id),
        state=state,
        raw_state=str(state),
        customer="cust_1",
        amount=AMOUNT,
        sent_on=None,
        developer_fee=None,
        pay_to=HERE,
        chain_hash=None,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(payout, **changes)


def a_send(id_: str = "tx_1", **changes: Any) -> TokenTransaction:
    sent = TokenTransaction(
        id=id_,
        account="acct_1",
        incoming=None,
        status=TokenStatus.PENDING,
        raw_status="pending",
        amount=AMOUNT,
        raw_amount="250",
        address=None,
        chain_hash=None,
        created_at=NOW + timedelta(seconds=1),
        settled_at=None,
    )
    return replace(sent, **changes)


def sends(*shown: TokenTransaction, owned: Collection[str] = (), flow: Snapshot | None = None) -> list[str | None]:
    """The ids of those that are this withdrawal's own."""

    class Shown:
        ibex = property(lambda self: self)
        others = property(lambda self: self)

        def list_transactions(self, _account: str, *, since: datetime) -> Sequence[TokenTransaction]:
            assert since < NOW
            return shown

        def owned(self, _provider: str, _kind: str, ids: Sequence[str]) -> Collection[str]:
            return [one for one in ids if one in owned]

    found = checks.sends_of(flow or a_flow(), cast("Call", Shown()), a_payout())
    return [one.transaction_id for one in found]


def unknown_send() -> Snapshot:
    made = Intention(
        key=UUID(int=1), call="send", generation=0, request="{}", born_at=NOW, sends=1, settle_from=NOW,
        outcome="unknown", look_ups=0, looked_at=None,
    )  # fmt: skip
    return a_flow(intentions=(made,))


class TestSends:
    def test_are_of_its_amount_and_not_known_to_have_come_in(self) -> None:
        other = Money(1, "USDT")
        assert sends(a_send(), a_send("in", incoming=True), a_send("small", amount=other)) == ["tx_1"]

    def test_are_not_older_than_the_transfer_nor_another_flows(self) -> None:
        assert sends(a_send("old", created_at=NOW - timedelta(hours=1)), a_send("taken"), owned={"taken"}) == []

    def test_went_nowhere_else(self) -> None:
        """Where IBEX says where to, in whatever case."""
        assert sends(a_send(address=HERE.lower().replace("0x", "0X")), a_send("b", address=ELSEWHERE)) == ["tx_1"]

    def test_are_found_though_ibex_writes_them_as_less(self) -> None:
        assert sends(a_send(amount=Money(-AMOUNT.minor, "USDT"))) == ["tx_1"]

    def test_that_may_be_ours_with_a_fee_ask_a_person_once_ours_is_unknown(self) -> None:
        more = a_send(amount=Money(AMOUNT.minor + 1, "USDT"))
        assert sends(more) == []
        with pytest.raises(NeedsPerson, match=r"Whether 250\.000000 USDT was sent is unknown"):
            sends(more, flow=unknown_send())


def test_a_refused_listing_is_no_refusal_of_the_send() -> None:
    """Taken for one, the hold would end while the tokens may be gone."""

    class Refusing:
        ibex = property(lambda self: self)

        def list_transactions(self, _account: str, *, since: datetime) -> Sequence[TokenTransaction]:
            raise ProviderRejected(f"no {since:%Y}", provider="ibex", status=400)

    with pytest.raises(UnexpectedAnswer):
        checks.sends_of(a_flow(), cast("Call", Refusing()), a_payout())


@pytest.mark.parametrize(
    ("payout", "changes", "behind"),
    [
        (a_payout(), {}, False),
        (a_payout(), {"hints": {"payment_processed": ""}}, True),
        (a_payout(TransferState.RETURNED), {"hints": {"payment_processed": "", "returned": ""}}, False),
        (a_payout(), {"hints": {"failed": "", "in_review": ""}}, False),  # neither says how far it has come
        (a_payout(), {"hints": {"returned": ""}, "snoozes": 8}, False),
        (a_payout(), {"data": {**DATA, "read_at": (NOW + timedelta(seconds=1)).isoformat()}}, True),
        (a_payout(), {"data": {**DATA, "read_at": NOW.isoformat()}}, False),
    ],
)
def test_a_reading_older_than_what_is_known_is_not_believed_at_first(
    payout: Payout, changes: Mapping[str, Any], *, behind: bool
) -> None:
    assert checks.is_behind(payout, a_flow(**changes)) is behind


@pytest.mark.parametrize(
    ("state", "chain_hash", "there"),
    [
        (TransferState.AWAITING_FUNDS, None, False),
        (TransferState.IN_REVIEW, None, False),
        (TransferState.CANCELED, None, False),
        (TransferState.CANCELED, "0xfeed", True),
        (TransferState.ERROR, None, False),
        (TransferState.FUNDS_RECEIVED, None, True),
        (TransferState.REFUNDED, None, True),
        (TransferState.UNKNOWN, None, False),
    ],
)
def test_the_tokens_are_at_bridge_once_it_says_so(state: TransferState, chain_hash: str | None, *, there: bool) -> None:
    assert checks.has_tokens(a_payout(state, chain_hash=chain_hash)) is there


def test_bridge_is_told_where_the_tokens_go_back_to() -> None:
    """Without it they wait at Bridge for a policy."""
    ordered = checks.order_of(a_flow(data={**DATA, "return_to": HERE}))
    assert json.loads(wire.dump_payout(ordered))["return_instructions"] == {"address": HERE}
    assert "return_instructions" not in json.loads(wire.dump_payout(checks.order_of(a_flow())))
