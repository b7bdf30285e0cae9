"""`rampkeeper flows`: the movements of money, shown and woken."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from db import listings
from ops.actions import flows as actions
from ops.actions.desk import Refused
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_fields, print_json, print_list, print_part
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import Column, column, money_column, money_text

COLUMNS = (
    column("id"),
    column("kind"),
    column("state"),
    Column("", lambda row: "parked" if row["parked"] else "final" if row["final"] else ""),
    column("customer"),
    money_column("came in"),
    money_column("went on", "amount_out", "asset_out"),
    column("created_at", "created"),
    column("moved_at", "moved"),
    column("reason"),
)
TRANSITIONS = (
    column("recorded_at", "recorded"),
    column("from"),
    column("to"),
    column("effective_at", "effective"),
    column("reason"),
)
ATTEMPTS = (
    column("started_at", "started"),
    column("step"),
    column("number", "no.", right=True),
    column("outcome"),
    column("error"),
    column("message"),
)
LETTERS = (
    column("id"),
    column("status"),
    column("error"),
    column("blame"),
    column("opened_at", "opened"),
    column("message"),
)
EVENTS = (column("id"), column("source"), column("type"), column("state"), column("received_at", "received"))
POSTINGS = (
    column("entry"),
    column("purpose"),
    column("account"),
    column("customer"),
    column("layer"),
    money_column("debit (credit -)"),
)


@click.group()
def flows() -> None:
    """The movements of money."""


@flows.command("list")
@listing
@click.option("--kind", help="Such as due_deposit.")
@click.option("--state", help="Such as off_ramp_completed.")
@click.option("--status", type=click.Choice(["open", "resting", "closed"]), help="Under way, listening on, or over.")
@click.option("--provider", help="Whom the present step speaks to.")
@click.option("--customer", help="Whose money it is.")
@click.option("--parked", is_flag=True, help="Only those that wait for a person.")
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List flows, the newest first."""
    with reading_from(instance) as connection:
        rows = listings.list_flows(connection, limit=limit + 1, since=resolve(connection, since), **filters)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="flows")


@flows.command()
@click.argument("flow")
@reading
def show(flow: str, as_json: bool, instance: str | None) -> None:
    """Show a flow with its whole history. FLOW is its id, the beginning of it, or an id at a provider."""
    with reading_from(instance) as connection:
        shown = listings.show_flow(connection, find_flow(connection, flow))
    if shown is None:
        raise Refused(f"there is no flow {flow!r}")
    if as_json:
        print_json(shown)
        return
    refs = ", ".join(f"{ref['provider']} {ref['kind']} {ref['id']}" for ref in shown["provider_refs"])
    fields = {name: value for name, value in shown.items() if not isinstance(value, list)}
    fields["amount"] = money_text(shown["amount"], shown["asset"])
    fields["amount_out"] = money_text(shown["amount_out"], shown["asset_out"])
    print_fields({**fields, "provider_refs": refs})
    print_part("Transitions", shown["transitions"], TRANSITIONS)
    print_part("Attempts", shown["attempts"], ATTEMPTS)
    postings = [
        {"entry": entry["id"], "purpose": entry["purpose"], **posting}
        for entry in shown["entries"]
        for posting in entry["postings"]
    ]
    print_part("Ledger", postings, POSTINGS)
    print_part("Events", shown["events"], EVENTS)
    print_part("Dead letters", shown["dead_letters"], LETTERS)


@flows.command()
@click.argument("flow")
@acting
def wake(flow: str, yes: bool, by: str, instance: str | None) -> None:
    """Make a flow due now. A parked one only looks: nothing is created until its dead letter is replayed."""
    with desk_of(instance, by=by) as desk:
        with desk.begin() as connection:
            found = find_flow(connection, flow)
        Acting(yes, by).confirm(f"Flow {found} will be due now.")
        state = actions.wake_flow(desk, found)
    click.echo(f"flow {found} is due now, in {state}")


def find_flow(connection: Connection, said: str) -> UUID:
    """The one flow meant by an id, the beginning of it, or an id at a provider. Raises: Refused."""
    found = listings.find_flows(connection, said)
    if len(found) != 1:
        raise Refused(
            f"there is no flow {said!r}" if not found else f"several flows begin with {said!r}: say more of it"
        )
    return found[0]
