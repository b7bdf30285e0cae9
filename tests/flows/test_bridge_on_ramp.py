"""A bank deposit's way from Bridge to the customer's wallet: credited once, when Bridge and IBEX agree."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from funding.flows.table import FLOWS
from tests.support.deposit_house import DepositHouse
from tests.support.on_ramps import OnRamps
from workers.sweeps import Sweeps, limits_of

DAY_S = 24 * 60 * 60


@pytest.fixture
def ramps(house: DepositHouse) -> Iterator[OnRamps]:
    ramps = OnRamps(house)
    yield ramps
    if ramps.books_differ is None:
        assert ramps.disagreements() == []


def test_dollars_become_tokens_in_the_wallet_with_the_markup_as_our_income(ramps: OnRamps) -> None:
    deposit = ramps.deposit(ramps.person(), exchange_fee="0.25", gas_fee="0.10")
    ramps.house.pass_time(60)

    assert ramps.history_of(deposit) == ["announced", "converting", "sent_on_chain", "credited"]
    flow = ramps.flow_of(deposit)
    assert (flow["amount"], flow["asset"], flow["amount_out"], flow["asset_out"]) == (
        250_00,
        "USD",
        248_400_000,
        "USDT",
    )
    assert ramps.house.balance("wallet", "USDT") == (248_400_000, 0)
    assert ramps.house.balance("deposit", "USD") == ramps.house.balance("deposit", "USDT") == (0, 0)
    assert ramps.house.balance("on_chain", "USDT") == (0, 0)
    assert ramps.house.balance("bridge:markup", "USDT") == (1_250_000, 0)
    assert ramps.house.balance("bridge:fees_passed_on", "USDT") == (350_000, 0)
    assert ramps.house.told() == ["deposit.funded"]
    assert ramps.texts() == [
        "248.400000 USDT is in the wallet: 250.00 USD came in, less 1.250000 USDT our markup and 0.350000 USDT fees."
    ]
    assert ramps.house.open_breaks() == []


@pytest.mark.parametrize("stage", ["payment_submitted", "payment_processed"])
def test_nothing_is_credited_before_bridge_says_payment_processed(ramps: OnRamps, stage: str) -> None:
    """IBEX may have the tokens long before."""
    deposit = ramps.deposit(ramps.person(), step_seconds=[5.0, 600.0], sent_on=stage)
    ramps.house.pass_time(300)
    assert ramps.state_of(deposit) == "converting"
    assert ramps.house.balance("wallet", "USDT") == (0, 0)

    ramps.house.pass_time(400)
    assert ramps.state_of(deposit) == "credited"


@pytest.mark.parametrize("house", [{"bridge_chain_seconds": 3000.0}], indirect=True)
def test_nothing_is_credited_before_ibex_has_the_tokens(ramps: OnRamps) -> None:
    deposit = ramps.deposit(ramps.person())
    ramps.house.pass_time(1800)
    assert ramps.state_of(deposit) == "sent_on_chain"
    assert ramps.house.balance("on_chain", "USDT") == (248_750_000, 0)
    assert ramps.house.balance("wallet", "USDT") == (0, 0)

    ramps.house.pass_time(3600)
    assert ramps.state_of(deposit) == "credited"


@pytest.mark.parametrize("house", [{"ibex_settle_seconds": 1200.0}], indirect=True)
def test_tokens_that_ibex_still_holds_pending_wait(ramps: OnRamps) -> None:
    deposit = ramps.deposit(ramps.person())
    ramps.house.pass_time(600)
    assert ramps.flow_of(deposit)["snooze_reason"] == "IBEX says pending"

    ramps.house.pass_time(3600)
    assert ramps.state_of(deposit) == "credited"


def test_webhooks_that_come_twice_credit_once(ramps: OnRamps) -> None:
    ramps.world.faults.set("webhook_doubled")
    ramps.deposit(ramps.person())
    ramps.house.pass_time(120)
    assert ramps.house.balance("wallet", "USDT") == (248_750_000, 0)
    assert ramps.house.told() == ["deposit.funded"]


def test_with_every_webhook_dropped_the_polls_bring_it_home(ramps: OnRamps) -> None:
    ramps.world.faults.set("webhook_dropped")
    deposit = ramps.deposit(ramps.person())
    for _ in range(2):
        ramps.house.pass_time(30)
        ramps.house.poll()
    assert ramps.state_of(deposit) == "credited"


@pytest.mark.parametrize("amount", ["0.11", "1.00", "19999.99", "1234567.89"])
def test_no_amount_loses_a_unit(ramps: OnRamps, amount: str) -> None:
    deposit = ramps.deposit(ramps.person(), amount=amount, exchange_fee="0.01")
    ramps.house.pass_time(60)
    assert ramps.state_of(deposit) == "credited"


def test_two_equal_deposits_are_both_credited_each_by_its_own_tokens(ramps: OnRamps) -> None:
    ana = ramps.person()
    first, second = ramps.deposit(ana), ramps.deposit(ana)
    ramps.house.pass_time(120)

    assert ramps.state_of(first) == ramps.state_of(second) == "credited"
    taken = ramps.house.rows("SELECT flow_id FROM flow_references WHERE provider = 'ibex' AND kind = 'transaction'")
    assert len(taken) == len(set(taken)) == 2
    assert ramps.house.balance("wallet", "USDT") == (2 * 248_750_000, 0)


def test_tokens_from_elsewhere_are_not_taken_for_those_of_bridge(ramps: OnRamps) -> None:
    """A friend sends the very amount first: the hash of the chain tells the two apart."""
    ana = ramps.person()
    stranger = ramps.world.ibex.deposit(ana.address, "248.75")
    deposit = ramps.deposit(ana)
    ramps.house.pass_time(120)

    assert ramps.state_of(deposit) == "credited"
    taken = ramps.house.one("SELECT external_id FROM flow_references WHERE provider = 'ibex' AND kind = 'transaction'")
    assert taken != stranger
    ramps.books_differ = "what a friend sent is no flow's"


def test_a_review_is_a_state_of_its_own_and_goes_on(ramps: OnRamps) -> None:
    deposit = ramps.deposit(ramps.person(), path=("funds_received", "in_review"))
    ramps.house.pass_time(60)
    assert ramps.state_of(deposit) == "in_review"
    assert ramps.house.balance("deposit", "USD") == (250_00, 0)

    ramps.move(deposit, "payment_submitted", "payment_processed")
    ramps.house.pass_time(60)
    assert ramps.history_of(deposit) == [
        "announced",
        "converting",
        "in_review",
        "converting",
        "sent_on_chain",
        "credited",
    ]


def test_a_review_that_nobody_told_of_is_gone_through_all_the_same(ramps: OnRamps) -> None:
    """Only the last webhook arrives: Bridge's history tells the rest, each with its own time."""
    ramps.world.faults.set("webhook_dropped", "bridge", times=3, only="virtual_account.activity.created")
    deposit = ramps.deposit(
        ramps.person(), path=("funds_received", "in_review", "payment_submitted", "payment_processed")
    )
    ramps.house.pass_time(60)
    states = ["announced", "converting", "in_review", "converting", "sent_on_chain", "credited"]
    assert ramps.history_of(deposit) == states
    at = [when for (when,) in ramps.house.rows("SELECT effective_at FROM transitions ORDER BY id")][1:5]
    assert [(later - sooner).total_seconds() for sooner, later in pairwise(at)] == [5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    "path",
    [
        ("funds_received", "refunded"),
        ("funds_received", "in_review", "refunded"),
        ("funds_received", "payment_submitted", "refunded"),
    ],
)
def test_a_refund_before_the_tokens_left_gives_all_of_it_back(ramps: OnRamps, path: tuple[str, ...]) -> None:
    deposit = ramps.deposit(ramps.person(), path=path)
    ramps.house.pass_time(60)
    assert ramps.state_of(deposit) == "refunded"
    assert ramps.house.balance("deposit", "USD") == (0, 0)
    assert ramps.house.told() == ["deposit.returned"]
    assert "below the smallest or above the largest amount" in ramps.texts()[0]
    assert deposit not in ramps.texts()[0]
    assert ramps.house.open_breaks() == []


