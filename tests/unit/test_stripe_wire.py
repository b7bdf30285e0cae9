"""Stripe's JSON and our words for it."""

import copy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from funding.errors import OutcomeUnknown, ProviderError, ProviderThrottled, ProviderUnavailable
from funding.money import Money
from funding.ports.stripe import OnrampOrder, OnrampStatus, PaymentStatus, RefundStatus
from providers.fields import WrongShape
from providers.stripe import wire
from providers.stripe.adapter import StripePage, classify
from providers.stripe.kept import kept, kept_event
from providers.stripe.policy import POLICY

FLOW = "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4"
SESSION: dict[str, Any] = {
    "id": "cos_1QzT8mLk2fB7",
    "object": "crypto.onramp_session",
    "created": 1767225000,
    "livemode": False,
    "client_secret": "cos_1QzT8mLk2fB7_secret_Yx2",
    "kyc_details_provided": False,
    "metadata": {"flow": FLOW},
    "redirect_url": "https://crypto.link.example/s/Yx2",
    "status": "fulfillment_complete",
    "transaction_details": {
        "source_currency": "usd",
        "source_amount": "250.00",
        "destination_currency": "usdc",
        "destination_network": "ethereum",
        "destination_amount": "248.310000",
        "destination_currencies": ["usdc"],
        "destination_networks": ["ethereum"],
        "fees": {"network_fee_amount": "1.12", "transaction_fee_amount": "4.90"},
        "lock_wallet_address": True,
        "settlement_speed": "instant",
        "transaction_id": "0x4be1c0ffee",
        "wallet_address": "0x52aE9d0A11",
        "wallet_addresses": {"ethereum": "0x52aE9d0A11", "base_network": None},
    },
}
CHECKOUT: dict[str, Any] = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "amount_total": 25000,
    "client_reference_id": "cus_of_ours",
    "created": 1767225000,
    "currency": "usd",
    "payment_intent": "pi_1",
    "payment_status": "paid",
    "status": "complete",
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 5000,
    "charge": "ch_1",
    "currency": "usd",
    "payment_intent": "pi_1",
    "status": "succeeded",
}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 25000,
    "charge": "ch_1",
    "currency": "usd",
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
}


