"""What Stripe's events say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import CannotUse, Changed, Fact, Ignored, LookDue, Opening
from providers.stripe.interpret import interpret, polled
from providers.stripe.kept import kept, kept_event

FLOW = "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4"
AT = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
UPDATED = "crypto.onramp_session.updated"
SEED = "onramp.session.succeeded"
SESSION: dict[str, Any] = {
    "id": "cos_1",
    "object": "crypto.onramp_session",
    "status": "fulfillment_complete",
    "client_secret": "cos_1_secret_Yx2",
    "metadata": {"flow": FLOW},
}
DETAILS = {"destination_currency": "usdc", "destination_network": "ethereum", "destination_amount": "248.310000"}
SIMPLE = {"currency": "usdc", "network": "ethereum", "amount": 248310000}
WOKEN = Changed(kind="onramp_session", id="cos_1", status="fulfillment_complete", at=AT, ours=True, reference=FLOW)
CHECKOUT = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "client_reference_id": FLOW,
    "payment_status": "paid",
    "status": "complete",
    "payment_intent": "pi_1",
}
CHARGE = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": 5000, "status": "succeeded"}
REFUND = {"id": "re_1", "object": "refund", "payment_intent": "pi_1", "charge": "ch_1", "status": "succeeded"}
DISPUTE = {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "charge": "ch_1", "status": "needs_response"}


def an_event(shown: Any, kind: str = UPDATED, **more: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "created": 1767225599,
        "livemode": False,
        "type": kind,
        "data": {"object": shown},
    } | more


def read(event: Any, source: str = "webhook") -> Fact:
    (fact,) = interpret(json.dumps(event).encode(), source=source).facts
    return fact


class TestAnOnrampEvent:
    @pytest.mark.parametrize("kind", [UPDATED, "crypto.onramp_session_updated"])
    def test_wakes_its_flow_under_either_name(self, kind: str) -> None:
        """Public material knows two names, and the official package none."""
        assert read(an_event(SESSION, kind)) == WOKEN

    @pytest.mark.parametrize("livemode", [True, False, None, "odd"])
    def test_is_read_whatever_its_mode(self, livemode: Any) -> None:
        assert read(an_event(SESSION, livemode=livemode)) == WOKEN

    @pytest.mark.parametrize("status", ["Requires_Payment", "a_status_of_next_year", "succeeded"])
    def test_says_its_status_as_a_hint_whatever_it_is(self, status: str) -> None:
        fact = read(an_event(SESSION | {"status": status, "transaction_details": DETAILS}))
        assert isinstance(fact, Changed)
        assert fact.status == status.lower()

    def test_of_somebody_elses_session_names_no_flow(self) -> None:
        fact = read(an_event(SESSION | {"metadata": {"deposit_id": "dep_7781"}}))
        assert isinstance(fact, Changed)
        assert fact.reference is None

    def test_reads_the_same_without_a_time(self) -> None:
        fact = read(an_event(SESSION, created=None))
        assert isinstance(fact, Changed)
        assert fact.at is None

    @pytest.mark.parametrize(
        ("event", "field"),
        [
            (an_event(SESSION | {"id": None}), "id"),
            (an_event(SESSION | {"id": {"id": "cos_1"}}), "id"),
            (an_event(SESSION | {"id": "../charges"}), "id"),
            (an_event(SESSION | {"status": None}), "status"),
            (an_event(SESSION | {"status": 3}), "status"),
            (an_event(SESSION | {"metadata": {"flow": 3}}), "metadata.flow"),
            (an_event(CHECKOUT), "object"),
            (an_event("cos_1"), "object"),
            (an_event(SESSION, data={}), "data.object"),
            (an_event(SESSION, created="yesterday"), "created"),
            (an_event(SESSION, type=5), "type"),
        ],
    )
    def test_of_another_shape_is_set_aside_naming_the_field(self, event: dict[str, Any], field: str) -> None:
        with pytest.raises(CannotUse, match=rf"{field} (is|must)"):
            read(event)


class TestTheSeedsEvent:
    @pytest.mark.parametrize("status", ["succeeded", "fulfillment_complete", None])
    def test_says_in_stripes_word_that_the_session_is_complete(self, status: str | None) -> None:
        shown = SESSION | {"status": status, "destination": SIMPLE, "amount_total": 25000, "currency": "usd"}
        assert read(an_event(shown, SEED)) == WOKEN

    def test_shape_is_understood_under_the_real_name_too(self) -> None:
        assert read(an_event(SESSION | {"status": "succeeded", "destination": SIMPLE})) == WOKEN

    def test_that_says_something_else_than_its_name_is_set_aside(self) -> None:
        with pytest.raises(CannotUse, match=r"data\.object\.status is another"):
            read(an_event(SESSION | {"status": "fulfillment_processing"}, SEED))


class TestBothShapes:
    """One is text in major units, the other a whole number of millionths: only the field tells which."""

    @pytest.mark.parametrize(
        "agreeing", [{}, {"amount": None}, {"currency": "USDC"}, {"network": None}], ids=["all", *"acn"]
    )
    def test_that_agree_are_one_event(self, agreeing: dict[str, Any]) -> None:
        shown = SESSION | {"transaction_details": DETAILS, "destination": SIMPLE | agreeing}
        assert read(an_event(shown)) == WOKEN

    def test_agree_however_the_real_one_is_padded(self) -> None:
        padded = DETAILS | {"destination_amount": "248.310000000000000000"}
        assert read(an_event(SESSION | {"transaction_details": padded, "destination": SIMPLE})) == WOKEN

    @pytest.mark.parametrize(
        ("other", "field"),
        [
            ({"amount": 248}, "amount"),
            ({"amount": 24831}, "amount"),
            ({"amount": 248310001}, "amount"),
            ({"amount": "248.310000"}, "amount"),
            ({"amount": 248.31}, "amount"),
            ({"currency": "usdt"}, "currency"),
            ({"network": "base"}, "network"),
        ],
    )
    def test_that_disagree_are_set_aside(self, other: dict[str, Any], field: str) -> None:
        shown = SESSION | {"transaction_details": DETAILS, "destination": SIMPLE | other}
        with pytest.raises(CannotUse, match=rf"destination\.{field}"):
            read(an_event(shown))

    @pytest.mark.parametrize("body", [{}, {"data": {"object": SESSION}}, an_event(SESSION, poll={"kind": "event"})])
    def test_of_an_envelope_or_none_are_set_aside(self, body: dict[str, Any]) -> None:
        with pytest.raises(CannotUse, match="shape"):
            read(body, "replay")

    def test_of_one_field_are_set_aside(self) -> None:
        body = json.dumps(an_event(SESSION)).replace('"id": "cos_1"', '"id": "cos_2", "id": "cos_1"')
        with pytest.raises(CannotUse, match="twice"):
            interpret(body.encode(), source="webhook")


def an_opening(named: str | None) -> Opening:
    return Opening(
        flow_kind="stripe_top_up",
        link_kind="client_reference",
        link_id=named or "",
        amount=None,
        data={"way": "checkout", "named": named or ""},
        customer=named,
    )


class TestACheckoutEvent:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("checkout.session.completed", "paid"),
            ("checkout.session.completed", "unpaid"),
            ("checkout.session.async_payment_succeeded", "paid"),
            ("checkout.session.async_payment_failed", "unpaid"),
        ],
    )
    def test_opens_a_top_up_and_says_whether_it_is_paid_and_not_whether_the_page_is_done(
        self, kind: str, status: str
    ) -> None:
        assert read(an_event(CHECKOUT | {"payment_status": status}, kind)) == Changed(
            kind="checkout_session", id="cs_test_1", status=status, at=AT, opening=an_opening(FLOW)
        )

    @pytest.mark.parametrize("named", ["cus_of_ours", FLOW.upper(), None, ""])
    def test_opens_it_for_whomever_it_names_and_for_nobody_too(self, named: str | None) -> None:
        """What is paid there is somebody's, and nobody here makes such sessions."""
        fact = read(an_event(CHECKOUT | {"client_reference_id": named}, "checkout.session.completed"))
        assert isinstance(fact, Changed)
        assert (fact.opening, fact.reference) == (an_opening(named or None), None)

    def test_of_a_page_that_expired_opens_nothing(self) -> None:
        expired = CHECKOUT | {"status": "expired", "payment_status": "unpaid"}
        assert read(an_event(expired, "checkout.session.expired")) == Changed(
            kind="checkout_session", id="cs_test_1", status="unpaid", at=AT
        )

    @pytest.mark.parametrize("currency", ["jpy", "usdx", "USD_6", "\u00b5sd"])
    def test_in_a_currency_without_a_scale_is_set_aside(self, currency: str) -> None:
        with pytest.raises(CannotUse, match=r"currency is no currency"):
            read(an_event(CHECKOUT | {"currency": currency}, "checkout.session.completed"))


