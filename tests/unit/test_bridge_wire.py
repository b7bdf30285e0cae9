"""Bridge's JSON and our words for it."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.money import Money
from funding.ports.bridge import BankDeposit, CustomerStatus, Payout, PayoutOrder, Stage, TransferState
from providers.bridge import wire, words
from providers.fields import WrongShape

ENTRY: dict[str, Any] = {
    "id": "a1f3c2d4-0000-4000-8000-000000000002",
    "customer_id": "cust_1",
    "virtual_account_id": "va_1",
    "type": "payment_processed",
    "amount": "248.50",
    "currency": "usdt",
    "subtotal_amount": "248.75",
    "developer_fee_amount": "1.25",
    "exchange_fee_amount": "0.25",
    "gas_fee": "0.0",
    "deposit_id": "d90e5a10-0000-4000-8000-00000000000a",
    "destination_tx_hash": "0xfeed01",
    "created_at": "2026-01-01T12:00:00.000Z",
    "source": {"payment_rail": "ach_push", "sender_name": "ANA PIRES"},
}
DEPOSIT = ENTRY["deposit_id"]
TRANSFER: dict[str, Any] = {
    "id": "3f0c9c1e-6f0a-4f5e-9a51-0f4f6c1b7a10",
    "client_reference_id": "wd_5521",
    "state": "awaiting_funds",
    "on_behalf_of": "cust_1",
    "amount": "250.00",
    "currency": "usd",
    "developer_fee": "1.25",
    "source": {"payment_rail": "tron", "currency": "usdt", "from_address": "TQ5mExampleAddr"},
    "destination": {"payment_rail": "ach", "currency": "usd", "external_account_id": "ea_1"},
    "source_deposit_instructions": {
        "payment_rail": "tron",
        "currency": "usdt",
        "amount": "250.00",
        "to_address": "TBridgeDepositAddr",
    },
    "receipt": {
        "initial_amount": "250.00",
        "developer_fee": "1.25",
        "exchange_fee": "0.0",
        "gas_fee": "0.0",
        "subtotal_amount": "248.75",
        "final_amount": "248.75",
        "url": "https://receipt.example/r/1",
    },
    "created_at": "2026-01-01T13:00:00.000Z",
    "updated_at": "2026-01-01T13:00:01.000Z",
}
CUSTOMER: dict[str, Any] = {
    "id": "cust_1",
    "status": "active",
    "has_accepted_terms_of_service": True,
    "rejection_reasons": [],
}
ORDER = PayoutOrder(
    customer="cust_1", external_account="ea_1", amount=Money(250_000000, "USDT"), network="tron", reference="wd_5521"
)


def changed(sample: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The sample with fields changed: `source__currency` reaches into an object, None takes a field away."""
    made = copy.deepcopy(sample)
    for name, value in changes.items():
        *path, last = name.split("__")
        place = made[path[0]] if path else made
        if value is None:
            del place[last]
        else:
            place[last] = value
    return made


def a_deposit(*rows: dict[str, Any]) -> BankDeposit:
    """The deposit as its history shows it; the rows are given oldest first, as they happened."""
    found = wire.load_deposit(DEPOSIT, rows[::-1], customer="cust_1", virtual_account="va_1")
    assert found is not None
    return found


def a_payout(**changes: Any) -> Payout:
    return wire.load_payout(changed(TRANSFER, **changes))


