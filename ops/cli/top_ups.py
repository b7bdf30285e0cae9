"""`rampkeeper top-ups`: coins and money that customers buy at Stripe."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any

import click

from db import listings
from funding.errors import ProviderError
from funding.flows.stripe_top_up import State, stripe_top_up
from funding.money import Money
from funding.ports.stripe import StripeSessions
from funding.refusals import refusal_of
from ops.actions import top_ups as actions
from ops.actions.desk import Refused
from ops.actions.top_ups import Wanted
from ops.cli.asking import Asking, asking, not_configured
from ops.cli.options import Acting, acting, listing, resolve
from ops.cli.output import print_fields, print_json, print_list
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import Column, column, money_column

COLUMNS = (
    column("id"),
    column("state"),
    Column("", lambda row: "parked" if row["parked"] else "final" if row["final"] else ""),
    column("customer"),
    money_column("topped up"),
    money_column("claimed", "amount_out", "asset_out"),
    Column("session", lambda row: ", ".join(ref["id"] for ref in row["provider_refs"] if "session" in ref["kind"])),
    column("created_at", "created"),
    column("reason"),
)


@click.group("top-ups")
def top_ups() -> None:
    """Top-ups at Stripe."""


@top_ups.command()
@click.option("--customer", required=True, help="Whose wallet it goes to.")
@click.option("--network", required=True, help="Such as ethereum, base, polygon or solana.")
@click.option("--asset", type=click.Choice(actions.COINS, case_sensitive=False), required=True)
@click.option("--amount", required=True, help='Of that coin, such as "10.50".')
@click.option("--address", help="Which of their wallets, where they have several on that network.")
@click.option("--reference", help="Your own name for it: the same again answers with the same top-up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout: {flow, session, url}.")
@acting
def create(
    customer: str,
    network: str,
    asset: str,
    amount: str,
    address: str | None,
    reference: str | None,
    as_json: bool,
    yes: bool,
    by: str,
    instance: str | None,
) -> None:
    """Make an onramp session for a customer, and show the page on which they pay."""
    wanted = Wanted(
        customer=customer,
        network=network,
        amount=Money.parse(amount, asset.upper()),
        address=address,
        reference=reference,
    )
    with asking(instance) as asked, desk_of(instance, by=by) as desk:
        stripe = _stripe(asked)
        Acting(yes, by).confirm(f"A top-up of {wanted.amount} on {network} will be made for customer {customer}.")
        flow = actions.create(desk, wanted, enabled=asked.settings.stripe.enabled)
        made = actions.await_outcome(desk, flow, lambda top_up: top_up.session is not None)
        if made.session is None:
            raise Refused(f"top-up {flow} waits for our team: {made.why}")
        url = _url(stripe, made.session)
    if as_json:
        print_json({"flow": str(flow), "session": made.session, "url": url})
    else:
        print_fields({"flow": str(flow), "session": made.session, "url": url})


@top_ups.command()
@listing
@click.option("--customer", help="Whose they are.")
def pending(
    as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, customer: str | None
) -> None:
    """List what can be claimed, the newest first."""
    _list(instance, as_json, limit, since, what="top-ups to claim", customer=customer, state=State.CLAIMABLE.value)


@top_ups.command()
@click.argument("top_up", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout: {flow, session, state}.")
@acting
def claim(top_up: str, as_json: bool, yes: bool, by: str, instance: str | None) -> None:
    """Claim a top-up for its customer. ID is the flow's or the session's."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"Top-up {top_up} will be claimed.")
        flow = actions.claim(desk, top_up)
        done = actions.await_outcome(desk, flow, lambda one: one.state != State.CLAIMABLE)
    if done.state != State.CLAIMED:
        raise Refused(f"top-up {flow} was not claimed, it is {done.state}: {done.why}")
    if as_json:
        print_json({"flow": str(flow), "session": done.session, "state": done.state})
    else:
        click.echo(f"top-up {flow} is claimed")


@top_ups.command("list")
@listing
@click.option("--customer", help="Whose they are.")
@click.option("--state", help="Such as claimable.")
@click.option("--parked", is_flag=True, help="Only those that wait for a person.")
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List top-ups, the newest first."""
    _list(instance, as_json, limit, since, what="top-ups", **filters)


def _list(
    instance: str | None,
    as_json: bool,
    limit: int,
    since: datetime | timedelta | None,
    *,
    what: str,
    **filters: Any,
) -> None:
    with reading_from(instance) as connection:
        rows = listings.list_flows(
            connection, limit=limit + 1, since=resolve(connection, since), kind=stripe_top_up.name, **filters
        )
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what=what)


def _stripe(asked: Asking) -> StripeSessions:
    connected = asked.providers.connected.get("stripe")
    if connected is None:
        raise not_configured("stripe")
    stripe: StripeSessions = connected.port
    return stripe


def _url(stripe: StripeSessions, session: str) -> str | None:
    """The customer's page, read from Stripe now: it is kept nowhere. Raises: Refusal."""
    try:
        return stripe.get_onramp(session).url
    except ProviderError as error:
        raise refusal_of(error) from error
