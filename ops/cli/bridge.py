"""`rampkeeper bridge`: customers' identity checks, virtual accounts and banks at Bridge."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

import click

from ops.actions.bridge_customers import BridgeDesk
from ops.actions.operations import Waiting
from ops.cli.asking import Asking, asking, not_configured
from ops.cli.options import Acting, acting, reading
from ops.cli.output import print_fields, print_json, print_list
from ops.cli.reach import desk_of
from ops.configured import enabled
from ops.reports.cells import column

BANKS: Final = (column("id"), column("bank_name", "bank"), column("last4", "last digits"), column("active"))
LEAVING: Final = (column("flow"), column("state"))
_CUSTOMER: Final = click.option("--customer", required=True, help="The customer here.")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
_WAIT: Final = click.option(
    "--wait", type=click.IntRange(0, 3600), default=60, show_default=True, help="Seconds to wait for the outcome."
)


@click.group()
def bridge() -> None:
    """Customers at Bridge: identity checks, virtual accounts, banks."""


@bridge.command("kyc-link")
@_CUSTOMER
@click.option("--email", required=True, help="Where Bridge may write to them; kept until the link is made.")
@click.option("--name", required=True, help="Their full name; kept until the link is made.")
@_WAIT
@_JSON
@acting
def kyc_link(
    customer: str, email: str, name: str, wait: int, as_json: bool, yes: bool, by: str, instance: str | None
) -> None:
    """Begin a customer's identity check and show the pages it goes on; again, it shows the same ones."""
    with _at(instance, by=by, wait=wait) as (at, _):
        Acting(yes, by).confirm(f"Bridge will be asked for an identity check of customer {customer}.")
        papers = at.kyc_link(customer, full_name=name, email=email)
    _print({"customer": customer, **asdict(papers)}, as_json=as_json)


@bridge.command("kyc-status")
@_CUSTOMER
@reading
def kyc_status(customer: str, as_json: bool, instance: str | None) -> None:
    """Show how a customer stands at Bridge now."""
    with _at(instance, by="reading") as (at, _):
        standing = at.kyc_status(customer)
    _print({"customer": customer, **asdict(standing)}, as_json=as_json)


@bridge.command("virtual-account")
@_CUSTOMER
@_WAIT
@_JSON
@acting
def virtual_account(customer: str, wait: int, as_json: bool, yes: bool, by: str, instance: str | None) -> None:
    """Show where a customer pays in, as Bridge shows it now; open the virtual account if there is none."""
    with _at(instance, by=by, wait=wait) as (at, asked):
        Acting(yes, by).confirm(f"Customer {customer} will have a virtual account at Bridge.")
        network, fee = asked.settings.ibex.network, format(asked.settings.bridge.developer_fee_percent, "f")
        account = at.virtual_account(customer, network=network, fee_percent=fee)
    shown = asdict(account) | {"customer": customer, "instructions": dict(account.instructions)}
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name != "instructions"})
    click.echo("\nDeposit instructions")
    print_fields(shown["instructions"] or {"none": "ask Bridge"})


@bridge.command("link-bank")
@_CUSTOMER
@_JSON
@acting
def link_bank(customer: str, as_json: bool, yes: bool, by: str, instance: str | None) -> None:
    """Give the hosted page on which a customer links a bank of theirs; it is good for hours."""
    with _at(instance, by=by) as (at, _):
        Acting(yes, by).confirm(f"Bridge will be asked to link a bank of customer {customer}.")
        linking = at.link_bank(customer)
    _print({"customer": customer, **asdict(linking)}, as_json=as_json)


@bridge.command("external-accounts")
@_CUSTOMER
@reading
def external_accounts(customer: str, as_json: bool, instance: str | None) -> None:
    """List the banks a customer has linked, as Bridge shows them now, and keep them as links."""
    with _at(instance, by="reading") as (at, _):
        banks = at.external_accounts(customer)
    print_list([asdict(one) for one in banks], BANKS, as_json=as_json, what="banks")


@bridge.command()
@_CUSTOMER
@_JSON
@acting
def leave(customer: str, as_json: bool, yes: bool, by: str, instance: str | None) -> None:
    """Let a customer go: what is under way finishes, then their virtual account is switched off."""
    with _at(instance, by=by) as (at, _):
        Acting(yes, by).confirm(f"The virtual account of customer {customer} will be switched off.")
        begun = at.leave(customer)
    print_list(
        [{"flow": one.id, "state": one.state} for one in begun], LEAVING, as_json=as_json, what="open virtual accounts"
    )


@contextmanager
def _at(instance: str | None, *, by: str, wait: int = 0) -> Iterator[tuple[BridgeDesk, Asking]]:
    """Where these commands act, and whom they ask."""
    with asking(instance) as asked, desk_of(instance, by=by) as desk:
        connected = asked.providers.connected.get("bridge")
        if connected is None:
            raise not_configured("bridge")
        waiting = Waiting(begin=asked.begin, patience=timedelta(seconds=wait))
        yield (
            BridgeDesk(desk=desk, bridge=connected.port, enabled=enabled(asked.settings), waiting=waiting),
            asked,
        )


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        print_fields(shown)
