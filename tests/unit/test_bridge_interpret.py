"""What Bridge's events say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import CannotUse, Changed, Fact, Ignored, LookDue, Opening
from funding.money import Money
from providers.bridge.interpret import interpret, polled
from tests.unit.test_bridge_wire import CUSTOMER, DEPOSIT, ENTRY, TRANSFER, changed

AT = datetime(2026, 1, 1, 12, 0, 3, 120000, tzinfo=UTC)
RECEIVED = changed(ENTRY, type="funds_received", amount="250.00", currency="usd")
LINK = {"id": "link_1", "kyc_status": "approved", "tos_status": "pending", "customer_id": "cust_1"}
DRAIN = {"id": "drain_1", "customer_id": "cust_1", "amount": "5.0", "currency": "usdt", "state": "payment_processed"}


def an_opening(amount: Money | None = None) -> Opening:
    return Opening(
        flow_kind="bridge_on_ramp",
        link_kind="virtual_account",
        link_id="va_1",
        amount=amount,
        data={"customer": "cust_1", "virtual_account": "va_1"},
    )


def an_event(category: str, shown: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "api_version": "v0",
        "event_id": "wh_9tQk2",
        "event_sequence": 4182,
        "event_category": category,
        "event_type": f"{category}.created",
        "event_object_id": shown.get("id"),
        "event_object_status": shown.get("state"),
        "event_object": shown,
        "event_object_changes": {},
        "event_created_at": "2026-01-01T12:00:03.120Z",
    } | more


def an_activity(**changes: Any) -> dict[str, Any]:
    return an_event("virtual_account.activity", changed(ENTRY, **changes))


def a_seed(kind: str, **data: Any) -> dict[str, Any]:
    return {"id": "evt_1", "type": kind, "data": data}


def read(event: Any, source: str = "webhook") -> Fact:
    (fact,) = interpret(json.dumps(event).encode(), source=source).facts
    return fact


class TestADepositsStage:
    def test_opens_a_deposit_with_what_came_in(self) -> None:
        assert read(an_event("virtual_account.activity", RECEIVED)) == Changed(
            kind="deposit", id=DEPOSIT, status="funds_received", at=AT, opening=an_opening(Money(250_00, "USD"))
        )

    @pytest.mark.parametrize(
        "stage", ["funds_scheduled", "payment_submitted", "payment_processed", "refunded", "Recalled"]
    )
    def test_says_no_amount_where_it_is_another_one(self, stage: str) -> None:
        """An estimate before, less fees and in another asset after: the flow will read what came in."""
        assert read(an_activity(type=stage)) == Changed(
            kind="deposit", id=DEPOSIT, status=stage.lower(), at=AT, opening=an_opening()
        )

    def test_of_no_deposit_id_has_its_account_looked_at(self) -> None:
        assert read(an_activity(deposit_id=None)) == LookDue(poll="bridge_virtual_account", subject="va_1")

    @pytest.mark.parametrize(
        "entry", ["microdeposit", "Microdeposit", "account_update", "deactivation", "reactivation"]
    )
    def test_that_is_no_money_to_credit_is_ignored(self, entry: str) -> None:
        """A microdeposit has an amount and a deposit's id, and is never converted."""
        fact = read(an_activity(type=entry))
        assert isinstance(fact, Ignored)
        assert ("microdeposit" in fact.reason) == (entry.lower() == "microdeposit")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"amount": 250.0}, "amount"),
            ({"amount": "250.005"}, "amount"),
            ({"amount": "1e400"}, "amount"),
            ({"amount": None}, "amount"),
            ({"currency": None}, "currency"),
            ({"currency": "brl"}, "amount"),
            ({"type": None}, "type"),
            ({"deposit_id": 7}, "deposit_id"),
            ({"deposit_id": "../x"}, "deposit_id"),
            ({"virtual_account_id": None}, "virtual_account_id"),
            ({"virtual_account_id": ["va_1"]}, "virtual_account_id"),
            ({"customer_id": None}, "customer_id"),
            ({"customer_id": "a/b"}, "customer_id"),
            ({"id": None}, "id"),
        ],
    )
    def test_of_another_shape_is_set_aside_naming_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(CannotUse, match=rf"^event_object[.]{field} ") as caught:
            read(an_event("virtual_account.activity", changed(RECEIVED, **changes)))
        assert not any(str(value) in str(caught.value) for value in changes.values() if value)


