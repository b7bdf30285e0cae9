"""What others read: the view `deposits`, balances read back, and what customers' own backend is told."""

import json

from tests.support.deposit_house import DepositHouse
from tests.support.depositors import HAPPY


def test_the_view_deposits_is_the_audit_trail(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), step_seconds=30)
    house.pass_time(300)
    happened = dict(house.world.due.transfers[transfer].history)
    (journal,) = house.world.alpaca.journals.by_id.values()
    row = house.rows("""
        SELECT customer_id, status, chain, rail, asset, amount, asset_out, amount_out, off_ramp_tx_id,
               off_ramp_initiated_at, off_ramp_completed_at, alpaca_funding_tx_id FROM deposits
    """)
    assert row == [
        (
            "ana",
            "broker_funded",
            "base",
            "ach",
            "USDC",
            250_000_000,
            "USD",
            249_25,
            transfer,
            happened["funds_received"],
            happened["payment_processed"],
            journal.id,
        )
    ]
    assert house.one("SELECT broker_funded_at >= off_ramp_completed_at FROM deposits")


def test_each_deposit_is_one_row_of_it(house: DepositHouse) -> None:
    ana = house.person()
    funded = house.deposit(ana)
    returned = house.deposit(ana, path=("funds_received", "canceled"))
    failed = house.deposit(ana, path=("funds_received", "failed"))
    house.pass_time(120)
    rows = house.rows("SELECT off_ramp_tx_id, status, off_ramp_completed_at IS NULL FROM deposits")
    assert sorted(rows) == sorted(
        [(funded, "broker_funded", False), (returned, "returned", True), (failed, "failed", True)]
    )


def test_balances_are_kept_and_read_back(house: DepositHouse) -> None:
    """What the customer owns here, and beside it what Alpaca shows."""
    ana = house.person()
    for amount in ("250.00", "100.75"):
        house.deposit(ana, amount=amount)
    house.pass_time(120)
    assert house.rows("""
        SELECT a.name, a.asset, b.posted, b.pending, b.available
          FROM balances b JOIN ledger_accounts a ON a.id = b.account_id WHERE a.customer_id = 'ana' ORDER BY 1, 2
    """) == [("brokerage", "USD", 349_25, 0, 349_25), ("deposit", "USD", 0, 0, 0), ("deposit", "USDC", 0, 0, 0)]
    shown = house.rows("SELECT name, account, asset, amount, customer_id FROM balance_readings ORDER BY name")
    assert shown == [
        ("buying_power", ana.brokerage, "USD", 349_25, "ana"),
        ("cash", ana.brokerage, "USD", 349_25, "ana"),
    ]


def test_four_things_are_told_with_our_own_ids_alone(house: DepositHouse) -> None:
    ana = house.person()
    funded = house.deposit(ana)
    house.pass_time(60)
    house.world.alpaca.refuse_account(ana.brokerage)
    delayed = house.deposit(ana, amount="100.75")
    returned = house.deposit(ana, path=("funds_received", "canceled"))
    failed = house.deposit(ana, path=("funds_received", "failed"))
    house.pass_time(60)

    ours = {one: str(house.flow_of(one)["id"]) for one in (funded, delayed, returned, failed)}
    said = {kind: data for kind, data in house.rows("SELECT type, data FROM notifications")}  # noqa: C416 -- rows are tuples of any length
    assert {kind: (data["flow"], data["amount"], data["asset"]) for kind, data in said.items()} == {
        "deposit.funded": (ours[funded], 249_25, "USD"),
        "deposit.delayed": (ours[delayed], 100_00, "USD"),
        "deposit.returned": (ours[returned], 250_000_000, "USDC"),
        "deposit.failed": (ours[failed], 250_000_000, "USDC"),
    }
    theirs = [*ours, ana.account, ana.virtual_account, ana.brokerage, *house.world.alpaca.journals.by_id]
    for data in said.values():
        assert set(data) == {"flow", "customer", "amount", "asset", "text"}
        assert data["customer"] == "ana"
        assert data["text"]
        assert not [one for one in theirs if one in json.dumps(data)]


def test_each_is_told_once_however_often_events_come(house: DepositHouse) -> None:
    house.world.faults.set("webhook_doubled", "due", seconds=7)
    house.deposit(house.person(), path=HAPPY)
    house.pass_time(120, listening=True)
    house.poll()
    house.pass_time(120)
    assert house.told() == ["deposit.funded"]