class TestADeposit:
    def test_is_read_from_the_documented_entry(self) -> None:
        deposit = a_deposit(ENTRY)
        (stage,) = deposit.stages
        assert (deposit.customer, deposit.virtual_account, deposit.rail) == ("cust_1", "va_1", "ach_push")
        assert (stage.stage, stage.amount) == (Stage.PAYMENT_PROCESSED, Money(248_500000, "USDT"))
        assert (stage.developer_fee, stage.exchange_fee, stage.gas_fee) == (
            Money(1_250000, "USDT"),
            Money(250000, "USDT"),
            Money(0, "USDT"),
        )
        assert stage.chain_hash == "0xfeed01"
        assert stage.at == datetime(2026, 1, 1, 12, tzinfo=UTC)

    def test_shows_each_stage_in_its_own_currency_oldest_first(self) -> None:
        """The amount means another thing at each: gross dollars, dollars less fees, the coin that went on."""
        received = changed(ENTRY, id="1", type="funds_received", amount="250", currency="usd")
        submitted = changed(ENTRY, id="2", type="payment_submitted", amount="248.75", currency="usd")
        deposit = a_deposit(received, submitted, ENTRY)
        assert [stage.amount for stage in deposit.stages] == [
            Money(250_00, "USD"),
            Money(248_75, "USD"),
            Money(248_500000, "USDT"),
        ]

    def test_is_in_order_though_stages_share_a_millisecond_or_a_listing_was_moved(self) -> None:
        later = changed(ENTRY, id="3", created_at="2026-01-01T12:00:01Z")
        stages = a_deposit(later, changed(ENTRY, id="1"), changed(ENTRY, id="2")).stages
        assert [stage.id for stage in stages] == ["1", "2", "3"]

    def test_has_no_rows_of_another_deposit(self) -> None:
        """Whether the history is filtered is for Bridge to say; another deposit's money is not this one's."""
        rows = [changed(ENTRY, deposit_id="another"), changed(ENTRY, deposit_id=None, type="deactivation")]
        assert wire.load_deposit(DEPOSIT, rows, customer="cust_1", virtual_account="va_1") is None
        assert len(a_deposit(ENTRY, *rows).stages) == 1

    def test_may_be_submitted_with_parts_of_a_cent(self) -> None:
        """Half a percent of 123.45 dollars: an estimate on the way, which must not hide what was delivered."""
        submitted = changed(ENTRY, type="payment_submitted", amount="122.83275", currency="usd")
        assert a_deposit(submitted).stages[0].amount == Money(122_83, "USD")

    @pytest.mark.parametrize("fee", ["1.2500009", "1.25"])
    def test_has_fees_rounded_down_or_none(self, fee: str) -> None:
        stage = a_deposit(changed(ENTRY, developer_fee_amount=fee, gas_fee=None)).stages[0]
        assert (stage.developer_fee, stage.gas_fee) == (Money(1_250000, "USDT"), None)

    @pytest.mark.parametrize("stage", [one for one in Stage if one is not Stage.UNKNOWN])
    def test_knows_each_stage_in_any_case(self, stage: Stage) -> None:
        assert a_deposit(changed(ENTRY, type=stage.upper())).stages[0].stage is stage

    def test_keeps_an_unknown_stage_open(self) -> None:
        stage = a_deposit(changed(ENTRY, type="Recalled")).stages[0]
        assert (stage.stage, stage.raw_stage) == (Stage.UNKNOWN, "Recalled")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"amount": 248.5}, "amount"),
            ({"amount": "248.5000001"}, "amount"),
            ({"amount": "-1"}, "amount"),
            ({"amount": None}, "amount"),
            ({"type": "funds_received", "currency": "usd", "amount": "250.005"}, "amount"),
            ({"currency": None}, "currency"),
            ({"currency": "eur"}, "amount"),
            ({"customer_id": "cust_2"}, "customer_id"),
            ({"customer_id": None}, "customer_id"),
            ({"virtual_account_id": "va_2"}, "virtual_account_id"),
            ({"created_at": None}, "created_at"),
            ({"id": None}, "id"),
            ({"type": None}, "type"),
            ({"source": "ach_push"}, "source"),
        ],
    )
    def test_of_another_shape_is_refused_naming_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(WrongShape, match=rf"^{field} "):
            a_deposit(changed(ENTRY, **changes))


