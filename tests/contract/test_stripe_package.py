"""Stripe's own package against the pretended Stripe: what it understands there, ours may lean on.

Its stable line knows no onramp class and no onramp event, so that those go through `raw_request`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import requests
import stripe
from requests.structures import CaseInsensitiveDict
from stripe import StripeClient, StripeError, Webhook

from funding.errors import NotFound, OutcomeUnknown, ProviderError, ProviderUnavailable
from providers.answers import Answer, error_for
from providers.stripe.adapter import classify
from providers.stripe.listings import CLASSIC
from sandbox.server import SandboxServer

FLOW = "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4"
ADDRESS = "0x52aE9d0A11"
ONRAMPS = "/v1/crypto/onramp_sessions"
ORDER = {
    "wallet_addresses": {"base_network": ADDRESS},
    "lock_wallet_address": "true",
    "destination_currency": "usdc",
    "destination_network": "base",
    "destination_amount": "248.31",
    "destination_currencies": ["usdc"],
    "destination_networks": ["base"],
    "metadata": {"flow": FLOW},
}
CONFIG = {
    "stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe",
    "stripe_webhook_secrets": ["whsec_new", "whsec_old"],
}


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    """A Stripe whose endpoint's secret is being rolled: both sign."""
    with SandboxServer(seed=7, config=CONFIG) as server:
        yield server


def official(
    server: SandboxServer, session: requests.Session, *, retries: int = 0, key: str | None = None
) -> StripeClient:
    return StripeClient(
        key or server.world.config.stripe_secret_keys[0],
        base_addresses={"api": server.urls["stripe"]},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=5, session=session),
    )


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with closing(requests.Session()) as session:
        yield session


@pytest.fixture
def client(pretended: SandboxServer, session: requests.Session) -> StripeClient:
    return official(pretended, session)


@pytest.fixture
def page(pretended: SandboxServer) -> Any:
    """A Checkout session of 250 dollars that has been paid."""
    state = pretended.world.stripe
    return state.pay_checkout(state.add_checkout_session("250.00", client_reference_id=FLOW).id)


def deliveries(server: SandboxServer) -> list[Any]:
    return [event for events in server.world.outbox.events.values() for event in events]


def raw(client: StripeClient, method: str, path: str, **params: Any) -> Any:
    """Its answer: `data` and `headers`."""
    return client.raw_request(method, path, **params)


class TestTheOnramp:
    def test_takes_the_official_form_of_an_order_and_shows_how_it_goes(
        self, client: StripeClient, pretended: SandboxServer
    ) -> None:
        """Its lists are `name[0]=`, its maps `name[key]=`: ours must read as the same order."""
        made = raw(client, "post", ONRAMPS, **ORDER).data["id"]
        wish = pretended.world.stripe.onramp.by_id[made].wish
        assert (wish.destination_currencies, wish.destination_networks) == (["usdc"], ["base"])
        assert wish.wallet_addresses == {"base_network": ADDRESS}
        pretended.world.stripe.force_onramp(made, "fulfillment_complete")
        read = raw(client, "get", f"{ONRAMPS}/{made}").data
        assert (read["status"], read["metadata"]) == ("fulfillment_complete", {"flow": FLOW})
        assert read["transaction_details"]["destination_amount"] == "248.310000"

    def test_is_listed_page_by_page(self, client: StripeClient) -> None:
        made = [raw(client, "post", ONRAMPS, **ORDER).data["id"] for _ in range(3)]
        first = raw(client, "get", ONRAMPS, limit=2).data
        rest = raw(client, "get", ONRAMPS, limit=2, starting_after=first["data"][-1]["id"]).data
        assert [one["id"] for one in (*first["data"], *rest["data"])] == made[::-1]
        assert (first["has_more"], rest["has_more"]) == (True, False)

    def test_is_made_once_under_one_key(self, client: StripeClient, pretended: SandboxServer) -> None:
        key = str(uuid4())
        one, other = (raw(client, "post", ONRAMPS, idempotency_key=key, **ORDER) for _ in range(2))
        assert one.data["id"] == other.data["id"]
        assert other.headers["Idempotent-Replayed"] == "true"
        assert len(pretended.world.stripe.onramp.by_id) == 1

    def test_is_made_once_though_its_answer_was_lost(self, pretended: SandboxServer, session: requests.Session) -> None:
        """The package sends the same again by itself, under the key it drew."""
        pretended.world.faults.set("reply_lost", "stripe", times=1, only=f"POST {ONRAMPS}")
        raw(official(pretended, session, retries=1), "post", ONRAMPS, **ORDER)
        assert len(pretended.world.stripe.onramp.by_id) == 1