def changed(sample: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The sample with fields changed; `details__x` reaches into `transaction_details`."""
    made = copy.deepcopy(sample)
    for name, value in changes.items():
        place = made["transaction_details"] if name.startswith("details__") else made
        place[name.removeprefix("details__")] = value
    return made


def an_order(**more: Any) -> OnrampOrder:
    wanted: dict[str, Any] = {
        "network": "ethereum",
        "address": "0x52aE9d0A11",
        "amount": Money(248_310000, "USDC"),
        "reference": FLOW,
    }
    return OnrampOrder(**(wanted | more))


class TestAnOrder:
    def test_is_the_same_text_each_time(self) -> None:
        """A retry under the same key with another text is refused."""
        assert wire.dump_onramp(an_order()) == (
            "wallet_addresses[ethereum]=0x52aE9d0A11&lock_wallet_address=true&destination_currency=usdc"
            "&destination_network=ethereum&destination_amount=248.310000&destination_currencies[0]=usdc"
            f"&destination_networks[0]=ethereum&metadata[flow]={FLOW}"
        )

    def test_names_the_network_base_otherwise_in_the_map_of_addresses(self) -> None:
        said = parse_qs(wire.dump_onramp(an_order(network="base")))
        assert said["wallet_addresses[base_network]"] == ["0x52aE9d0A11"]
        assert said["destination_network"] == said["destination_networks[0]"] == ["base"]

    def test_says_its_reference_whatever_is_in_it(self) -> None:
        said = parse_qs(wire.dump_onramp(an_order(reference="a&b=c d")))
        assert said["metadata[flow]"] == ["a&b=c d"]

    @pytest.mark.parametrize(
        "odd",
        [
            {"amount": Money(1_00, "USD")},
            {"amount": Money(0, "USDC")},
            {"amount": Money(-1, "USDT")},
            {"network": "base]&x["},
            {"network": ""},
            {"address": "0x1&lock_wallet_address=false"},
            {"address": ""},
            {"address": "0х52"},  # noqa: RUF001 -- a Cyrillic letter is the point
        ],
    )
    def test_that_stripe_could_not_fill_is_not_written(self, odd: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"onramp|network"):
            wire.dump_onramp(an_order(**odd))


class TestAnOnrampSession:
    def test_is_read_in_our_words(self) -> None:
        session = wire.load_onramp(SESSION)
        assert session.status is OnrampStatus.FULFILLMENT_COMPLETE
        assert (session.paid, session.delivered) == (Money(250_00, "USD"), Money(248_310000, "USDC"))
        assert (session.network, session.address, session.chain_hash) == ("ethereum", "0x52aE9d0A11", "0x4be1c0ffee")
        assert (session.reference, session.url) == (FLOW, "https://crypto.link.example/s/Yx2")
        assert session.created_at == datetime(2025, 12, 31, 23, 50, tzinfo=UTC)

    def test_holds_no_client_secret(self) -> None:
        assert "secret" not in repr(wire.load_onramp(SESSION))

    @pytest.mark.parametrize("currency", ["eur", "cop", "usd_6", None])
    def test_paid_in_a_currency_without_books_here_is_delivered_all_the_same(self, currency: str | None) -> None:
        session = wire.load_onramp(changed(SESSION, details__source_currency=currency))
        assert (session.paid, session.delivered) == (None, Money(248_310000, "USDC"))

    @pytest.mark.parametrize("details", [None, dict.fromkeys(SESSION["transaction_details"])])
    def test_just_made_has_nothing_in_its_details(self, details: Any) -> None:
        session = wire.load_onramp(SESSION | {"status": "initialized", "transaction_details": details})
        assert (session.paid, session.delivered, session.address, session.chain_hash) == (None, None, None, None)

    @pytest.mark.parametrize("status", ["initialized", "requires_payment", "fulfillment_processing", "rejected", "odd"])
    def test_delivers_nothing_before_it_is_complete(self, status: str) -> None:
        """The amount that was wished for stands there from the first moment."""
        assert wire.load_onramp(SESSION | {"status": status}).delivered is None

    def test_padded_to_more_places_than_we_keep_is_rounded_down(self) -> None:
        session = wire.load_onramp(changed(SESSION, details__destination_amount="248.310000999999999999"))
        assert session.delivered == Money(248_310000, "USDC")

    @pytest.mark.parametrize("status", ["succeeded", "expired", "Being_Weighed"])
    def test_of_a_status_nobody_documented_is_open(self, status: str) -> None:
        """`succeeded` is the seed's word: the real API never says it."""
        session = wire.load_onramp(SESSION | {"status": status})
        assert (session.status, session.raw_status) == (OnrampStatus.UNKNOWN, status)

    @pytest.mark.parametrize("metadata", [None, {}, {"deposit_id": "dep_7781"}])
    def test_of_others_has_no_reference(self, metadata: Any) -> None:
        assert wire.load_onramp(SESSION | {"metadata": metadata}).reference is None

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": None}, "id"),
            ({"id": "../x"}, "id"),
            ({"status": None}, "status"),
            ({"created": None}, "created"),
            ({"created": "1767225000"}, "created"),
            ({"created": 1767225000.5}, "created"),
            ({"created": 1767225000000}, "created"),
            ({"created": -1}, "created"),
            ({"metadata": {"flow": 5}}, "metadata.flow"),
            ({"transaction_details": []}, "transaction_details"),
            ({"transaction_details": None}, "transaction_details.destination_currency"),
            ({"details__destination_amount": None}, "transaction_details.destination_amount"),
            ({"details__destination_amount": 248310000}, "transaction_details.destination_amount"),
            ({"details__destination_amount": "-1"}, "transaction_details.destination_amount"),
            ({"details__destination_currency": None}, "transaction_details.destination_currency"),
            ({"details__destination_currency": "eth"}, "transaction_details.destination_currency"),
            ({"details__destination_currency": "usd"}, "transaction_details.destination_currency"),
            ({"details__destination_network": None}, "transaction_details.destination_network"),
            ({"details__wallet_address": None}, "transaction_details.wallet_address"),
            ({"details__source_amount": 250.0}, "transaction_details.source_amount"),
            ({"details__source_amount": "250.001"}, "transaction_details.source_amount"),
        ],
    )
    def test_of_another_shape_is_refused_by_the_fields_name(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(WrongShape, match=rf"^{field} "):
            wire.load_onramp(changed(SESSION, **changes))


class TestACheckoutSession:
    def test_counts_cents(self) -> None:
        session = wire.load_checkout(CHECKOUT)
        assert (session.total, session.status) == (Money(250_00, "USD"), PaymentStatus.PAID)
        assert (session.payment_intent, session.customer) == ("pi_1", "cus_of_ours")

    def test_unpaid_has_no_payment_yet(self) -> None:
        session = wire.load_checkout(CHECKOUT | {"payment_status": "unpaid", "payment_intent": None})
        assert (session.status, session.payment_intent) == (PaymentStatus.UNPAID, None)

    def test_names_its_payment_also_when_it_is_shown_whole(self) -> None:
        whole = {"id": "pi_1", "object": "payment_intent", "amount": 25000}
        assert wire.load_checkout(CHECKOUT | {"payment_intent": whole}).payment_intent == "pi_1"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"amount_total": "250.00"}, "amount_total"),
            ({"amount_total": 250.0}, "amount_total"),
            ({"amount_total": True}, "amount_total"),
            ({"amount_total": None}, "amount_total"),
            ({"amount_total": -1}, "amount_total"),
            ({"amount_total": 10**40}, "amount_total"),
            ({"currency": "jpy"}, "currency"),
            ({"currency": "usdc"}, "currency"),
            ({"currency": "usd_6"}, "currency"),
            ({"currency": None}, "currency"),
            ({"payment_status": None}, "payment_status"),
            ({"payment_intent": 7}, "payment_intent"),
            ({"payment_intent": {"object": "payment_intent"}}, "payment_intent.id"),
        ],
    )
    def test_of_another_shape_or_currency_is_refused(self, changes: dict[str, Any], field: str) -> None:
        """A yen is not a hundredth of anything: what we have no scale for is never counted in cents."""
        with pytest.raises(WrongShape, match=rf"^{field} "):
            wire.load_checkout(CHECKOUT | changes)