@pytest.mark.parametrize("path", [("microdeposit",), ("funds_received", "microdeposit")])
def test_a_microdeposit_is_never_credited(ramps: OnRamps, path: tuple[str, ...]) -> None:
    deposit = ramps.deposit(ramps.person(), amount="0.11", path=path)
    ramps.house.pass_time(180)
    assert ramps.house.balance("deposit", "USD") == ramps.house.balance("wallet", "USDT") == (0, 0)
    if len(path) == 1:
        assert ramps.house.one("SELECT count(*) FROM flows") == 0
    else:
        assert ramps.state_of(deposit) == "failed"


def test_money_that_is_only_announced_posts_nothing(ramps: OnRamps) -> None:
    deposit = ramps.deposit(ramps.person(), path=("funds_scheduled",))
    ramps.house.pass_time(60)
    assert ramps.state_of(deposit) == "announced"
    assert ramps.house.one("SELECT count(*) FROM journal_entries") == 0

    ramps.move(deposit, "funds_received", "payment_submitted", "payment_processed")
    ramps.house.pass_time(60)
    assert ramps.state_of(deposit) == "credited"


def test_a_missing_second_signal_is_a_break_after_a_day(ramps: OnRamps) -> None:
    elsewhere = ramps.world.bridge.draw_address("tron")
    deposit = ramps.deposit(ramps.person(address=elsewhere))
    sweeps = Sweeps(begin=ramps.house.begin, limits=limits_of(FLOWS, {}), enabled=(), alpaca=None)

    ramps.house.pass_time(DAY_S - 600)
    assert sweeps.sweep_stuck() == "0 newly stuck, 0 moved on"
    ramps.house.pass_time(1200)
    assert sweeps.sweep_stuck() == "1 newly stuck, 0 moved on"

    assert ramps.state_of(deposit) == "sent_on_chain"
    assert ramps.house.rows("SELECT provider, ours, theirs FROM breaks WHERE type = 'stuck'") == [
        ("ibex", "bridge_on_ramp in sent_on_chain for more than 24 h", "IBEX does not have the tokens yet")
    ]