class TestMoneyThatGoesBack:
    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("charge.refunded", CHARGE),
            ("charge.refund.updated", REFUND),
            ("refund.created", REFUND),
            ("refund.updated", REFUND),
            ("refund.failed", REFUND | {"status": "failed"}),
            ("charge.dispute.created", DISPUTE),
            ("charge.dispute.funds_withdrawn", DISPUTE),
            ("charge.dispute.funds_reinstated", DISPUTE | {"status": "won"}),
            ("charge.dispute.closed", DISPUTE | {"status": "lost"}),
        ],
    )
    def test_wakes_the_owner_of_the_payment(self, kind: str, shown: dict[str, Any]) -> None:
        assert read(an_event(shown, kind)) == Changed(kind="payment_intent", id="pi_1", status=kind, at=AT, ours=True)

    def test_finds_the_payment_shown_whole(self) -> None:
        fact = read(an_event(REFUND | {"payment_intent": {"id": "pi_1", "amount": 1}}, "refund.created"))
        assert isinstance(fact, Changed)
        assert fact.id == "pi_1"

    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("refund.created", REFUND),
            ("refund.created", REFUND | {"charge": {"id": "ch_1"}}),
            ("charge.refunded", CHARGE),
            ("charge.dispute.created", DISPUTE),
        ],
    )
    def test_of_a_charge_alone_makes_a_look_due(self, kind: str, shown: dict[str, Any]) -> None:
        assert read(an_event(shown | {"payment_intent": None}, kind)) == LookDue(poll="stripe_charge", subject="ch_1")

    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("refund.created", REFUND | {"payment_intent": None, "charge": None}),
            ("refund.created", CHARGE),
            ("charge.refunded", REFUND),
            ("charge.dispute.closed", DISPUTE | {"payment_intent": 5}),
            ("charge.dispute.closed", DISPUTE | {"payment_intent": "pi/1"}),
        ],
    )
    def test_of_nothing_known_is_set_aside(self, kind: str, shown: dict[str, Any]) -> None:
        with pytest.raises(CannotUse):
            read(an_event(shown, kind))


