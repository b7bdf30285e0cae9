"""`rampkeeper customers`: customers and their links."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from pathlib import Path

import click

from db import customers as rows_of
from db.customers import NewLink
from ops.actions import customers as actions
from ops.actions.customer_file import read_attributes, read_customers
from ops.actions.customers import Imported
from ops.actions.desk import Refused
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_fields, print_json, print_list, print_part
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import Column, column, to_json

COLUMNS = (
    column("customer"),
    column("level", right=True),
    Column(
        "links",
        lambda row: ", ".join(f"{link['provider']}:{link['kind']}:{link['external_id']}" for link in row["links"]),
    ),
    column("created_at", "created"),
)
LINKS = (column("provider"), column("kind"), column("external_id", "id there"), column("attributes"))


@click.group()
def customers() -> None:
    """Customers and their links."""


@customers.command()
@click.argument("customer")
@click.option("--level", type=click.IntRange(0, 1_000_000), help="What they may do; a new customer's is 0.")
@click.option(
    "--link", "links", multiple=True, metavar="PROVIDER:KIND:ID[:JSON]", help="Such as due:virtual_account:va_1."
)
@acting
def add(customer: str, level: int | None, links: tuple[str, ...], yes: bool, by: str, instance: str | None) -> None:
    """Add a customer, or links to one. Deposits that waited for a link go on."""
    read = [_link(customer, text) for text in links]
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"Customer {customer} will be added with {len(read)} links.")
        done = actions.add_customer(desk, customer, level=level, links=read)
    click.echo(_told(done))


@customers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@acting
def import_(file: Path, yes: bool, by: str, instance: str | None) -> None:
    """Import a CSV: the whole file or nothing, every bad line named. Importing it again changes nothing.

    Its header is customer,level,provider,kind,external_id,attributes; one link a line, attributes a JSON object.
    """
    with file.open("rb") as raw:
        read = read_customers(line.decode() for line in raw)
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"{len(read.levels)} customers with {len(read.links)} links will be imported.")
        done = actions.import_customers(desk, read)
    click.echo(_told(done))


@customers.command("set-level")
@click.argument("customer")
@click.option("--level", type=click.IntRange(0, 1_000_000), required=True)
@acting
def set_level(customer: str, level: int, yes: bool, by: str, instance: str | None) -> None:
    """Set a customer's level. Flows under way finish whatever it is."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"Customer {customer} will have level {level}.")
        before = actions.set_level(desk, customer, level)
    click.echo(f"customer {customer} has level {level}; it was {before}")


@customers.command("list")
@listing
@click.option("--level", type=int, help="Only customers of that level.")
def list_(
    as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, level: int | None
) -> None:
    """List customers, the newest first."""
    with reading_from(instance) as connection:
        rows = rows_of.list_customers(connection, limit=limit + 1, since=resolve(connection, since), level=level)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="customers")


@customers.command()
@click.argument("customer")
@reading
def show(customer: str, as_json: bool, instance: str | None) -> None:
    """Show a customer and their links."""
    with reading_from(instance) as connection:
        shown = rows_of.show_customer(connection, customer)
    if shown is None:
        raise Refused(f"there is no customer {customer!r}")
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name != "links"})
    print_part(
        "Links", [{**link, "attributes": to_json(link["attributes"], indent=None)} for link in shown["links"]], LINKS
    )


def _link(customer: str, text: str) -> NewLink:
    """The link that `provider:kind:id[:json]` says; an id holds no colon."""
    parts = text.split(":", 3)
    if len(parts) < 3:  # noqa: PLR2004 -- provider, kind and id
        raise click.UsageError("--link must be provider:kind:id or provider:kind:id:{json}")
    attributes = read_attributes(parts[3] if len(parts) > 3 else "")  # noqa: PLR2004 -- the same
    if isinstance(attributes, str):
        raise click.UsageError(f"--link {':'.join(parts[:3])}: {attributes}")
    return NewLink(customer=customer, provider=parts[0], kind=parts[1], external_id=parts[2], attributes=attributes)


def _told(done: Imported) -> str:
    customers_line = f"{done.customers} customers ({done.customers_changed} new or changed)"
    links_line = f"{done.links} links ({done.links_added} new, {done.links_changed} changed)"
    going = ", ".join(map(str, done.flows_resumed))
    resumed = f"\n{len(done.flows_resumed)} flows that waited go on: {going}" if going else ""
    return f"{customers_line}, {links_line}{resumed}"
