"""Stripe's port, spoken to the pretended Stripe."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from funding.facts import Changed
from funding.money import Money
from funding.ports.stripe import OnrampOrder, OnrampStatus, PaymentStatus, RefundStatus
from providers.credentials import bearer
from providers.rotation import Secret, Windowed
from providers.stripe.adapter import StripeAdapter, classify
from providers.stripe.door import name, routes
from providers.stripe.interpret import interpret
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.support.clients import a_client

FLOW = "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4"
ADDRESS = "0x52aE9d0A11"
SINCE = datetime.now(UTC) - timedelta(minutes=1)
POST = "POST /v1/crypto/onramp_sessions"


@pytest.fixture
def sessions(pretended: SandboxServer) -> Iterator[StripeAdapter]:
    client = a_client(
        pretended.urls["stripe"],
        provider="stripe",
        deadline=DEADLINE_S,
        credentials=[bearer(pretended.world.config.stripe_secret_keys[0])],
        classify=classify,
    )
    yield StripeAdapter(client)
    client.close()


@pytest.fixture
def paid(pretended: SandboxServer) -> Any:
    """A Checkout session of 250 dollars that has been paid."""
    state = pretended.world.stripe
    made = state.add_checkout_session("250.00", client_reference_id=FLOW)
    return state.pay_checkout(made.id)


def a_request(sessions: StripeAdapter, *, network: str = "base", micro: int = 248_310000, reference: str = FLOW) -> str:
    order = OnrampOrder(network=network, address=ADDRESS, amount=Money(micro, "USDC"), reference=reference)
    return sessions.onramp_request(order)


def made(pretended: SandboxServer) -> int:
    return len(pretended.world.stripe.onramp.by_id)


class TestCreating:
    @pytest.mark.parametrize("network", ["ethereum", "base"])
    def test_makes_a_session_that_can_deliver_nothing_else(
        self, sessions: StripeAdapter, pretended: SandboxServer, network: str
    ) -> None:
        session = sessions.create_onramp(a_request(sessions, network=network), key=uuid4())
        assert (session.status, session.reference) == (OnrampStatus.INITIALIZED, FLOW)
        assert session.url is not None
        assert session.delivered is None
        wish = pretended.world.stripe.onramp.by_id[session.id].wish
        assert wish.lock_wallet_address
        assert (wish.destination_currencies, wish.destination_networks) == (["usdc"], [network])

    @pytest.mark.parametrize(
        ("fault", "params"),
        [
            ("reply_lost", {}),
            ("slow_reply", {"seconds": 30}),
            ("dripping_reply", {"seconds": 30}),
            ("hanging_socket", {"seconds": 30}),
        ],
    )
    def test_without_a_reply_is_unknown_and_is_found_by_its_reference(
        self, sessions: StripeAdapter, pretended: SandboxServer, fault: str, params: dict[str, float]
    ) -> None:
        pretended.world.faults.set(fault, "stripe", times=1, only=POST, **params)
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            sessions.create_onramp(a_request(sessions), key=uuid4())
        assert not caught.value.answered
        assert time.monotonic() - began < DEADLINE_S + 1
        assert len(sessions.find_onramps(FLOW, since=SINCE)) == made(pretended) == 1

    def test_again_under_the_same_key_gives_the_first_session(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        """Its answer is marked `Idempotent-Replayed`: no less an answer for that."""
        request, key = a_request(sessions), uuid4()
        pretended.world.faults.set("reply_lost", "stripe", times=1, only=POST)
        with pytest.raises(OutcomeUnknown):
            sessions.create_onramp(request, key=key)
        again = sessions.create_onramp(request, key=key)
        assert made(pretended) == 1
        assert sessions.get_onramp(again.id).id == again.id

    def test_while_the_first_call_still_runs_is_unknown(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        request, key = a_request(sessions), uuid4()
        pretended.world.stripe.keys.hold(str(key), 30)
        with pytest.raises(OutcomeUnknown) as caught:
            sessions.create_onramp(request, key=key)
        assert (caught.value.code, caught.value.status) == ("idempotency_key_in_use", 409)
        assert not caught.value.answered

    def test_after_an_error_of_stripes_gets_that_error_again_under_the_same_key(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        """So the flow must look it up and take another key: this one would never say what became of it."""
        request, key = a_request(sessions), uuid4()
        pretended.world.faults.set("server_error_after", "stripe", times=1, only=POST, cached=True)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown) as caught:
                sessions.create_onramp(request, key=key)
            assert caught.value.answered
        assert len(sessions.find_onramps(FLOW, since=SINCE)) == made(pretended) == 1

    def test_of_another_session_under_the_same_key_is_refused(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        key = UUID(int=1)
        sessions.create_onramp(a_request(sessions), key=key)
        with pytest.raises(ProviderRejected) as caught:
            sessions.create_onramp(a_request(sessions, micro=1), key=key)
        assert caught.value.code == "idempotency_error"
        assert made(pretended) == 1

    def test_while_the_onramp_is_switched_off_is_for_later(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        request, key = a_request(sessions), uuid4()
        pretended.world.stripe.onramp.disabled = True
        with pytest.raises(ProviderUnavailable) as caught:
            sessions.create_onramp(request, key=key)
        assert caught.value.code == "crypto_onramp_disabled"
        pretended.world.stripe.onramp.disabled = False
        assert sessions.create_onramp(request, key=key).reference == FLOW

    def test_for_a_merchant_that_is_not_set_up_is_refused(
        self, sessions: StripeAdapter, pretended: SandboxServer
    ) -> None:
        pretended.world.stripe.onramp.merchant_ready = False
        with pytest.raises(ProviderRejected) as caught:
            sessions.create_onramp(a_request(sessions), key=uuid4())
        assert caught.value.code == "crypto_onramp_merchant_not_properly_setup"

    def test_too_often_waits(self, sessions: StripeAdapter, pretended: SandboxServer) -> None:
        pretended.world.faults.set("throttled", "stripe", times=1, seconds=4)
        with pytest.raises(ProviderThrottled) as caught:
            sessions.create_onramp(a_request(sessions), key=uuid4())
        assert caught.value.retry_after == timedelta(seconds=4)
        assert made(pretended) == 0

    def test_with_a_key_that_may_only_read_is_our_mistake(self) -> None:
        with SandboxServer(config={"stripe_restricted_keys": ["rk_test_reader"]}) as server:
            client = a_client(server.urls["stripe"], provider="stripe", credentials=[bearer("rk_test_reader")])
            adapter = StripeAdapter(client)
            assert adapter.find_onramps(FLOW, since=SINCE) == []
            with pytest.raises(Misconfigured):
                adapter.create_onramp(a_request(adapter), key=uuid4())
            client.close()


class TestASession:
    def test_that_is_complete_shows_what_arrived_where(self, sessions: StripeAdapter, pretended: SandboxServer) -> None:
        session = sessions.create_onramp(a_request(sessions), key=uuid4())
        pretended.world.stripe.force_onramp(session.id, "fulfillment_complete")
        read = sessions.get_onramp(session.id)
        assert read.status is OnrampStatus.FULFILLMENT_COMPLETE
        assert read.delivered == Money(248_310000, "USDC")
        assert read.paid is not None
        assert (read.network, read.address) == ("base", ADDRESS)
        assert read.chain_hash is not None

    @pytest.mark.parametrize("padded", [True, False])
    def test_counts_the_same_however_its_amount_is_padded(self, *, padded: bool) -> None:
        with SandboxServer(config={"stripe_pad_crypto": padded}) as server:
            state, key = server.world.stripe, server.world.config.stripe_secret_keys[0]
            session = state.add_onramp_session(destination_amount="248.31")
            state.force_onramp(session.id, "fulfillment_complete")
            client = a_client(server.urls["stripe"], provider="stripe", credentials=[bearer(key)])
            assert StripeAdapter(client).get_onramp(session.id).delivered == Money(248_310000, "USDC")
            client.close()

    def test_of_an_unknown_status_is_open(self, sessions: StripeAdapter, pretended: SandboxServer) -> None:
        session = pretended.world.stripe.add_onramp_session()
        pretended.world.faults.set("unknown_status", "stripe", status="Being_Weighed")
        read = sessions.get_onramp(session.id)
        assert (read.status, read.raw_status) == (OnrampStatus.UNKNOWN, "Being_Weighed")

    @pytest.mark.parametrize("odd", ["cos_none", "..", "../charges", "a/b", "a?b", "", "x" * 200])
    def test_is_not_found_under_an_odd_id(self, sessions: StripeAdapter, odd: str) -> None:
        """Ids come out of event bodies: they must not lead to another path."""
        for read in (sessions.get_onramp, sessions.get_checkout):
            with pytest.raises(NotFound):
                read(odd)

    @pytest.mark.parametrize("fault", ["server_error", "unavailable", "reset_before", "reply_lost"])
    def test_is_asked_for_again_after_a_failure(
        self, sessions: StripeAdapter, pretended: SandboxServer, fault: str
    ) -> None:
        session = pretended.world.stripe.add_onramp_session()
        pretended.world.faults.set(fault, "stripe", times=1)
        with pytest.raises(ProviderUnavailable):
            sessions.get_onramp(session.id)
        assert sessions.get_onramp(session.id).id == session.id

    def test_is_not_read_with_a_wrong_key(self, pretended: SandboxServer) -> None:
        client = a_client(pretended.urls["stripe"], provider="stripe", credentials=[bearer("sk_test_wrong")])
        with pytest.raises(Misconfigured):
            StripeAdapter(client).get_onramp("cos_1")
        client.close()


class TestFinding:
    def test_matches_our_reference_and_nobody_elses_over_all_pages(
        self, sessions: StripeAdapter, pretended: SandboxServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.stripe.adapter.PAGE", 2)
        state = pretended.world.stripe
        wanted = [sessions.create_onramp(a_request(sessions), key=uuid4()).id]
        for others in ({"deposit_id": "dep_1"}, None, {"flow": "another"}):
            state.add_onramp_session(currency="eth", metadata=others)
        wanted.append(sessions.create_onramp(a_request(sessions), key=uuid4()).id)
        assert [one.id for one in sessions.find_onramps(FLOW, since=SINCE)] == wanted

    def test_goes_back_a_little_before_our_own_clock(self, sessions: StripeAdapter, pretended: SandboxServer) -> None:
        """Ours may be ahead of Stripe's, and a session not found would be made twice."""
        session = sessions.create_onramp(a_request(sessions), key=uuid4())
        ahead = datetime.now(UTC) + timedelta(minutes=10)
        assert [one.id for one in sessions.find_onramps(FLOW, since=ahead)] == [session.id]
        assert sessions.find_onramps(FLOW, since=ahead + timedelta(hours=1)) == []