class TestATransfersEvent:
    def test_wakes_the_flow_that_made_it(self) -> None:
        assert read(an_event("transfer", TRANSFER)) == Changed(
            kind="transfer",
            id=str(TRANSFER["id"]),
            status="awaiting_funds",
            at=AT,
            ours=True,
            reference="wd_5521",
        )

    @pytest.mark.parametrize("state", ["IN_REVIEW", "a_state_of_next_year"])
    def test_says_its_state_as_a_hint_whatever_it_is(self, state: str) -> None:
        fact = read(an_event("transfer", changed(TRANSFER, state=state)))
        assert isinstance(fact, Changed)
        assert fact.status == state.lower()

    def test_may_carry_no_reference_and_no_time(self) -> None:
        fact = read(an_event("transfer", changed(TRANSFER, client_reference_id=None), event_created_at=None))
        assert isinstance(fact, Changed)
        assert (fact.reference, fact.at) == (None, None)

    @pytest.mark.parametrize("kind", ["created", "transfer.created", "updated.status_transitioned"])
    def test_has_a_type_with_its_category_however_bridge_writes_it(self, kind: str) -> None:
        body = json.dumps(an_event("transfer", TRANSFER, event_type=kind)).encode()
        assert interpret(body, source="webhook").type == f"transfer.{kind.removeprefix('transfer.')}"

    def test_of_a_drain_is_another_kind(self) -> None:
        assert read(an_event("liquidation_address.drain", DRAIN)) == Changed(
            kind="drain", id="drain_1", status="payment_processed", at=AT, ours=True
        )

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"event_object_id": "another"}, "event_object_id"),
            ({"event_object_id": 7}, "event_object_id"),
            ({"event_object": None}, "event_object"),
            ({"event_object": "3f0c"}, "event_object"),
            ({"event_object": changed(TRANSFER, state=None)}, "event_object.state"),
            ({"event_created_at": "yesterday"}, "event_created_at"),
            ({"event_type": None}, "event_type"),
        ],
    )
    def test_of_another_shape_is_set_aside_naming_the_field(self, more: dict[str, Any], field: str) -> None:
        """An id that differs from the object's own could wake one flow with another's news."""
        with pytest.raises(CannotUse, match=rf"^{field.replace('.', '[.]')} "):
            read(an_event("transfer", TRANSFER, **more))


class TestACustomersEvent:
    @pytest.mark.parametrize(
        ("category", "shown"),
        [
            ("customer", CUSTOMER),
            ("customer", {"id": "cust_1", "kyc_status": "approved"}),
            ("kyc_link", LINK),
            ("kyc_link", LINK | {"kyc_status": "Approved"}),
        ],
    )
    def test_says_active_and_approved_in_one_word(self, category: str, shown: dict[str, Any]) -> None:
        assert read(an_event(category, shown)) == Changed(
            kind="customer", id="cust_1", status="approved", at=AT, ours=True
        )

    def test_of_a_link_that_is_nobodys_is_ignored(self) -> None:
        assert isinstance(read(an_event("kyc_link", LINK | {"customer_id": None})), Ignored)


class TestOtherEvents:
    @pytest.mark.parametrize(
        "category",
        [
            "external_account",
            "virtual_account",
            "liquidation_address",
            "static_memo.activity",
            "card_transaction",
            "next",
        ],
    )
    def test_are_understood_and_ignored_whatever_they_carry(self, category: str) -> None:
        assert isinstance(read(an_event(category, {}, event_created_at="odd", event_object="odd")), Ignored)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"event_id": "wh_1"},
            {"event_category": "transfer"},
            {"id": "evt_1", "type": "kyc.approved"},
            an_event("transfer", TRANSFER, **a_seed("transfer.completed", transfer_id="tr_1")),
            an_event("transfer", TRANSFER, poll={"kind": "transfer", "object": TRANSFER}),
            a_seed("transfer.completed", transfer_id="tr_1") | {"poll": {"kind": "transfer", "object": TRANSFER}},
            {"event_id": 7, "event_category": ["transfer"]},
        ],
    )
    def test_of_no_shape_or_two_are_set_aside(self, body: dict[str, Any]) -> None:
        with pytest.raises(CannotUse):
            read(body)

    def test_naming_a_field_twice_are_set_aside(self) -> None:
        body = json.dumps(an_event("transfer", TRANSFER)).encode()
        with pytest.raises(CannotUse, match="twice"):
            interpret(body[:-1] + b',"event_object":{}}', source="webhook")

    @pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"])
    def test_that_are_no_object_are_set_aside(self, body: bytes) -> None:
        with pytest.raises(CannotUse):
            interpret(body, source="webhook")


