"""`rampkeeper withdrawals`: tokens of customers, paid out in dollars to their banks."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any

import click

from db import withdrawals as rows_of
from ops.actions import withdrawals as actions
from ops.actions.desk import Refused
from ops.actions.withdrawals import Wanted
from ops.cli import flows as flows_cli
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_json, print_list
from ops.cli.reach import NothingNamed, desk_of, environment, reading_from
from ops.configured import enabled
from ops.reports.cells import Column, column, money_column
from settings import SettingsError, load

COLUMNS = (
    column("id"),
    column("state"),
    Column("", lambda row: "parked" if row["parked"] else "final" if row["final"] else ""),
    column("customer"),
    money_column("withdrawn"),
    money_column("at the bank", "amount_out", "asset_out"),
    Column("bank", lambda row: f"{row['bank_name']} {row['last4']}"),
    column("created_at", "created"),
    column("moved_at", "moved"),
    column("reason"),
)


@click.group()
def withdrawals() -> None:
    """Withdrawals to banks, by Bridge."""


@withdrawals.command()
@click.option("--customer", required=True, help="Whose tokens they are.")
@click.option("--amount", required=True, help='In whole tokens, such as "250.00".')
@click.option("--external-account", required=True, help="Bridge's id of the bank account, as it is linked.")
@click.option("--reference", help="Your own name for it: the same again answers with the same withdrawal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout: the flow.")
@acting
def create(
    customer: str,
    amount: str,
    external_account: str,
    reference: str | None,
    as_json: bool,
    yes: bool,
    by: str,
    instance: str | None,
) -> None:
    """Hold a customer's tokens and begin to pay them out. It goes on by itself; see `withdrawals show`."""
    wanted = Wanted(customer=customer, amount=amount, external_account=external_account, reference=reference)
    try:
        allowed = enabled(load(environment(instance)))
    except SettingsError as error:
        raise NothingNamed(str(error)) from error
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"{amount} of customer {customer} will be withdrawn to their bank.")
        flow = actions.create(desk, wanted, enabled=allowed["bridge"] and allowed["ibex"])
        with desk.begin() as connection:
            shown = rows_of.read(connection, flow)
    if as_json:
        print_json(shown)
    else:
        click.echo(f"withdrawal {flow} is {shown['state'] if shown else 'begun'}")


@withdrawals.command()
@click.argument("withdrawal")
@click.option("--reason", required=True, help="How you know that the tokens never left IBEX; it is audited.")
@acting
def release(withdrawal: str, reason: str, yes: bool, by: str, instance: str | None) -> None:
    """End the hold of a withdrawal that was abandoned: its tokens are the customer's to spend again."""
    with desk_of(instance, by=by) as desk:
        with desk.begin() as connection:
            found = flows_cli.find_flow(connection, withdrawal)
        Acting(yes, by).confirm(f"The tokens held for withdrawal {found} will be the customer's to spend.")
        held = actions.release(desk, found, reason=reason)
    click.echo(f"{held} of withdrawal {found} is the customer's to spend again")


@withdrawals.command("list")
@listing
@click.option("--customer", help="Whose they are.")
@click.option("--state", help="Such as paying_out.")
@click.option("--parked", is_flag=True, help="Only those that wait for a person.")
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List withdrawals, the newest first."""
    with reading_from(instance) as connection:
        rows = rows_of.list_withdrawals(connection, limit=limit + 1, since=resolve(connection, since), **filters)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="withdrawals")


@withdrawals.command()
@click.argument("withdrawal")
@reading
@click.pass_context
def show(context: click.Context, withdrawal: str, as_json: bool, instance: str | None) -> None:
    """Show a withdrawal with its whole history. WITHDRAWAL is its id, the beginning of it, or its transfer's id."""
    with reading_from(instance) as connection:
        found = flows_cli.find_flow(connection, withdrawal)
        if rows_of.read(connection, found) is None:
            raise Refused(f"flow {found} is no withdrawal")
    context.invoke(flows_cli.show, flow=str(found), as_json=as_json, instance=instance)