class TestItsOwnClasses:
    def test_make_and_read_a_checkout_session(self, client: StripeClient, pretended: SandboxServer) -> None:
        made = client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "success_url": "https://shop.example/thanks",
                "client_reference_id": FLOW,
                "line_items": [
                    {
                        "quantity": 2,
                        "price_data": {
                            "currency": "usd",
                            "unit_amount": 125_00,
                            "product_data": {"name": "Credit"},
                        },
                    }
                ],
            }
        )
        pretended.world.stripe.pay_checkout(made.id)
        read = client.v1.checkout.sessions.retrieve(made.id)
        assert isinstance(read, stripe.checkout.Session)
        assert (read.payment_status, read.amount_total, read.client_reference_id) == ("paid", 250_00, FLOW)
        listed = client.v1.checkout.sessions.list({"status": "complete"})
        assert [one.id for one in listed] == [made.id]

    def test_refund_a_payment_and_read_what_became_of_it(
        self, client: StripeClient, pretended: SandboxServer, page: Any
    ) -> None:
        made = client.v1.refunds.create({"payment_intent": page.intent_id, "amount": 50_00})
        pretended.world.stripe.fail_refund(made.id)
        (read,) = client.v1.refunds.list({"payment_intent": page.intent_id})
        assert isinstance(read, stripe.Refund)
        assert (read.id, read.amount, read.status) == (made.id, 50_00, "failed")

    def test_read_a_dispute(self, client: StripeClient, pretended: SandboxServer, page: Any) -> None:
        dispute = pretended.world.stripe.open_dispute(page.charge_id)
        (read,) = client.v1.disputes.list({"payment_intent": page.intent_id})
        assert isinstance(read, stripe.Dispute)
        assert (read.id, read.amount, read.currency, read.status) == (dispute.id, 250_00, "usd", "needs_response")
        assert client.v1.charges.retrieve(page.charge_id).payment_intent == page.intent_id

    def test_walk_the_events_in_both_directions(self, client: StripeClient, pretended: SandboxServer) -> None:
        """Forward as Stripe's own recovery guide does it: `ending_before`, `delivery_success=false`."""
        state = pretended.world.stripe
        for _ in range(3):
            state.pay_checkout(state.add_checkout_session().id)
        params: Any = {"types": list(CLASSIC), "limit": 2, "delivery_success": False}
        newest_first = list(client.v1.events.list(params).auto_paging_iter())
        assert all(isinstance(one, stripe.Event) for one in newest_first)
        assert {one.type for one in newest_first} == {"checkout.session.completed"}
        oldest = newest_first[-1]
        params["ending_before"] = oldest.id
        forward = client.v1.events.list(params).auto_paging_iter()
        assert [one.id for one in forward] == [one.id for one in reversed(newest_first[:-1])]
        assert client.v1.events.retrieve(oldest.id).data.object["object"] == "checkout.session"


class TestAWebhook:
    @pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
    @pytest.mark.usefixtures("page")
    def test_passes_the_official_check_under_either_secret(
        self, client: StripeClient, pretended: SandboxServer, secret: str
    ) -> None:
        state = pretended.world.stripe
        state.force_onramp(state.add_onramp_session().id, "fulfillment_complete")
        sent = deliveries(pretended)
        seen = set()
        for one in sent:
            event = client.construct_event(one.body, one.sign(datetime.now(UTC))["Stripe-Signature"], secret)
            assert event.id == one.id
            seen.add(event.type)
        assert {"checkout.session.completed", "charge.succeeded", "crypto.onramp_session.updated"} <= seen

    @pytest.mark.usefixtures("page")
    def test_that_was_changed_or_is_old_does_not(self, pretended: SandboxServer) -> None:
        one = deliveries(pretended)[0]
        header = one.sign(datetime.now(UTC))["Stripe-Signature"]
        stale = one.sign(datetime(2026, 1, 1, tzinfo=UTC))["Stripe-Signature"]
        for body, signature, secret in (
            (one.body + b" ", header, "whsec_new"),
            (one.body, stale, "whsec_new"),
            (one.body, header, "whsec_other"),
            (one.body, header.replace("v1=", "v2="), "whsec_new"),
        ):
            with pytest.raises(stripe.SignatureVerificationError):
                Webhook.construct_event(body, signature, secret)


