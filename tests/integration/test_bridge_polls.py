"""Bridge's polls against the pretended Bridge: with no webhook at all, everything enters by the one door, once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from db.engine import UnitOfWork, unit_of_work
from db.gates import GateRows
from db.sealing import Sealer
from funding.errors import ProviderRejected
from funding.ports.listings import Finding, Page
from providers.bridge.provider import EVENTS, BridgeConfig
from providers.registry import Providers, ProvidersConfig, Surroundings, build
from sandbox.bridge.model import VirtualAccount
from sandbox.server import SandboxServer
from tests.support.moved_time import MovedTime
from tests.support.shelf import House as PollHouse
from tests.support.shelf import Shelf, Woken, thing
from workers.listings import looks_of, polls_of
from workers.walks import Polled, Walker

EVERY = timedelta(minutes=1)


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    with SandboxServer(seed=13) as server:
        yield server


@pytest.fixture
def providers(pretended: SandboxServer, engine: Engine) -> Iterator[Providers]:
    told = pretended.ready()
    config = BridgeConfig(base_url=told["bridge"], api_keys=[told["bridge_api_key"]])
    built = build(
        ProvidersConfig(each=(config,), threads=2, redis_url=None),
        Surroundings(gate_store=GateRows(unit_of_work(engine))),
    )
    yield built
    built.close()


class House:
    """A worker that polls when told to."""

    def __init__(self, begin: UnitOfWork, providers: Providers) -> None:
        self.begin = begin
        self.walker = Walker(begin=begin, wake=Woken(), sealer=Sealer())  # type: ignore[arg-type]
        self.polls = polls_of(providers, EVERY)
        self.looks = looks_of(providers, begin)

    def poll(self, *names: str) -> dict[str, Polled]:
        return {
            name: self.walker.poll(poll, lambda _: True)
            for (_, name), poll in self.polls.items()
            if not names or name in names
        }

    def inbox(self) -> list[str]:
        with self.begin() as connection:
            return list(connection.execute(text("SELECT event_id FROM inbox_events ORDER BY id")).scalars())


@pytest.fixture
def house(engine: Engine, providers: Providers) -> House:
    return House(unit_of_work(engine), providers)


@pytest.fixture
def account(pretended: SandboxServer) -> VirtualAccount:
    world = pretended.world
    account = world.bridge.add_virtual_account(world.bridge.add_customer().id, "TOurWallet")
    world.bridge.deposit(account.id, "250.00", step_seconds=0)
    world.tick()
    return account


def test_every_listing_is_walked_to_its_end_and_what_it_shows_is_news_once(
    house: House, account: VirtualAccount
) -> None:
    first = house.poll()
    assert set(first) == {"deposits", "transfers", "drains", *EVENTS}
    assert all(one.unfinished == one.refused == 0 for one in first.values())
    assert (first["deposits"].news, first["deposit_events"].news) == (3, 3)
    assert (first["customer_events"].news, first["kyc_events"].news) == (1, 1)
    assert sum(one.news for one in house.poll().values()) == 0
    assert len(house.inbox()) == len(set(house.inbox())) == 8
    assert account.id


@pytest.mark.usefixtures("account")
def test_an_event_that_its_webhook_brought_is_not_stored_again(house: House, pretended: SandboxServer) -> None:
    house.poll("deposit_events")
    happened = [one.id for one in pretended.world.bridge.endpoints.happened if one.category.endswith("activity")]
    assert sorted(house.inbox()) == sorted(happened), "under the webhook's own names"


@pytest.mark.usefixtures("account")
def test_a_listing_cut_off_is_told_and_read_again(house: House, pretended: SandboxServer) -> None:
    """An empty page is the end; but what was shown a minute ago cannot be gone."""
    house.poll("deposits")
    pretended.world.faults.set("truncated_listing", "bridge", keep=0.0, times=1)
    house.poll("deposits")
    with house.begin() as connection:
        query = text("SELECT subject FROM breaks WHERE type = 'listing_truncated' AND status = 'open'")
        assert list(connection.execute(query).scalars()) == ["deposits"]
    house.poll("deposits")
    with house.begin() as connection:
        assert list(connection.execute(query).scalars()) == []


@pytest.mark.parametrize("attributes", ['{"customer": "%s"}', "{}"])
def test_a_look_finds_the_account_by_its_link_or_its_customers(
    house: House, account: VirtualAccount, attributes: str
) -> None:
    with house.begin() as connection:
        connection.execute(text("INSERT INTO customers (id) VALUES ('ana')"))
        connection.execute(
            text("""
                INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
                VALUES ('bridge', 'customer', :customer, 'ana', '{}'),
                       ('bridge', 'virtual_account', :account, 'ana', CAST(:attributes AS jsonb))
            """),
            {
                "customer": account.customer_id,
                "account": account.id,
                "attributes": attributes.replace("%s", account.customer_id),
            },
        )
    look = house.looks["bridge", "bridge_virtual_account"]
    listing = look(account.id)
    assert listing is not None
    now = account.created_at + timedelta(seconds=10)
    assert house.walker.look("bridge", "bridge_virtual_account", account.id, listing, at=now) == 3
    assert house.poll("deposits")["deposits"].news == 0, "seen already"
    assert look("of-nobody") is None


def test_a_minute_has_room_for_every_listing(providers: Providers) -> None:
    """Half of the calls that are assumed, shared among them."""
    polls = polls_of(providers, EVERY)
    assert {poll.pages for poll in polls.values()} == {75}
    assert sum(poll.pages for poll in polls.values()) <= 600


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


class FromTheOldest(Shelf):
    """A listing that begins with its oldest, whose walks say where the next may begin."""

    def page(self, *, since: object, cursor: str | None) -> Page:
        self.asked.append((since, cursor))  # type: ignore[arg-type]
        start = int(cursor or 0)
        if start >= len(self.things):
            return Page(findings=(), next_cursor=None, next_walk=str(len(self.things)))
        return Page(findings=self.things[start : start + 2], next_cursor=str(start + 2))


def a_thing(number: int, time: MovedTime) -> Finding:
    return thing(f"e_{number}", at=time.now)


class TestTheNextWalk:
    def test_begins_where_the_last_page_said(self, time: MovedTime) -> None:
        shelf = FromTheOldest(*(a_thing(number, time) for number in range(4)))
        house = PollHouse(time, acct=shelf)
        house.poll()
        shelf.asked.clear()
        shelf.things.append(a_thing(4, time))
        assert house.poll().news == 1
        assert [cursor for _, cursor in shelf.asked] == ["4", "6"]

    def test_begins_at_the_beginning_after_one_that_was_given_up(self, time: MovedTime) -> None:
        shelf = FromTheOldest(*(a_thing(number, time) for number in range(4)))
        house = PollHouse(time, acct=shelf)
        house.poll()
        house.shelves["acct"] = Shelf()
        house.shelves["acct"].fails[1] = ProviderRejected("no such place", provider="due")
        house.poll()
        house.shelves["acct"] = shelf
        shelf.asked.clear()
        house.poll()
        assert shelf.asked[0][1] is None
