"""Bridge's listings walked against the pretended Bridge: every habit of its cursors, and what a poll makes of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from funding.errors import ProviderRejected, UnexpectedAnswer
from funding.facts import Changed
from funding.ports.bridge import PayoutOrder
from funding.ports.listings import Finding, Listing
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.event_log import EventLog
from providers.bridge.interpret import interpret
from providers.bridge.listings import AccountHistory, DepositHistory, Drains, Transfers
from providers.bridge.records import DepositRecords, TransferRecords
from sandbox.bridge.model import Payment, VirtualAccount
from sandbox.server import SandboxServer
from sandbox.world import World
from tests.contract.bridge_client import pretended_with, speaking_to
from tests.contract.test_bridge_payouts import an_order

WHOLE = ("funds_received", "payment_submitted", "payment_processed")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACTIVITY = "virtual_account.activity"


@pytest.fixture
def bridge(pretended: SandboxServer) -> Iterator[BridgeAdapter]:
    with speaking_to(pretended.urls["bridge"], pretended.world.config.bridge_api_keys) as adapter:
        yield adapter


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two, so that a few objects are several pages."""
    monkeypatch.setattr("providers.bridge.adapter.PAGE", 2)
    monkeypatch.setattr("providers.bridge.adapter.EVENTS", 2)


@pytest.fixture
def account(pretended: SandboxServer) -> VirtualAccount:
    return an_account(pretended.world)


def an_account(world: World) -> VirtualAccount:
    return world.bridge.add_virtual_account(world.bridge.add_customer().id, "TOurWallet")


def a_deposit(world: World, account: VirtualAccount, path: Sequence[str] = WHOLE, amount: str = "250.00") -> str:
    """A deposit that has gone its whole path."""
    made = world.bridge.deposit(account.id, amount, path=path, step_seconds=0)
    world.tick()
    return made


def a_transfer(server: SandboxServer, bridge: BridgeAdapter, order: PayoutOrder) -> Payment:
    payout = bridge.create_payout(bridge.payout_request(order), key=uuid4())
    return server.world.bridge.payments.by_id[payout.id]


def walked(listing: Listing, since: datetime, cursor: str | None = None) -> list[Finding]:
    """All that a walk finds."""
    return walked_to(listing, since, cursor)[0]


def walked_to(listing: Listing, since: datetime, cursor: str | None = None) -> tuple[list[Finding], str | None]:
    """All that a walk finds, and from where the next one goes on."""
    found: list[Finding] = []
    for _ in range(40):
        page = listing.page(since=since, cursor=cursor)
        found += page.findings
        if page.next_cursor is None:
            return found, page.next_walk
        assert page.next_cursor != cursor
        cursor = page.next_cursor
    raise AssertionError("the walk never ends")


def ago(length: timedelta) -> datetime:
    return datetime.now(UTC) - length


def asked(server: SandboxServer, path: str) -> list[str]:
    return [one["path"] for one in server.world.requests if path in one["path"]]


def made_earlier(world: World, length: timedelta) -> None:
    """All events there are so far happened that much earlier, each a second after the one before."""
    for number, one in enumerate(world.bridge.endpoints.happened):
        moment = datetime.now(UTC) - length + timedelta(seconds=number)
        one.payload["event_created_at"] = moment.isoformat().replace("+00:00", "Z")


