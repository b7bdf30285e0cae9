"""Stripe's polls: what came by webhook is not news, and what was delivered meanwhile is not missed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db.engine import UnitOfWork, unit_of_work
from db.gates import GateRows
from db.inbox import Arrival, insert_events
from db.sealing import Sealer
from providers.registry import ProvidersConfig, Surroundings, build
from providers.stripe.door import name
from providers.stripe.provider import StripeConfig
from sandbox.server import SandboxServer
from workers.listings import polls_of
from workers.walks import Polled, Walker

MINUTE = timedelta(minutes=1)


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    """Nobody answers at the door that it tells."""
    with SandboxServer(seed=11, config={"stripe_webhook_url": "http://127.0.0.1:9/webhooks/stripe"}) as server:
        yield server


class Unheard:
    def events(self, ids: object) -> None:
        pass


class House:
    """A worker that polls Stripe when told to."""

    def __init__(self, begin: UnitOfWork, pretended: SandboxServer) -> None:
        self.begin = begin
        self.pretended = pretended
        said = pretended.ready()
        config = StripeConfig(base_url=said["stripe"], secret_keys=[said["stripe_secret_key"]])
        self.providers = build(
            ProvidersConfig(each=(config,), threads=4, redis_url=None), Surroundings(gate_store=GateRows(begin))
        )
        self.polls = polls_of(self.providers, MINUTE)
        self.walker = Walker(begin=begin, wake=Unheard(), sealer=Sealer())  # type: ignore[arg-type]

    def poll(self, listing: str) -> Polled:
        return self.walker.poll(self.polls["stripe", listing], lambda _: True)

    def sold(self) -> Any:
        """The event that a Checkout session was paid, as it is sent."""
        state = self.pretended.world.stripe
        state.pay_checkout(state.add_checkout_session(client_reference_id="ana").id)
        sent = [one for events in self.pretended.world.outbox.events.values() for one in events]
        return next(one for one in reversed(sent) if one.type == "checkout.session.completed")

    def arrives(self, event: Any) -> None:
        """By webhook."""
        arrival = Arrival(
            provider="stripe",
            event_id=name(event.body, event.payload).id,
            route="stripe",
            type=event.type,
            source="webhook",
            body=event.body,
        )
        with self.begin() as connection:
            insert_events(connection, [arrival], sealer=Sealer())

    def inbox(self) -> list[tuple[str, str]]:
        with self.begin() as connection:
            rows = connection.execute(text("SELECT event_id, source FROM inbox_events ORDER BY id"))
            return [(row.event_id, row.source) for row in rows]

    def breaks(self) -> list[str]:
        with self.begin() as connection:
            return list(connection.execute(text("SELECT type FROM breaks")).scalars())


@pytest.fixture
def house(engine: Engine, pretended: SandboxServer) -> Iterator[House]:
    house = House(unit_of_work(engine), pretended)
    yield house
    house.providers.close()


def test_an_event_is_stored_once_whichever_way_it_comes(house: House) -> None:
    """Webhook, log and the list of what was not delivered: one row, under Stripe's own id."""
    heard, missed = house.sold(), house.sold()
    house.arrives(heard)
    assert [house.poll(one).findings for one in ("events", "undelivered")] == [2, 2]
    house.arrives(missed)
    assert house.inbox() == [(heard.id, "webhook"), (missed.id, "poll")]


def test_what_was_delivered_meanwhile_is_not_said_to_be_missing(house: House) -> None:
    """It leaves the list of what was not: that listing is whole all the same."""
    event = house.sold()
    assert house.poll("undelivered").findings == 1
    with house.pretended.world.lock:
        event.response_status = 200
    assert house.poll("undelivered").findings == 0
    assert house.breaks() == []


def test_what_the_log_leaves_out_is(house: House) -> None:
    house.sold()
    house.sold()
    assert house.poll("events").findings == 2
    house.pretended.world.faults.set("truncated_listing", "stripe", times=1)
    assert house.poll("events").findings == 1
    assert house.breaks() == ["listing_truncated"]


def test_every_listing_can_be_walked_and_a_second_time_brings_nothing(house: House) -> None:
    state = house.pretended.world.stripe
    page = state.pay_checkout(state.add_checkout_session(client_reference_id="ana").id)
    state.refund(str(page.charge_id), "1.00")
    state.force_onramp(state.add_onramp_session().id, "fulfillment_processing")
    names = [listing for _, listing in house.polls]
    first = {one: house.poll(one).news for one in names}
    assert first == {
        "events": 4,
        "undelivered": 4,
        "onramp_sessions": 1,
        "checkout_sessions": 1,
        "refunds": 1,
        "disputes": 0,
    }
    assert {one: house.poll(one).news for one in names} == dict.fromkeys(names, 0)
    assert len(house.inbox()) == 7