class TestAPayoutsRequest:
    def test_is_the_same_bytes_each_time(self) -> None:
        """A retry under the same key with other bytes is refused."""
        assert wire.dump_payout(ORDER) == (
            '{"amount":"250.00","on_behalf_of":"cust_1","client_reference_id":"wd_5521",'
            '"source":{"payment_rail":"tron","currency":"usdt"},'
            '"destination":{"payment_rail":"ach","currency":"usd","external_account_id":"ea_1"},'
            '"features":{"allow_any_from_address":true}}'
        )

    @pytest.mark.parametrize(
        ("minor", "text"), [(250_123456, "250.123456"), (1, "0.000001"), (100_000000, "100.00"), (500000, "0.50")]
    )
    def test_says_the_amount_in_major_units_to_the_last_place(self, minor: int, text: str) -> None:
        order = PayoutOrder(
            customer="c", external_account="e", amount=Money(minor, "USDT"), network="tron", reference="r"
        )
        assert json.loads(wire.dump_payout(order))["amount"] == text

    @pytest.mark.parametrize("amount", [Money(250_00, "USD"), Money(0, "USDT"), Money(-1, "USDC")])
    def test_takes_tokens_and_more_than_none(self, amount: Money) -> None:
        order = PayoutOrder(customer="c", external_account="e", amount=amount, network="tron", reference="r")
        with pytest.raises(ValueError, match="tokens"):
            wire.dump_payout(order)


class TestAPayout:
    def test_is_read_from_the_documented_sample(self) -> None:
        payout = a_payout()
        assert (payout.reference, payout.customer, payout.pay_to) == ("wd_5521", "cust_1", "TBridgeDepositAddr")
        assert (payout.state, payout.chain_hash) == (TransferState.AWAITING_FUNDS, None)
        assert (payout.sent_on, payout.developer_fee) == (Money(248_75, "USD"), Money(1_250000, "USDT"))
        assert payout.updated_at - payout.created_at == timedelta(seconds=1)

    @pytest.mark.parametrize("beside", ["usd", "usdt", None])
    def test_counts_its_amount_in_the_sources_currency(self, beside: str | None) -> None:
        """The currency beside the amount is the other side's, and missing from Bridge's own samples."""
        assert a_payout(currency=beside).amount == Money(250_000000, "USDT")

    def test_shows_the_hash_that_brought_our_tokens(self) -> None:
        assert a_payout(receipt__source_tx_hash="0xab", receipt__destination_tx_hash="0xcd").chain_hash == "0xab"

    @pytest.mark.parametrize("absent", ["receipt", "updated_at", "client_reference_id", "source_deposit_instructions"])
    def test_is_read_without_what_it_may_lack(self, absent: str) -> None:
        payout = a_payout(**{absent: None})
        assert payout.id == TRANSFER["id"]
        assert payout.developer_fee == Money(1_250000, "USDT")

    def test_believes_the_receipt_of_a_fee_before_the_order(self) -> None:
        assert a_payout(receipt__developer_fee="1.30").developer_fee == Money(1_300000, "USDT")

    def test_sends_a_bank_whole_cents(self) -> None:
        assert a_payout(receipt__final_amount="248.759").sent_on == Money(248_75, "USD")

    @pytest.mark.parametrize("state", [one for one in TransferState if one is not TransferState.UNKNOWN])
    def test_knows_each_state_in_any_case(self, state: TransferState) -> None:
        assert a_payout(state=state.upper()).state is state

    @pytest.mark.parametrize("state", ["kyc_in_review", "Pondered"])
    def test_keeps_an_unknown_state_open(self, state: str) -> None:
        assert (a_payout(state=state).state, a_payout(state=state).raw_state) == (TransferState.UNKNOWN, state)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"amount": 250}, "amount"),
            ({"amount": "25000000000000000000000000000000000000000"}, "amount"),
            ({"amount": None}, "amount"),
            ({"amount": "250.0000001"}, "amount"),
            ({"source": None}, "source"),
            ({"source__currency": None}, "source.currency"),
            ({"destination__currency": None}, "destination.currency"),
            ({"receipt__final_amount": 248.75}, "receipt.final_amount"),
            ({"id": "../customers"}, "id"),
            ({"on_behalf_of": None}, "on_behalf_of"),
            ({"client_reference_id": 5521}, "client_reference_id"),
            ({"state": None}, "state"),
            ({"created_at": "today"}, "created_at"),
        ],
    )
    def test_of_another_shape_is_refused_naming_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(WrongShape, match=rf"^{field.replace('.', '[.]')} "):
            a_payout(**changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"source_deposit_instructions__payment_rail": "ethereum"},
            {"source_deposit_instructions__currency": "usdc"},
            {"source_deposit_instructions__currency": None},
            {"source_deposit_instructions__blockchain_memo": "4711"},
        ],
    )
    def test_is_not_paid_where_our_tokens_would_be_lost(self, changes: dict[str, Any]) -> None:
        with pytest.raises(WrongShape, match="source_deposit_instructions"):
            a_payout(**changes)


