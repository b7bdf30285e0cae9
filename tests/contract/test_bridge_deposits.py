"""Bridge's bank deposits, read from the pretended Bridge and told by its webhooks."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from funding.errors import NotFound, ProviderUnavailable
from funding.facts import Changed, Fact, LookDue
from funding.money import Money
from funding.ports.bridge import Stage
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.door import routes
from providers.bridge.interpret import interpret
from providers.rotation import Windowed
from providers.webhook_keys import SignatureWrong
from sandbox.bridge.model import VirtualAccount
from sandbox.server import SandboxServer
from sandbox.world import World
from tests.contract.bridge_client import pretended_with, speaking_to
from tests.contract.conftest import DEADLINE_S

WHOLE = ("funds_received", "payment_submitted", "payment_processed")
HOOK = "http://127.0.0.1:9/webhooks/bridge"


@pytest.fixture
def bridge(pretended: SandboxServer) -> Iterator[BridgeAdapter]:
    with speaking_to(pretended.urls["bridge"], pretended.world.config.bridge_api_keys) as adapter:
        yield adapter


@pytest.fixture
def account(pretended: SandboxServer) -> VirtualAccount:
    return an_account(pretended.world)


def an_account(world: World) -> VirtualAccount:
    customer = world.bridge.add_customer()
    return world.bridge.add_virtual_account(customer.id, "TOurWallet", developer_fee_percent="0.5")


def a_deposit(world: World, account: VirtualAccount, path: Sequence[str] = WHOLE, amount: str = "250.00") -> str:
    return world.bridge.deposit(account.id, amount, path=path, step_seconds=0)


class TestADeposit:
    def test_is_read_stage_by_stage(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        made = a_deposit(pretended.world, account)
        deposit = bridge.get_deposit(made, customer=account.customer_id, virtual_account=account.id)
        assert (deposit.id, deposit.rail) == (made, "ach_push")
        assert all(f"deposit_id={made}" in request["path"] for request in pretended.world.requests)
        assert [stage.stage for stage in deposit.stages] == [Stage(name) for name in WHOLE]
        received, submitted, processed = deposit.stages
        assert (received.amount, processed.amount) == (Money(250_00, "USD"), Money(248_750000, "USDT"))
        assert submitted.amount == Money(248_75, "USD")
        assert processed.developer_fee == Money(1_250000, "USDT")
        (movement,) = pretended.world.chain.movements
        assert (received.chain_hash, processed.chain_hash) == (None, movement.hash)

    def test_may_be_submitted_in_the_coin(self) -> None:
        """Bridge's own samples show both."""
        with pretended_with(bridge_submitted_in="destination") as (bridge, server):
            account = an_account(server.world)
            made = a_deposit(server.world, account)
            deposit = bridge.get_deposit(made, customer=account.customer_id, virtual_account=account.id)
            assert deposit.stages[1].amount == Money(248_750000, "USDT")

    def test_has_nothing_of_another_on_the_same_account(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        first, second = (a_deposit(pretended.world, account, amount=amount) for amount in ("10.00", "20.00"))
        shown = [
            bridge.get_deposit(one, customer=account.customer_id, virtual_account=account.id).stages[0].amount
            for one in (first, second)
        ]
        assert shown == [Money(10_00, "USD"), Money(20_00, "USD")]

    @pytest.mark.parametrize("truncated", [False, True])
    def test_is_whole_though_its_history_has_pages(
        self,
        bridge: BridgeAdapter,
        pretended: SandboxServer,
        account: VirtualAccount,
        monkeypatch: pytest.MonkeyPatch,
        *,
        truncated: bool,
    ) -> None:
        monkeypatch.setattr("providers.bridge.adapter.PAGE", 2)
        made = a_deposit(pretended.world, account, path=("funds_scheduled", "in_review", *WHOLE))
        if truncated:
            pretended.world.faults.set("truncated_listing", "bridge", keep=0.5)
        deposit = bridge.get_deposit(made, customer=account.customer_id, virtual_account=account.id)
        assert len(deposit.stages) == 5

    def test_keeps_a_stage_nobody_knows_open(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount
    ) -> None:
        made = a_deposit(pretended.world, account)
        pretended.world.faults.set("unknown_status", "bridge", times=1, status="Recalled")
        deposit = bridge.get_deposit(made, customer=account.customer_id, virtual_account=account.id)
        assert (deposit.stages[-1].stage, deposit.stages[-1].raw_stage) == (Stage.UNKNOWN, "Recalled")

    @pytest.mark.parametrize("status", [400, 404])
    def test_is_not_found_where_there_is_none(self, status: int) -> None:
        """Not there yet, on another account, of another customer."""
        with pretended_with(bridge_not_found_status=status) as (bridge, server):
            account, other = an_account(server.world), an_account(server.world)
            made = a_deposit(server.world, account)
            for deposit, customer, virtual_account in (
                ("no-such", account.customer_id, account.id),
                (made, other.customer_id, other.id),
                (made, other.customer_id, account.id),
                (made, account.customer_id, "no-such"),
            ):
                with pytest.raises(NotFound):
                    bridge.get_deposit(deposit, customer=customer, virtual_account=virtual_account)

    @pytest.mark.parametrize("odd", ["..", "../x", "a/b", "a&b", ""])
    def test_is_not_asked_for_under_an_odd_id(self, bridge: BridgeAdapter, pretended: SandboxServer, odd: str) -> None:
        for deposit, customer, account in ((odd, "c", "v"), ("d", odd, "v"), ("d", "c", odd)):
            with pytest.raises(NotFound):
                bridge.get_deposit(deposit, customer=customer, virtual_account=account)
        assert not pretended.world.requests

    @pytest.mark.parametrize("fault", ["slow_reply", "dripping_reply", "hanging_socket"])
    def test_is_given_up_at_the_deadline(
        self, bridge: BridgeAdapter, pretended: SandboxServer, account: VirtualAccount, fault: str
    ) -> None:
        made = a_deposit(pretended.world, account)
        pretended.world.faults.set(fault, "bridge", seconds=30)
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            bridge.get_deposit(made, customer=account.customer_id, virtual_account=account.id)
        assert time.monotonic() - began < DEADLINE_S + 1


def told(world: World) -> list[Fact]:
    """What our door and `interpret` make of every webhook that is sent."""
    world.tick()
    key = Windowed(base64.b64decode(world.bridge.ready()["bridge_public_key"]))
    receiving = routes([key])["/webhooks/bridge"]
    facts: list[Fact] = []
    for delivery in world.due_deliveries():
        receiving.verify(delivery.body, delivery.headers, datetime.now(UTC))
        event: dict[str, Any] = json.loads(delivery.body)
        assert receiving.name(delivery.body, event).id == event.get("event_id", event.get("id"))
        facts += interpret(delivery.body, source="webhook").facts
    return facts


class TestItsWebhooks:
    @pytest.mark.parametrize("types", ["prefixed", "bare", "mixed"])
    @pytest.mark.parametrize("envelope", ["real", "both"])
    def test_open_one_deposit_whichever_way_they_are_written(self, types: str, envelope: str) -> None:
        world = World(3, config={"bridge_webhook_url": HOOK, "bridge_event_types": types, "bridge_envelope": envelope})
        account = an_account(world)
        made = a_deposit(world, account)
        facts = told(world)
        deposits = [one for one in facts if isinstance(one, Changed) and one.kind == "deposit"]
        assert {one.id for one in deposits} == {made}
        amounts = {one.status: one.opening.amount for one in deposits if one.opening}
        assert amounts == dict.fromkeys(WHOLE) | {"funds_received": Money(250_00, "USD")}
        looks = [one for one in facts if isinstance(one, LookDue)]
        assert looks == [LookDue(poll="bridge_virtual_account", subject=account.id)] * (envelope == "both")

    def test_of_the_seed_make_its_account_looked_at(self) -> None:
        world = World(3, config={"bridge_webhook_url": HOOK, "bridge_envelope": "seed"})
        account = an_account(world)
        a_deposit(world, account)
        assert told(world) == [LookDue(poll="bridge_virtual_account", subject=account.id)]

    def test_of_microdeposits_and_of_the_account_open_nothing(self) -> None:
        world = World(3, config={"bridge_webhook_url": HOOK})
        account = an_account(world)
        a_deposit(world, account, path=("microdeposit",), amount="0.12")
        world.bridge.deposits.change(account, status="deactivated")
        assert not any(isinstance(one, Changed) and one.kind == "deposit" for one in told(world))

    def test_are_refused_if_another_endpoints_key_signed_them(self) -> None:
        world = World(3, config={"bridge_webhook_url": HOOK})
        another = Windowed(base64.b64decode(world.bridge.ready()["bridge_public_keys"][1]))
        world.bridge.add_customer()
        (first, *_) = world.due_deliveries()
        with pytest.raises(SignatureWrong):
            routes([another])["/webhooks/bridge"].verify(first.body, first.headers, datetime.now(UTC))