class TestOtherEvents:
    @pytest.mark.parametrize(
        "kind",
        [
            "charge.succeeded",
            "charge.updated",
            "payment_intent.succeeded",
            "onramp_session_updated",
            "crypto.onramp_session.completed",
            "invented.next_year",
        ],
    )
    def test_are_ignored_whatever_they_carry(self, kind: str) -> None:
        assert isinstance(read({"id": "evt_1", "type": kind, "data": 5, "created": "odd"}), Ignored)

    @pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"])
    def test_that_are_no_object_are_set_aside(self, body: bytes) -> None:
        with pytest.raises(CannotUse):
            interpret(body, source="webhook")


class TestAPollsFinding:
    def test_of_an_event_says_what_the_webhook_says(self) -> None:
        """They share one id, so whichever is stored first must say it all."""
        for shown, kind in (
            (SESSION | {"transaction_details": DETAILS}, UPDATED),
            (SESSION | {"status": "succeeded", "destination": SIMPLE}, UPDATED),
            (CHECKOUT, "checkout.session.completed"),
            (CHARGE, "charge.refunded"),
            (REFUND, "refund.created"),
            (DISPUTE, "charge.dispute.created"),
        ):
            event = an_event(shown, kind)
            by_webhook = interpret(json.dumps(event).encode(), source="webhook")
            assert interpret(polled("event", kept_event(event)), source="poll") == by_webhook

    def test_of_a_session_wakes_its_flow(self) -> None:
        reading = interpret(polled("onramp_session", kept(SESSION)), source="poll")
        assert reading.type == "poll.onramp_session"
        assert reading.facts == (
            Changed(
                kind="onramp_session", id="cos_1", status="fulfillment_complete", at=None, ours=True, reference=FLOW
            ),
        )

    def test_of_a_page_opens_its_top_up_as_the_webhook_does(self) -> None:
        (fact,) = interpret(polled("checkout_session", kept(CHECKOUT)), source="poll").facts
        assert fact == Changed(
            kind="checkout_session", id="cs_test_1", status="paid", at=None, opening=an_opening(FLOW)
        )

    @pytest.mark.parametrize(("kind", "shown"), [("refund", REFUND), ("dispute", DISPUTE)])
    def test_of_money_that_goes_back_wakes_the_owner_of_the_payment(self, kind: str, shown: dict[str, Any]) -> None:
        (fact,) = interpret(polled(kind, kept(shown)), source="replay").facts
        said = f"{kind} {shown['status']}"
        assert fact == Changed(kind="payment_intent", id="pi_1", status=said, at=None, ours=True)

    @pytest.mark.parametrize(
        ("body", "source"),
        [
            (polled("refund", REFUND), "webhook"),
            (polled("payout", CHARGE), "poll"),
            (polled("refund", DISPUTE), "poll"),
            (polled("event", REFUND), "poll"),
            (polled("refund", REFUND | {"status": None}), "poll"),
        ],
    )
    def test_of_another_kind_or_from_outside_is_set_aside(self, body: bytes, source: str) -> None:
        with pytest.raises(CannotUse):
            interpret(body, source=source)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["id", "object", "status", "metadata", "transaction_details", "destination", "payment_intent", "charge"]
)


class TestAnyBody:
    @given(data=st.dictionaries(FIELDS, JSON), kind=st.sampled_from([UPDATED, SEED, "refund.created"]), more=JSON)
    def test_is_read_or_set_aside_but_never_breaks(self, data: Any, kind: str, more: Any) -> None:
        """A poison event must not stop the batch it is in."""
        whole = SESSION | {"transaction_details": DETAILS, "destination": SIMPLE} | data
        for body in (an_event(whole, kind), {"poll": {"kind": "onramp_session", "object": whole}}, more):
            try:
                interpret(json.dumps(body).encode(), source="replay")
            except CannotUse:
                continue