class TestARefund:
    @pytest.mark.parametrize("status", list(RefundStatus))
    def test_is_as_far_as_it_says(self, status: RefundStatus) -> None:
        refund = wire.load_refund(REFUND | {"status": status.upper()})
        assert (refund.status, refund.amount, refund.payment_intent) == (status, Money(50_00, "USD"), "pi_1")

    def test_of_an_unknown_status_is_open(self) -> None:
        assert wire.load_refund(REFUND | {"status": "on_its_way"}).status is RefundStatus.UNKNOWN


class TestADispute:
    @pytest.mark.parametrize(
        ("status", "withdrawn", "closed"),
        [
            ("warning_needs_response", False, False),
            ("warning_under_review", False, False),
            ("warning_closed", False, True),
            ("needs_response", True, False),
            ("under_review", True, False),
            ("appeal_needs_response", True, False),
            ("appeal_under_review", True, False),
            ("won", False, True),
            ("lost", True, True),
            ("prevented", False, True),
            ("a_status_of_next_year", False, False),
        ],
    )
    def test_says_by_its_status_where_the_money_is(self, status: str, withdrawn: bool, closed: bool) -> None:  # noqa: FBT001 -- pytest's own way
        dispute = wire.load_dispute(DISPUTE | {"status": status})
        assert (dispute.withdrawn, dispute.closed, dispute.raw_status) == (withdrawn, closed, status)

    @pytest.mark.parametrize(("moves", "withdrawn"), [([], False), ([-25000], True), ([-25000, 25000], False)])
    def test_is_believed_by_its_movements_before_its_status(self, moves: list[int], withdrawn: bool) -> None:  # noqa: FBT001 -- pytest's own way
        shown = [{"amount": amount} for amount in moves]
        assert wire.load_dispute(DISPUTE | {"balance_transactions": shown}).withdrawn is withdrawn

    @pytest.mark.parametrize("moves", [{}, [{}], ["txn_1"], [{"amount": "-25000"}]])
    def test_with_movements_of_another_shape_is_refused(self, moves: Any) -> None:
        with pytest.raises(WrongShape, match="balance_transactions"):
            wire.load_dispute(DISPUTE | {"balance_transactions": moves})


class TestAPage:
    def test_leads_on_from_its_last_object_while_there_is_more(self) -> None:
        rows = [{"id": "re_2"}, {"id": "re_1"}]
        assert StripePage({"data": rows, "has_more": True}).last == "re_1"
        assert StripePage({"data": rows, "has_more": False}).last is None

    @pytest.mark.parametrize(
        "odd",
        [[], {"data": []}, {"has_more": False}, {"data": [], "has_more": True}, {"data": {}, "has_more": False}],
    )
    def test_of_another_shape_is_not_taken_for_the_end(self, odd: Any) -> None:
        """It would hide the session we made, and we would make another."""
        with pytest.raises(WrongShape):
            StripePage(odd)


class TestClassify:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, "crypto_onramp_disabled", ProviderUnavailable),
            (400, "crypto_onramp_unsupported_country", None),
            (400, "crypto_onramp_merchant_not_properly_setup", None),
            (400, "idempotency_error", None),
            (409, "idempotency_key_in_use", OutcomeUnknown),
            (409, "idempotency_error", OutcomeUnknown),
            (409, None, OutcomeUnknown),
            (409, "lock_timeout", ProviderThrottled),
            (429, "lock_timeout", ProviderThrottled),
            (429, "rate_limit", None),
            (500, "api_error", None),
        ],
    )
    def test_knows_where_the_general_rule_is_wrong(
        self, status: int, code: str | None, kind: type[ProviderError] | None
    ) -> None:
        assert classify(status, code) is kind


class TestKept:
    def test_leaves_out_secrets_and_people(self) -> None:
        whole = SESSION | {"customer_email": "ana@example.com"}
        text = repr((kept(whole), kept_event({"id": "evt_1", "type": "x", "data": {"object": whole}})))
        assert "secret" not in text
        assert "wallet" not in text
        assert "ana@" not in text
        assert kept(whole)["metadata"] == {"flow": FLOW}

    def test_keeps_of_what_is_shown_whole_the_id(self) -> None:
        assert kept(REFUND | {"charge": {"id": "ch_1", "billing_details": {}}})["charge"] == {"id": "ch_1"}

    @pytest.mark.parametrize("odd", [None, 5, "x", []])
    def test_keeps_nothing_of_what_is_no_object(self, odd: Any) -> None:
        assert kept(odd) == kept_event(odd) == {}
        assert kept_event({"data": odd}) == {"data": {"object": {}}}


def test_a_key_is_honoured_for_a_day_and_no_longer() -> None:
    assert POLICY.key_lifetime is not None
    assert POLICY.key_lifetime.total_seconds() == 24 * 3600
    assert POLICY.can_look_up