class TestTheSeedsEvents:
    def test_of_a_deposit_have_its_account_looked_at(self) -> None:
        """It names no deposit, so nothing may be opened from it: the same money also comes in the other shape."""
        seed = a_seed("deposit.completed", virtual_account_id="va_1", amount="250.00", tx_hash="0xfeed01")
        assert read(seed) == LookDue(poll="bridge_virtual_account", subject="va_1")

    @pytest.mark.parametrize(("kind", "status"), [("completed", "payment_processed"), ("failed", "failed")])
    def test_of_a_transfer_say_its_state_in_bridges_words(self, kind: str, status: str) -> None:
        assert read(a_seed(f"transfer.{kind}", transfer_id="tr_1")) == Changed(
            kind="transfer", id="tr_1", status=status, at=None, ours=True
        )

    @pytest.mark.parametrize("status", ["approved", "rejected"])
    def test_of_kyc_are_the_customers(self, status: str) -> None:
        assert read(a_seed(f"kyc.{status}", customer_id="cust_1", kyc_status=status)) == Changed(
            kind="customer", id="cust_1", status=status, at=None, ours=True
        )

    @pytest.mark.parametrize("kind", ["deposit.failed", "deposit", "transfer", "transfer.", "kyc", "other.thing"])
    def test_of_another_type_are_ignored(self, kind: str) -> None:
        assert isinstance(read(a_seed(kind, transfer_id="tr_1", customer_id="cust_1")), Ignored)

    @pytest.mark.parametrize("kind", ["deposit.completed", "transfer.completed", "kyc.approved"])
    @pytest.mark.parametrize("odd", [None, 7, "a/b", ""])
    def test_without_the_id_they_are_about_are_set_aside(self, kind: str, odd: Any) -> None:
        with pytest.raises(CannotUse, match=r"data\..*_id"):
            read(a_seed(kind, virtual_account_id=odd, transfer_id=odd, customer_id=odd))


class TestAPollsFinding:
    @pytest.mark.parametrize(
        ("kind", "category", "shown"),
        [
            ("deposit_stage", "virtual_account.activity", ENTRY),
            ("transfer", "transfer", TRANSFER),
            ("drain", "liquidation_address.drain", DRAIN),
        ],
    )
    def test_says_what_the_webhook_says_but_no_time(self, kind: str, category: str, shown: dict[str, Any]) -> None:
        reading = interpret(polled(kind, shown), source="poll")
        assert reading.type == f"poll.{kind}"
        assert reading.facts[0] == read(an_event(category, shown, event_created_at=None))

    def test_of_a_past_event_is_that_event(self) -> None:
        event = an_event("transfer", TRANSFER)
        reading = interpret(polled("event", event), source="poll")
        assert (reading.type, reading.facts[0]) == ("transfer.created", read(event))

    def test_is_not_taken_from_a_webhook(self) -> None:
        with pytest.raises(CannotUse, match="webhook"):
            interpret(polled("transfer", TRANSFER), source="webhook")

    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("journal", TRANSFER),
            ("event", TRANSFER),
            ("event", a_seed("kyc.approved", customer_id="cust_1")),
            ("event", {"poll": {"kind": "transfer", "object": TRANSFER}}),
            ("event", an_event("transfer", TRANSFER, **a_seed("kyc.approved", customer_id="cust_1"))),
        ],
    )
    def test_of_another_kind_or_shape_is_set_aside(self, kind: str, shown: dict[str, Any]) -> None:
        with pytest.raises(CannotUse, match=r"shape|a kind"):
            interpret(polled(kind, shown), source="poll")

    def test_may_be_replayed(self) -> None:
        assert isinstance(interpret(polled("transfer", TRANSFER), source="replay").facts[0], Changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(["id", "type", "state", "status", "amount", "currency", "deposit_id", "customer_id"])
CATEGORIES = st.sampled_from(
    ["virtual_account.activity", "transfer", "customer", "kyc_link", "liquidation_address.drain"]
)


class TestAnyBody:
    @given(category=CATEGORIES, data=st.dictionaries(FIELDS, JSON), more=JSON)
    def test_is_read_or_set_aside_but_never_breaks(self, category: str, data: dict[str, Any], more: Any) -> None:
        """A poison event must not stop the batch it is in."""
        shown = ENTRY | TRANSFER | CUSTOMER | data
        for body in (
            an_event(category, shown),
            a_seed(f"transfer.{more}", transfer_id=more),
            {"poll": {"kind": "deposit_stage", "object": shown}},
            {"poll": {"kind": "event", "object": an_event(category, shown)}},
            more,
        ):
            try:
                interpret(json.dumps(body).encode(), source="replay")
            except CannotUse:
                continue