class TestACustomer:
    @pytest.mark.parametrize(
        ("said", "status"),
        [
            *((one.value, one) for one in CustomerStatus if one is not CustomerStatus.UNKNOWN),
            ("active", CustomerStatus.APPROVED),
            ("Active", CustomerStatus.APPROVED),
            ("awaiting_questionnaire", CustomerStatus.INCOMPLETE),
            ("awaiting_ubo", CustomerStatus.INCOMPLETE),
            ("pondered", CustomerStatus.UNKNOWN),
        ],
    )
    def test_has_one_word_for_what_a_link_and_a_customer_say(self, said: str, status: CustomerStatus) -> None:
        customer = wire.load_customer(CUSTOMER | {"status": said})
        assert (customer.status, customer.raw_status) == (status, said)

    def test_of_the_seed_says_kyc_status(self) -> None:
        customer = wire.load_customer({"id": "cust_1", "kyc_status": "approved"})
        assert customer.status is CustomerStatus.APPROVED
        assert not customer.terms_accepted

    def test_shows_why_it_was_rejected(self) -> None:
        reasons = ["Missing document", {"developer_reason": "ID expired", "reason": "Try again"}, {"reason": "Blurred"}]
        customer = wire.load_customer(CUSTOMER | {"rejection_reasons": reasons})
        assert customer.rejections == ("Missing document", "ID expired", "Blurred")

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": None},
            {"status": 5},
            {"id": None},
            {"has_accepted_terms_of_service": "yes"},
            {"rejection_reasons": "none"},
            {"rejection_reasons": [5]},
            {"rejection_reasons": [""]},
        ],
    )
    def test_of_another_shape_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(WrongShape):
            wire.load_customer(CUSTOMER | changes)


class TestAPage:
    @pytest.mark.parametrize("page", [{"count": 1, "data": [ENTRY]}, [ENTRY], {"data": [ENTRY]}])
    def test_is_an_object_or_as_in_older_documents_an_array(self, page: Any) -> None:
        assert wire.load_rows(page) == [ENTRY]

    @pytest.mark.parametrize("page", [{}, {"data": None}, {"items": []}, {"data": [{}]}, {"data": ["x"]}, 5, [5], None])
    def test_of_another_shape_never_passes_for_an_empty_one(self, page: Any) -> None:
        """An empty page is the end of a listing: nothing there, so made again."""
        with pytest.raises(WrongShape):
            wire.load_rows(page)


@pytest.mark.parametrize(
    ("kind", "full"),
    [
        ("created", "transfer.created"),
        ("transfer.created", "transfer.created"),
        ("transferred", "transfer.transferred"),
        ("updated.status_transitioned", "transfer.updated.status_transitioned"),
    ],
)
def test_an_events_type_has_its_category_before_it_once(kind: str, full: str) -> None:
    assert words.full_type("transfer", kind) == full
