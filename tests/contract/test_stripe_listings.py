"""Stripe's listings, looks and records, spoken to the pretended Stripe."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.errors import ProviderRejected
from funding.facts import Changed
from funding.ports.listings import Finding, Listing
from providers.credentials import bearer
from providers.stripe import listings
from providers.stripe.adapter import StripeAdapter, classify
from providers.stripe.door import name
from providers.stripe.interpret import interpret
from providers.stripe.listings import EventLog, OneCharge
from providers.stripe.records import CHECKOUT, ONRAMP, SessionRecords
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.support.clients import a_client

FLOW = "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4"
SINCE = datetime.now(UTC) - timedelta(minutes=5)
LATER = timedelta(days=400)
DOOR = {"stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe"}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def told() -> Iterator[SandboxServer]:
    """A Stripe that tells an endpoint where nobody answers."""
    with SandboxServer(seed=7, config=DOOR) as server:
        yield server


@pytest.fixture
def stripe(told: SandboxServer) -> Iterator[StripeAdapter]:
    client = a_client(
        told.urls["stripe"],
        provider="stripe",
        deadline=DEADLINE_S,
        credentials=[bearer(told.world.config.stripe_secret_keys[0])],
        classify=classify,
    )
    yield StripeAdapter(client)
    client.close()


def sold(told: SandboxServer, amount: str = "250.00") -> Any:
    """A Checkout session that has been paid."""
    state = told.world.stripe
    return state.pay_checkout(state.add_checkout_session(amount, client_reference_id=FLOW).id)


def bought(told: SandboxServer) -> Any:
    """An onramp session that delivered 248.31 USDC."""
    state = told.world.stripe
    session = state.add_onramp_session(destination_amount="248.31", metadata={"flow": FLOW})
    return state.force_onramp(session.id, "fulfillment_complete")


def walk(listing: Listing, *, since: datetime = SINCE) -> list[Finding]:
    found: list[Finding] = []
    cursor = None
    while True:
        page = listing.page(since=since, cursor=cursor)
        found += page.findings
        cursor = page.next_cursor
        if cursor is None:
            return found


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    facts = [fact for one in findings for fact in interpret(one.body, source="poll").facts]
    return [(fact.kind, fact.id) for fact in facts if isinstance(fact, Changed)]


class TestTheEventLog:
    @pytest.mark.parametrize("undelivered", [False, True])
    def test_names_each_event_as_its_webhook_does(
        self, stripe: StripeAdapter, told: SandboxServer, *, undelivered: bool
    ) -> None:
        """So what has arrived already is a duplicate, and what has not reads the same."""
        session, page = bought(told), sold(told)
        told.world.stripe.refund(page.charge_id, "50.00")
        told.world.stripe.open_dispute(sold(told).charge_id)
        sent = [event for events in told.world.outbox.events.values() for event in events]
        found = walk(EventLog(stripe, clock=now, undelivered=undelivered))
        webhooks = {name(one.body, one.payload).id: interpret(one.body, source="webhook") for one in sent}
        followed = {event_id for event_id, reading in webhooks.items() if isinstance(reading.facts[0], Changed)}
        assert {one.event_id for one in found} == followed
        assert len(followed) == len(found) == 7
        for one in found:
            assert one.event_id is not None
            assert interpret(one.body, source="poll").facts == webhooks[one.event_id].facts
        assert ("onramp_session", session.id) in said(found)

    @pytest.mark.parametrize("kind", ["crypto.onramp_session.updated", "crypto.onramp_session_updated"])
    def test_knows_both_names_of_the_onramps_event(self, kind: str) -> None:
        """By a pattern: a name that Stripe's own list does not have might be refused, and all others with it."""
        with SandboxServer(config={**DOOR, "stripe_onramp_event": kind}) as server:
            session = bought(server)
            key = server.world.config.stripe_secret_keys[0]
            client = a_client(server.urls["stripe"], provider="stripe", credentials=[bearer(key)])
            assert said(walk(EventLog(StripeAdapter(client), clock=now))) == [("onramp_session", session.id)]
            client.close()

    def test_is_walked_to_the_end_of_each_part(
        self, stripe: StripeAdapter, told: SandboxServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.stripe.adapter.PAGE", 2)
        made = [("checkout_session", sold(told).id) for _ in range(5)]
        made += [("onramp_session", bought(told).id) for _ in range(5)]
        assert sorted(said(walk(EventLog(stripe, clock=now)))) == sorted(made)

    def test_asks_for_thirty_days_at_most(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        """Stripe keeps no more; a window that goes back further, after a restore say, asks for what there is."""
        began = now()
        sold(told)
        assert len(walk(EventLog(stripe, clock=now), since=began - LATER)) == 1
        asked = [one["query"] for one in told.world.requests if one["path"] == "/v1/events"]
        kept = int((began - timedelta(days=30)).timestamp())
        assert all(f"{kept}" in one or f"{kept + 1}" in one for one in asked), asked

    def test_reads_what_was_not_delivered_from_long_before_the_window(
        self, stripe: StripeAdapter, told: SandboxServer
    ) -> None:
        """Its own window would hold nothing that the whole log's does not."""
        sold(told)
        after = now() + timedelta(days=2)
        assert walk(EventLog(stripe, clock=now), since=after) == []
        assert len(walk(EventLog(stripe, clock=now, undelivered=True), since=after)) == 1

    def test_shows_nothing_undelivered_once_all_has_been_taken(
        self, stripe: StripeAdapter, told: SandboxServer
    ) -> None:
        told.world.faults.set("webhook_dropped", "stripe", logged="delivered")
        sold(told)
        assert walk(EventLog(stripe, clock=now, undelivered=True)) == []
        assert len(walk(EventLog(stripe, clock=now))) == 1

    def test_begins_again_where_its_place_is_gone(self, stripe: StripeAdapter) -> None:
        """A refusal ends the walk; the next begins at the mark."""
        with pytest.raises(ProviderRejected):
            EventLog(stripe, clock=now).page(since=SINCE, cursor="0|evt_of_last_month")


class TestWhatWasMade:
    def test_shows_an_onramp_session_that_no_event_tells_of(self) -> None:
        """Whether the preview's events are in the log at all is not documented."""
        with SandboxServer(config={"stripe_onramp_events_listed": False}) as server:
            session = bought(server)
            client = a_client(
                server.urls["stripe"],
                provider="stripe",
                credentials=[bearer(server.world.config.stripe_secret_keys[0])],
            )
            stripe = StripeAdapter(client)
            assert walk(EventLog(stripe, clock=now)) == []
            (found,) = walk(listings.onramps(stripe))
            client.close()
        (fact,) = interpret(found.body, source="poll").facts
        assert isinstance(fact, Changed)
        assert (fact.id, fact.status, fact.reference) == (session.id, "fulfillment_complete", FLOW)

    def test_is_news_again_only_when_it_has_changed(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        session = told.world.stripe.add_onramp_session(metadata={"flow": FLOW})
        seen = [walk(listings.onramps(stripe))[0].digest_of for _ in range(2)]
        told.world.stripe.force_onramp(session.id, "fulfillment_processing")
        seen.append(walk(listings.onramps(stripe))[0].digest_of)
        assert seen[0] == seen[1] != seen[2]

    def test_keeps_no_secret_of_a_session(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        """`client_secret` opens the customer's wallet data."""
        session = bought(told)
        for one in (*walk(listings.onramps(stripe)), *walk(EventLog(stripe, clock=now))):
            assert session.client_secret.encode() not in one.body
            assert session.redirect_url.encode() not in one.body

    def test_shows_pages_that_customers_went_through_and_no_others(
        self, stripe: StripeAdapter, told: SandboxServer
    ) -> None:
        """Of a page nobody paid on nothing ever follows; one that was opened yesterday may be paid today."""
        told.world.stripe.add_checkout_session(client_reference_id=FLOW)
        page = sold(told)
        found = walk(listings.checkouts(stripe), since=now() + timedelta(hours=20))
        assert said(found) == [("checkout_session", page.id)]

    def test_shows_each_refund_and_dispute_with_how_far_it_is(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        state, pages = told.world.stripe, [sold(told) for _ in range(2)]
        refund, dispute = state.refund(pages[0].charge_id), state.open_dispute(pages[1].charge_id)
        before = [*walk(listings.refunds(stripe)), *walk(listings.disputes(stripe))]
        assert said(before) == [("payment_intent", one.intent_id) for one in pages]
        state.fail_refund(refund.id)
        state.close_dispute(dispute.id, "won")
        after = [*walk(listings.refunds(stripe)), *walk(listings.disputes(stripe))]
        assert [one.id for one in before] == [one.id for one in after] == [refund.id, dispute.id]
        assert all(one.digest_of != other.digest_of for one, other in zip(before, after, strict=True))

    def test_is_walked_over_all_pages_oldest_first_within_each(
        self, stripe: StripeAdapter, told: SandboxServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.stripe.adapter.PAGE", 2)
        made = [bought(told).id for _ in range(5)]
        assert [one.id for one in walk(listings.onramps(stripe))] == [made[3], made[4], made[1], made[2], made[0]]

    def test_is_seen_to_be_cut_short_when_it_comes_whole_again(
        self, stripe: StripeAdapter, told: SandboxServer
    ) -> None:
        made = {bought(told).id for _ in range(4)}
        told.world.faults.set("truncated_listing", "stripe", times=1)
        assert {one.id for one in walk(listings.onramps(stripe))} < made
        assert {one.id for one in walk(listings.onramps(stripe))} == made


class TestTheLookAtACharge:
    def test_leads_to_its_payment(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        page = sold(told)
        assert said(walk(OneCharge(stripe, charge=page.charge_id))) == [("payment_intent", page.intent_id)]

    def test_is_news_each_time(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        """The end of a dispute changes nothing of its charge, and yet somebody has to read it."""
        look = OneCharge(stripe, charge=sold(told).charge_id)
        (first,) = walk(look)
        (second,) = walk(look, since=SINCE + timedelta(seconds=1))
        assert first.digest_of != second.digest_of

    @pytest.mark.parametrize("charge", ["ch_none", "..", "a/b"])
    def test_finds_nothing_of_a_charge_that_is_none(self, stripe: StripeAdapter, charge: str) -> None:
        assert walk(OneCharge(stripe, charge=charge)) == []


class TestRecords:
    UNTIL = SINCE + timedelta(hours=1)

    def test_of_the_onramp_show_what_was_delivered_and_for_which_flow(
        self, stripe: StripeAdapter, told: SandboxServer
    ) -> None:
        session = bought(told)
        waiting = told.world.stripe.add_onramp_session(metadata={"flow": "theirs"})
        page = SessionRecords(stripe, ONRAMP).page(since=SINCE, until=self.UNTIL, cursor=None)
        assert [(one.id, one.status, one.asset, one.amount, one.reference) for one in page.records] == [
            (waiting.id, "initialized", None, None, None),
            (session.id, "fulfillment_complete", "USDC", 248_310000, FLOW),
        ]

    def test_of_a_coin_that_is_none_of_ours_have_no_amount(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        state = told.world.stripe
        session = state.add_onramp_session(currency="eth", destination_amount="0.1")
        state.force_onramp(session.id, "fulfillment_complete")
        found = SessionRecords(stripe, ONRAMP).one(session.id, account=None)
        assert found is not None
        assert (found.asset, found.amount, found.fault) == ("ETH", None, None)

    def test_of_checkout_show_what_was_paid(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        state, page = told.world.stripe, sold(told)
        state.add_checkout_session()
        abroad = state.pay_checkout(state.add_checkout_session("900", "jpy").id)
        found = SessionRecords(stripe, CHECKOUT).page(since=SINCE, until=self.UNTIL, cursor=None).records
        assert [(one.id, one.status, one.asset, one.amount) for one in found] == [
            (abroad.id, "paid", "JPY", None),
            (page.id, "paid", "USD", 250_00),
        ]

    def test_are_of_the_window_and_a_little_around_it(self, stripe: StripeAdapter, told: SandboxServer) -> None:
        session, records = bought(told), SessionRecords(stripe, ONRAMP)
        for since, shown in ((SINCE + timedelta(minutes=50), 1), (SINCE + timedelta(hours=2), 0)):
            page = records.page(since=since, until=since + timedelta(hours=1), cursor=None)
            assert len(page.records) == shown
        early = records.page(since=SINCE - timedelta(hours=5), until=SINCE - timedelta(hours=2), cursor=None)
        assert early.records == []
        assert records.one(session.id, account=None) is not None

    def test_are_none_of_an_id_nobody_knows(self, stripe: StripeAdapter) -> None:
        for odd in ("cos_none", ".."):
            assert SessionRecords(stripe, ONRAMP).one(odd, account=None) is None
