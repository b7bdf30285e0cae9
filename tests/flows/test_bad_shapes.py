"""Traps of the providers from HTTP to the ledger: other shapes, other units, fields left out. Credited once, or not."""

from collections.abc import Iterator
from typing import Any

import pytest

from db.customers import NewLink
from providers.bridge import wire as bridge_wire
from providers.ibex import wire as ibex_wire
from providers.stripe import wire as stripe_wire
from tests.support.deposit_house import DepositHouse
from tests.support.on_ramps import OnRamps
from tests.support.top_ups import TopUps
from tests.support.withdrawals import Withdrawals

SHAPES = ["account", "flat", "envelope"]


@pytest.fixture
def ramps(house: DepositHouse) -> Iterator[OnRamps]:
    ramps = OnRamps(house)
    yield ramps
    if ramps.books_differ is None:
        assert ramps.disagreements() == []


class TestIbexsWebhooks:
    @pytest.mark.parametrize(
        "house",
        [
            {"ibex_webhook_shapes": SHAPES},
            {"ibex_webhook_unit": "smallest"},
            {"ibex_webhook_shapes": SHAPES, "ibex_webhook_unit": "smallest", "ibex_webhook_address": "upper"},
            {"ibex_webhook_address": "missing"},
        ],
        indirect=True,
    )
    def test_in_any_shape_and_unit_lead_to_one_credit_of_the_right_amount(self, ramps: OnRamps) -> None:
        """One live user reads tokens there, another millionths: the transaction itself is asked."""
        deposit = ramps.deposit(ramps.person())
        for _ in range(8):
            ramps.house.pass_time(5)
            ramps.house.look()
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.balance("wallet", "USDT") == (248_750_000, 0)
        assert ramps.house.one("SELECT count(*) FROM receipts") == 1
        assert ramps.house.one("SELECT count(*) FROM inbox_events WHERE provider = 'ibex' AND source = 'webhook'") >= 1
        assert ramps.house.letters() == []

    @pytest.mark.parametrize("how", ["wrong", "other_case", "empty", "null", "number", "missing"])
    def test_without_our_secret_are_stored_nowhere_and_polls_find_the_tokens(
        self, house: DepositHouse, how: str
    ) -> None:
        ramps = OnRamps(house)
        house.world.ibex.webhooks.manner = house.world.ibex.webhooks.manner.changed({"secret_as": how})
        deposit = ramps.deposit(ramps.person())
        house.pass_time(60)
        assert house.one("SELECT count(*) FROM inbox_events WHERE provider = 'ibex' AND source = 'webhook'") == 0
        house.poll()
        house.pass_time(60)
        assert (ramps.state_of(deposit), ramps.disagreements()) == ("credited", [])


class TestBridgesWebhooks:
    @pytest.mark.parametrize("house", [{"bridge_envelope": "both"}, {"bridge_envelope": "seed"}], indirect=True)
    def test_in_the_seeds_shape_alone_or_beside_their_own_credit_once(self, ramps: OnRamps) -> None:
        """The seed's has no id of the deposit: it has the account looked at."""
        ana = ramps.person()
        link = NewLink(customer="ana", provider="bridge", kind="customer", external_id=ana.customer, attributes={})
        ramps.house.link(link)
        deposit = ramps.deposit(ana)
        for _ in range(12):
            ramps.house.pass_time(5)
            ramps.house.look()
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.one("SELECT count(*) FROM flows") == 1
        assert ramps.house.balance("wallet", "USDT") == (248_750_000, 0)
        assert ramps.house.letters() == []


def spoil(monkeypatch: pytest.MonkeyPatch, module: Any, loader: str, field: str, *, times: int) -> None:
    """The next answers that this loader reads lack a field, wherever it stands in them."""
    load, left = getattr(module, loader), iter(range(times))

    def lacking(value: Any) -> Any:
        return load(value if next(left, None) is None else without(value, field))

    monkeypatch.setattr(module, loader, lacking)


def without(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        return {name: without(one, field) for name, one in value.items() if name != field}
    return [without(one, field) for one in value] if isinstance(value, list) else value


class TestAReplyThatLacksAField:
    """It is no answer: nothing is posted on it, and the next whole one goes on from there."""

    def test_of_bridge_posts_nothing_until_it_is_whole(self, ramps: OnRamps, monkeypatch: pytest.MonkeyPatch) -> None:
        spoil(monkeypatch, bridge_wire, "load_rows", "currency", times=2)
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(0.5)
        assert (ramps.state_of(deposit), ramps.house.balance("deposit", "USD")) == ("announced", (0, 0))
        assert "currency is missing" in last_answer(ramps.house)
        ramps.house.pass_time(600)
        assert ramps.state_of(deposit) == "credited"

    def test_of_ibex_credits_nothing_until_it_is_whole(self, ramps: OnRamps, monkeypatch: pytest.MonkeyPatch) -> None:
        spoil(monkeypatch, ibex_wire, "load_list", "amount", times=2)
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(10.5)
        assert (ramps.state_of(deposit), ramps.house.balance("wallet", "USDT")) == ("sent_on_chain", (0, 0))
        assert "amount must be a number" in last_answer(ramps.house)
        ramps.house.pass_time(600)
        assert ramps.state_of(deposit) == "credited"

    def test_of_stripe_credits_nothing_until_it_is_whole(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top_ups = TopUps(house)
        spoil(monkeypatch, stripe_wire, "load_checkout", "amount_total", times=1)
        page = top_ups.page()
        top_ups.stripe.pay_checkout(page.id)
        house.pass_time(0.5)
        assert (top_ups.state(page.id), top_ups.holds("top_up")) == ("created", 0)
        assert "amount_total is missing" in last_answer(house)
        house.pass_time(600)
        assert (top_ups.state(page.id), top_ups.books()) == ("claimable", [])

    def test_to_an_order_may_hide_what_was_made(self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch) -> None:
        """A 2xx that says nothing is no refusal: the transfer is looked for, and none is made a second time."""
        money = Withdrawals(house)
        spoil(monkeypatch, bridge_wire, "load_payout", "state", times=1)
        flow = money.ask(money.person())
        house.pass_time(1800)
        assert (money.state(flow), len(house.world.bridge.transfers())) == ("paid_out", 1)
        assert (money.sends(), money.disagreements()) == (1, [])


def last_answer(house: DepositHouse) -> str:
    """What the newest attempt said."""
    return str(house.one("SELECT message FROM attempts WHERE message IS NOT NULL ORDER BY started_at DESC LIMIT 1"))