class TestErrors:
    def test_have_the_official_classes_codes_and_request_ids(self, client: StripeClient, page: Any) -> None:
        key = str(uuid4())
        raw(client, "post", ONRAMPS, idempotency_key=key, **ORDER)
        asked: dict[tuple[type[StripeError], str | None], Callable[[], Any]] = {
            (stripe.InvalidRequestError, "resource_missing"): lambda: client.v1.checkout.sessions.retrieve("cs_none"),
            (stripe.InvalidRequestError, "parameter_unknown"): lambda: raw(client, "post", ONRAMPS, colour="red"),
            (stripe.IdempotencyError, None): lambda: raw(
                client, "post", ONRAMPS, idempotency_key=key, metadata={"a": "b"}
            ),
            (stripe.InvalidRequestError, "charge_already_refunded"): lambda: [
                client.v1.refunds.create({"charge": page.charge_id}) for _ in range(2)
            ],
        }
        for (kind, code), ask in asked.items():
            with pytest.raises(StripeError) as caught:
                ask()
            assert (type(caught.value), caught.value.code) == (kind, code)
            assert str(caught.value.request_id).startswith("req_")

    def test_of_keys_are_told_apart(self, pretended: SandboxServer, session: requests.Session) -> None:
        with pytest.raises(stripe.AuthenticationError):
            official(pretended, session, key="sk_test_wrong").v1.disputes.list()
        pretended.world.renew_keys(stripe_restricted_keys=["rk_test_reader"])
        reader = official(pretended, session, key="rk_test_reader")
        reader.v1.disputes.list()
        with pytest.raises(stripe.PermissionError):
            raw(reader, "post", ONRAMPS, **ORDER)

    def test_of_a_limit_are_of_their_own_kind(self, client: StripeClient, pretended: SandboxServer) -> None:
        pretended.world.faults.set("throttled", "stripe", times=1, seconds=1)
        with pytest.raises(stripe.RateLimitError) as caught:
            client.v1.disputes.list()
        assert (caught.value.headers or {})["Stripe-Should-Retry"] == "true"


STATUSES = (400, 402, 404, 409, 424, 429, 500, 502, 503)


class TestWhatMayBeSentAgain:
    """The package's own rule beside ours, status by status."""

    @pytest.mark.parametrize("said", [None, "true", "false"])
    @pytest.mark.parametrize("status", STATUSES)
    def test_is_never_final_with_us(self, status: int, said: str | None) -> None:
        headers = {} if said is None else {"Stripe-Should-Retry": said}
        official_rule = stripe.RequestsClient()._should_retry
        again = official_rule((b"{}", status, CaseInsensitiveDict(headers)), None, 0, 2)
        create, read = (self.ours(status, headers, creates=creates) for creates in (True, False))
        if again:
            assert isinstance(create, (OutcomeUnknown, ProviderUnavailable))
            assert isinstance(read, ProviderUnavailable)
        elif status < 500 and status not in {409, 429}:
            assert not isinstance(create, (OutcomeUnknown, ProviderUnavailable))
            assert isinstance(read, NotFound) is (status == 404)

    @pytest.mark.parametrize("status", [409, 500, 503])
    def test_is_asked_for_first_where_the_package_gives_up(self, status: int) -> None:
        """`false` says that the same again leads nowhere, not that the first had no effect."""
        assert type(self.ours(status, {"Stripe-Should-Retry": "false"}, creates=True)) is OutcomeUnknown

    @pytest.mark.parametrize("said", [None, "true", "false"])
    def test_waits_for_a_limit_in_our_own_time(self, said: str | None) -> None:
        """The package gives a bare 429 up within its caller's call; our step has all day."""
        headers = {} if said is None else {"Stripe-Should-Retry": said}
        for creates in (True, False):
            assert type(self.ours(429, headers, creates=creates)).__name__ == "ProviderThrottled"

    def ours(self, status: int, headers: dict[str, str], *, creates: bool) -> ProviderError:
        body = json.dumps({"error": {"type": "api_error", "message": "It did not work."}}).encode()
        answer = Answer(status, CaseInsensitiveDict(headers), body)
        return error_for(answer, provider="stripe", creates=creates, now=datetime.now(UTC), classify=classify)