class TestPastEvents:
    @pytest.mark.parametrize("paging", ["forward", "backward", "swapped"])
    @pytest.mark.parametrize("deposits", [0, 1, 4])
    def test_are_all_found_whichever_way_the_cursors_lead(self, paging: str, deposits: int) -> None:
        with pretended_with(bridge_events_paging=paging) as (bridge, server):
            account = an_account(server.world)
            for _ in range(deposits):
                a_deposit(server.world, account)
            found = walked(EventLog(bridge, category=ACTIVITY), ago(HOUR))
            happened = [one.id for one in server.world.bridge.endpoints.happened if one.category == ACTIVITY]
            assert len(happened) == 3 * deposits
            assert sorted(one.id for one in found) == sorted(happened)
            assert all(one.event_id == one.id for one in found), "what came by webhook is a duplicate"

    @pytest.mark.parametrize("paging", ["forward", "backward", "swapped"])
    def test_alone_on_a_page_do_not_hide_the_others(self, paging: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """One event shows no direction: both sides of it are looked at."""
        monkeypatch.setattr("providers.bridge.adapter.EVENTS", 1)
        with pretended_with(bridge_events_paging=paging) as (bridge, server):
            account = an_account(server.world)
            a_deposit(server.world, account)
            assert len(walked(EventLog(bridge, category=ACTIVITY), ago(HOUR))) == 3

    @pytest.mark.parametrize("paging", ["forward", "backward", "swapped"])
    def test_are_read_no_further_back_than_the_window(self, paging: str) -> None:
        with pretended_with(bridge_events_paging=paging) as (bridge, server):
            account = an_account(server.world)
            for _ in range(5):
                a_deposit(server.world, account)
            made_earlier(server.world, 10 * DAY)
            a_deposit(server.world, account)
            log = EventLog(bridge, category=ACTIVITY)
            found, place = walked_to(log, ago(HOUR))
            assert len(found) == 3
            server.world.requests.clear()

            a_deposit(server.world, account)

            again = walked(log, ago(HOUR), place)
            assert len(again) == 6
            assert len(asked(server, "/webhook_events")) <= 5, "the past is not walked once more"

    def test_before_the_place_that_was_kept_are_read_when_somebody_asks_for_them(self) -> None:
        """`recover` sets a poll back: the place lies behind what is wanted then."""
        with pretended_with(bridge_events_paging="forward") as (bridge, server):
            account = an_account(server.world)
            a_deposit(server.world, account)
            made_earlier(server.world, 2 * DAY)
            _, place = walked_to(EventLog(bridge, category=ACTIVITY), ago(HOUR))
            assert place is not None
            assert walked(EventLog(bridge, category=ACTIVITY), ago(HOUR), place) == []
            assert len(walked(EventLog(bridge, category=ACTIVITY), ago(3 * DAY), place)) == 3

    def test_after_a_place_that_bridge_has_forgotten_are_refused_and_the_walk_begins_anew(self) -> None:
        """Nobody says how long they are kept. A walk that is given up forgets its place (`db.polls`)."""
        with pretended_with(bridge_events_paging="forward") as (bridge, server):
            a_deposit(server.world, an_account(server.world))
            made_earlier(server.world, 2 * DAY)
            log = EventLog(bridge, category=ACTIVITY)
            _, place = walked_to(log, ago(HOUR))
            server.world.bridge.endpoints.happened.clear()
            with pytest.raises(ProviderRejected):
                walked(log, ago(HOUR), place)
            assert walked(log, ago(HOUR)) == []

    @pytest.mark.parametrize("paging", ["forward", "backward", "swapped"])
    def test_are_all_found_though_pages_are_cut_short(self, paging: str) -> None:
        with pretended_with(bridge_events_paging=paging) as (bridge, server):
            a_deposit(server.world, an_account(server.world))
            server.world.faults.set("truncated_listing", "bridge", keep=0.5)
            assert len(walked(EventLog(bridge, category=ACTIVITY), ago(HOUR))) == 3

    def test_say_what_the_webhook_said_and_no_more(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        pretended.world.bridge.add_customer("Zelda Quux", "zelda@example.com")
        a_deposit(pretended.world, an_account(pretended.world))
        payloads = {one.id: one.payload for one in pretended.world.bridge.endpoints.happened}
        for category in (ACTIVITY, "customer", "kyc_link"):
            for one in walked(EventLog(bridge, category=category), ago(HOUR)):
                by_webhook = interpret(json.dumps(payloads[one.id]).encode(), source="webhook")
                assert interpret(one.body, source="poll") == by_webhook
                assert b"Quux" not in one.body
                assert b"zelda" not in one.body
                assert b"021000021" not in one.body


class TestDeposits:
    def test_are_found_stage_by_stage_and_each_once(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        made = [a_deposit(pretended.world, account, amount=f"{n}.00") for n in (10, 20, 30)]
        found = walked(DepositHistory(bridge), ago(HOUR))
        assert len(found) == len({one.id for one in found}) == 9
        facts = [fact for one in found for fact in interpret(one.body, source="poll").facts]
        assert {fact.id for fact in facts if isinstance(fact, Changed)} == set(made)
        assert all(b"PIRES" not in one.body and b"021000021" not in one.body for one in found)

    def test_that_come_during_the_walk_do_not_move_its_pages(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        for _ in range(2):
            a_deposit(pretended.world, account)
        first = DepositHistory(bridge).page(since=ago(HOUR), cursor=None)
        a_deposit(pretended.world, account)
        rest = walked(DepositHistory(bridge), ago(HOUR), first.next_cursor)
        assert len({one.id for one in (*first.findings, *rest)}) == 6

    def test_before_the_window_are_not_read_again(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        """Whoever passes the newest id they know as `starting_after` reads old entries for ever."""
        for _ in range(3):
            a_deposit(pretended.world, account)
        for one in pretended.world.bridge.activities.values():
            one.created_at = one.updated_at = one.created_at - DAY
        a_deposit(pretended.world, account)
        assert len(walked(DepositHistory(bridge), ago(HOUR))) == 3
        assert len(asked(pretended, "/virtual_accounts/history")) <= 3

    def test_are_all_found_though_pages_are_cut_short(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        a_deposit(pretended.world, account)
        pretended.world.faults.set("truncated_listing", "bridge", keep=0.5)
        assert len(walked(DepositHistory(bridge), ago(HOUR))) == 3

    def test_of_one_account_are_looked_at_under_the_customer_that_has_it(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        other = an_account(pretended.world)
        a_deposit(pretended.world, account)
        a_deposit(pretended.world, other)
        customers = [other.customer_id, account.customer_id]
        look = AccountHistory(bridge, customers=customers, virtual_account=account.id)
        found = walked(look, ago(HOUR))
        assert len(found) == 3
        assert all(account.id.encode() in one.body for one in found)
        assert walked(AccountHistory(bridge, customers=["nobody"], virtual_account=account.id), ago(HOUR)) == []

    def test_look_the_same_in_either_listing(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        """Else each would call the other's finding news."""
        a_deposit(pretended.world, account)
        look = AccountHistory(bridge, customers=[account.customer_id], virtual_account=account.id)
        assert walked(look, ago(HOUR)) == walked(DepositHistory(bridge), ago(HOUR))


class TestTransfers:
    @pytest.fixture
    def order(self, pretended: SandboxServer) -> PayoutOrder:
        return an_order(pretended)

    def test_are_all_found_though_a_time_and_a_cursor_exclude_each_other(
        self, bridge: BridgeAdapter, pretended: SandboxServer, order: PayoutOrder
    ) -> None:
        made = [a_transfer(pretended, bridge, order).id for _ in range(5)]
        found = walked(Transfers(bridge), ago(HOUR))
        assert {one.id for one in found} == set(made)
        for path in asked(pretended, "/v0/transfers?"):
            assert not ("updated_after_ms" in path and "starting_after" in path), path

    def test_that_are_old_are_found_when_they_change(
        self, bridge: BridgeAdapter, pretended: SandboxServer, order: PayoutOrder
    ) -> None:
        """A bank gives a payout back days later: by then it stands far down the listing."""
        old, *_ = [a_transfer(pretended, bridge, order) for _ in range(4)]
        for one in pretended.world.bridge.transfers():
            one.created_at = one.updated_at = one.created_at - 20 * DAY
        assert walked(Transfers(bridge), ago(HOUR)) == []
        pretended.world.bridge.payments.force(old.id, state="canceled")
        (found,) = walked(Transfers(bridge), ago(HOUR))
        assert found.id == old.id

    def test_that_a_full_page_of_changes_leaves_out_are_found_further_down(
        self, bridge: BridgeAdapter, pretended: SandboxServer, order: PayoutOrder
    ) -> None:
        old, *_ = [a_transfer(pretended, bridge, order) for _ in range(4)]
        for one in pretended.world.bridge.transfers():
            one.created_at -= 3 * DAY
        for _ in range(3):
            a_transfer(pretended, bridge, order)
        pretended.world.bridge.payments.force(old.id, state="canceled")
        assert old.id in {one.id for one in walked(Transfers(bridge), ago(HOUR))}

    def test_are_news_when_an_amount_of_theirs_changes_and_not_when_they_are_read_again(
        self, bridge: BridgeAdapter, pretended: SandboxServer, order: PayoutOrder
    ) -> None:
        made = a_transfer(pretended, bridge, order)
        first, second = (walked(Transfers(bridge), ago(HOUR))[0] for _ in range(2))
        assert first.digest_of == second.digest_of
        made.exchange_fee += 1
        assert walked(Transfers(bridge), ago(HOUR))[0].digest_of != first.digest_of

    @pytest.mark.parametrize("bare", [False, True])
    def test_are_all_found_though_pages_are_cut_short(self, *, bare: bool) -> None:
        with pretended_with(bridge_bare_lists=bare) as (bridge, server):
            order = an_order(server)
            made = [a_transfer(server, bridge, order).id for _ in range(3)]
            server.world.faults.set("truncated_listing", "bridge", keep=0.5)
            assert {one.id for one in walked(Transfers(bridge), ago(HOUR))} == set(made)

    def test_keep_no_address_and_no_bank(
        self, bridge: BridgeAdapter, pretended: SandboxServer, order: PayoutOrder
    ) -> None:
        made = a_transfer(pretended, bridge, order)
        found = walked(Transfers(bridge), ago(HOUR))[0]
        assert order.external_account.encode() not in found.body
        assert str((made.instructions or {})["to_address"]).encode() not in found.body
        (fact,) = interpret(found.body, source="poll").facts
        assert isinstance(fact, Changed)
        assert (fact.id, fact.status, fact.reference) == (made.id, "awaiting_funds", "wd_1")


class TestDrains:
    def test_are_found_though_they_were_made_before_the_window(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        world = pretended.world
        customer = world.bridge.add_customer().id
        bank = world.bridge.add_external_account(customer).id
        told = {"payment_rail": "ach", "currency": "usd", "external_account_id": bank}
        place = world.bridge.add_liquidation_address(customer, told)
        for _ in range(3):
            world.bridge.pay_address(place.id)
        drains = world.bridge.drains()
        assert {one.id for one in walked(Drains(bridge), ago(HOUR))} == {one.id for one in drains}
        for one in drains:
            one.created_at = one.updated_at = one.created_at - 2 * DAY
        assert walked(Drains(bridge), ago(HOUR)) == []
        drains[0].updated_at = datetime.now(UTC)
        assert [one.id for one in walked(Drains(bridge), ago(HOUR))] == [drains[0].id]


def recorded(source: Any, since: datetime) -> dict[str, Any]:
    """All records of a window by id; each is shown once."""
    found: dict[str, Any] = {}
    cursor = None
    while True:
        page = source.page(since=since, until=datetime.now(UTC), cursor=cursor)
        for one in page.records:
            assert one.id not in found
            found[one.id] = one
        cursor = page.next_cursor
        if cursor is None:
            return found


class TestRecords:
    def test_of_a_deposit_are_one_though_its_entries_stand_on_several_pages(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        world = pretended.world
        owner = world.bridge.add_customer().id
        account = world.bridge.add_virtual_account(owner, "TOurWallet", developer_fee_percent="0.5")
        whole = a_deposit(world, account, ("funds_scheduled", "in_review", *WHOLE))
        under_way = a_deposit(world, account, ("funds_received",), "20.00")
        test_payment = a_deposit(world, account, ("microdeposit",), "0.12")
        source = DepositRecords(bridge)
        found = recorded(source, ago(HOUR))
        assert {name: one.status for name, one in found.items()} == {
            whole: "payment_processed",
            under_way: "funds_received",
            test_payment: "microdeposit",
        }
        one = found[whole]
        assert (one.asset, one.amount, one.asset_out, one.amount_out, one.fee) == (
            "USD",
            250_00,
            "USDT",
            248_750000,
            1_250000,
        )
        assert source.one(whole, account=one.account)._replace(at=one.at) == one  # type: ignore[union-attr]
        assert source.one("no-such", account=one.account) is None

    def test_of_transfers_are_read_by_name_too(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        order = an_order(pretended)
        made = [a_transfer(pretended, bridge, order).id for _ in range(3)]
        source = TransferRecords(bridge)
        found = recorded(source, ago(HOUR))
        assert set(found) == set(made)
        one = found[made[0]]
        assert (one.status, one.asset, one.amount, one.amount_out, one.reference) == (
            "awaiting_funds",
            "USDT",
            250_000000,
            None,
            "wd_1",
        )
        assert source.one(made[0], account=None) == one
        assert source.one("no-such", account=None) is None


class TestEndless:
    @pytest.mark.parametrize("kind", [DepositHistory, Drains])
    def test_listings_are_given_up(self, kind: Callable[[BridgeAdapter], Listing]) -> None:
        """One that does not heed its cursor shows the same page for ever."""

        class Deaf(BridgeAdapter):
            def __init__(self) -> None: ...

            def _page(self, *_: object) -> list[dict[str, Any]]:
                return [{"id": "a", "created_at": datetime.now(UTC).isoformat()}]

        with pytest.raises(UnexpectedAnswer):
            walked(kind(Deaf()), ago(HOUR))