class TestAPaymentAndWhatTakesItBack:
    def test_is_read_in_dollars(self, sessions: StripeAdapter, paid: Any) -> None:
        session = sessions.get_checkout(paid.id)
        assert (session.status, session.total) == (PaymentStatus.PAID, Money(250_00, "USD"))
        assert (session.customer, session.payment_intent) == (FLOW, paid.intent_id)

    def test_has_each_refund_with_its_own_end(
        self, sessions: StripeAdapter, pretended: SandboxServer, paid: Any
    ) -> None:
        state = pretended.world.stripe
        first, second = state.refund(paid.charge_id, "50.00"), state.refund(paid.charge_id, "25.00")
        state.fail_refund(first.id)
        other = state.pay_checkout(state.add_checkout_session().id)
        state.refund(str(other.charge_id))
        shown = [(one.id, one.amount, one.status) for one in sessions.refunds_of(paid.intent_id)]
        assert shown == [
            (first.id, Money(50_00, "USD"), RefundStatus.FAILED),
            (second.id, Money(25_00, "USD"), RefundStatus.SUCCEEDED),
        ]

    def test_has_a_dispute_whose_money_comes_back_when_it_is_won(
        self, sessions: StripeAdapter, pretended: SandboxServer, paid: Any
    ) -> None:
        state = pretended.world.stripe
        dispute = state.open_dispute(paid.charge_id)
        seen = list(sessions.disputes_of(paid.intent_id))
        state.close_dispute(dispute.id, "won")
        seen += sessions.disputes_of(paid.intent_id)
        assert [(one.withdrawn, one.closed) for one in seen] == [(True, False), (False, True)]
        assert {(one.id, one.amount) for one in seen} == {(dispute.id, Money(250_00, "USD"))}

    def test_has_nothing_that_takes_it_back(self, sessions: StripeAdapter, paid: Any) -> None:
        assert not sessions.refunds_of(paid.intent_id)
        assert not sessions.disputes_of(paid.intent_id)

    @pytest.mark.parametrize("odd", ["", "..", "pi_1&limit=1", "pi 1"])
    def test_is_not_asked_for_under_an_odd_id(
        self, sessions: StripeAdapter, pretended: SandboxServer, odd: str
    ) -> None:
        for read in (sessions.refunds_of, sessions.disputes_of):
            with pytest.raises(NotFound):
                read(odd)
        assert not pretended.world.requests


