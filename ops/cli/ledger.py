"""`rampkeeper ledger`: what the books say."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any

import click

from db import ledger_reports
from funding.money import Money
from ops.actions import flows as actions
from ops.cli.flows import find_flow
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_json, print_list, print_table
from ops.cli.reach import desk_of, reading_from
from ops.reports.balances import with_readings
from ops.reports.cells import column, money_column

ASSETS = (column("asset"), column("off_by", "off by", right=True))
BALANCES = (
    column("customer"),
    column("account"),
    money_column("posted", "posted"),
    money_column("pending", "pending"),
    money_column("available", "available"),
)
ENTRIES = (
    column("recorded_at", "recorded"),
    column("entry"),
    column("flow"),
    column("purpose"),
    column("customer"),
    column("account"),
    column("layer"),
    money_column("debit (credit -)"),
)


@click.group()
def ledger() -> None:
    """Balances and journal entries."""


@ledger.command("trial-balance")
@reading
def trial_balance(as_json: bool, instance: str | None) -> None:
    """Sum all postings by asset: each sum is zero. Exit 1 if one is not."""
    with reading_from(instance) as connection:
        assets = ledger_reports.trial_balance(connection)
    balanced = not any(assets.values())
    if as_json:
        print_json({"balanced": balanced, "assets": assets})
    else:
        print_table([{"asset": asset, "off_by": off} for asset, off in assets.items()], ASSETS)
        click.echo("the ledger balances" if balanced else "THE LEDGER DOES NOT BALANCE: run `rampkeeper doctor`")
    if not balanced:
        raise click.exceptions.Exit(1)


@ledger.command()
@reading
@click.option("--customer", help="Only this customer's accounts.")
@click.option("--account", help="Such as brokerage, deposit or due:clearing.")
@click.option("--asset", help="Such as USD.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
def balances(
    as_json: bool, instance: str | None, customer: str | None, account: str | None, asset: str | None, limit: int
) -> None:
    """Show balances: customers' in their favour, then the house's own, positive as such an account ordinarily is.

    Beside a customer's brokerage account stand its buying power and cash as last read from Alpaca.
    """
    with reading_from(instance) as connection:
        booked = ledger_reports.balances(connection, limit=limit, customer=customer, account=account, asset=asset)
        readings = ledger_reports.broker_readings(connection, customer=customer, asset=asset)
    rows = [row for row in with_readings(booked, readings) if account is None or row["account"] == account]
    print_list(rows, BALANCES, as_json=as_json, what="balances")


@ledger.command()
@listing
@click.option("--flow", help="Only entries of this flow.")
@click.option("--customer", help="Only entries that touch this customer's accounts.")
@click.option("--account", help="Only entries that touch an account of this name.")
@click.option("--kind", "purpose", help="What they were made for, such as funded.")
def entries(
    as_json: bool,
    limit: int,
    since: datetime | timedelta | None,
    instance: str | None,
    flow: str | None,
    **filters: Any,
) -> None:
    """List journal entries with their postings, the newest first."""
    with reading_from(instance) as connection:
        rows = ledger_reports.entries(
            connection,
            limit=limit + 1,
            since=resolve(connection, since),
            flow=find_flow(connection, flow) if flow else None,
            **filters,
        )
    if as_json or not rows:
        print_list(rows, ENTRIES, as_json=as_json, limit=limit, what="entries")
        return
    lines = [{**row, "entry": row["id"], **posting} for row in rows[:limit] for posting in row["postings"]]
    print_list(lines, ENTRIES, as_json=False)
    if len(rows) > limit:
        click.echo(f"only the newest {limit} entries are shown; --limit takes more", err=True)


@ledger.command("move-suspense")
@click.argument("flow")
@click.option("--customer", required=True, help="Whose money it is.")
@click.option("--amount", help='What you expect to move, such as "10.50"; anything else is refused.')
@click.option("--asset", default="USD", show_default=True, help="The asset of --amount.")
@acting
def move_suspense(
    flow: str, customer: str, amount: str | None, asset: str, yes: bool, by: str, instance: str | None
) -> None:
    """Give a deposit that is held in suspense to its customer; it then goes on."""
    expected = Money.parse(amount, asset) if amount else None
    with desk_of(instance, by=by) as desk:
        with desk.begin() as connection:
            found = find_flow(connection, flow)
        Acting(yes, by).confirm(f"The money of flow {found} will be customer {customer}'s.")
        held = actions.move_suspense(desk, found, customer, expected=expected)
    click.echo(f"{', '.join(map(str, held))} of flow {found} is customer {customer}'s; the flow goes on")