class TestWhatStripeTells:
    @pytest.mark.parametrize(
        "kind", ["crypto.onramp_session.updated", "crypto.onramp_session_updated", "onramp.session.succeeded"]
    )
    def test_passes_the_door_and_wakes_the_session_under_any_name(self, kind: str) -> None:
        """Two secrets sign during a rotation; the older one alone is enough for us."""
        config = {
            "stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe",
            "stripe_onramp_event": kind,
            "stripe_webhook_secrets": ["whsec_new", "whsec_old"],
        }
        with SandboxServer(config=config) as server:
            state = server.world.stripe
            session = state.add_onramp_session(metadata={"flow": FLOW})
            state.force_onramp(session.id, "fulfillment_complete")
            (event,) = [event for events in server.world.outbox.events.values() for event in events]
            now = datetime.now(UTC)
            assert event.sign is not None
            signed = {**event.headers, **event.sign(now)}
        route = routes([Windowed(Secret("whsec_old"))])["/webhooks/stripe"]
        assert route.verify(event.body, signed, now).fingerprint
        assert name(event.body, event.payload).id == event.id
        (fact,) = interpret(event.body, source="webhook").facts
        assert isinstance(fact, Changed)
        assert (fact.kind, fact.id, fact.status) == ("onramp_session", session.id, "fulfillment_complete")
        assert (fact.ours, fact.reference) == (True, FLOW)

    def test_of_refunds_and_disputes_names_the_payment(self) -> None:
        with SandboxServer(config={"stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe"}) as server:
            state = server.world.stripe
            sold = [state.pay_checkout(state.add_checkout_session().id) for _ in range(2)]
            state.fail_refund(state.refund(str(sold[0].charge_id), "50.00").id)
            state.close_dispute(state.open_dispute(str(sold[1].charge_id)).id, "won")
            told = [event for events in server.world.outbox.events.values() for event in events]
        facts = [fact for one in told for fact in interpret(one.body, source="webhook").facts]
        said = [(fact.id, fact.status) for fact in facts if isinstance(fact, Changed) and fact.kind == "payment_intent"]
        assert {intent for intent, _ in said} == {one.intent_id for one in sold}
        assert {status for _, status in said} == {
            *("refund.created", "refund.updated", "refund.failed", "charge.refunded"),
            *("charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
            "charge.dispute.closed",
        }
