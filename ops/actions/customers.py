"""Customers and their links, added by people: one, or a whole file or nothing of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from db import customers
from db.customers import Key, NewLink
from ops.actions.customer_file import BadLines, CustomerFile
from ops.actions.desk import Desk, Refused, Sheet
from ops.actions.link_kinds import fault_of_id, fault_of_link
from ops.actions.links import resume_linked, resume_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many rows it took. Done again, all but the first two are zero."""

    customers: int
    links: int
    customers_changed: int
    links_added: int
    links_changed: int
    flows_resumed: tuple[UUID, ...]


def import_customers(desk: Desk, file: CustomerFile) -> Imported:
    """Write all that a file says, or nothing; importing it again changes nothing.

    A link that is there gets the file's attributes. Flows that waited for a new link or customer go on.
    Raises: BadLines: naming each link that another customer has.
    """
    with desk.sheet() as sheet:
        imported = _write(sheet, file.levels, file.links, file.line_of)
        sheet.note(
            "customers.import",
            f"{imported.customers} customers",
            customers_changed=imported.customers_changed,
            links_added=imported.links_added,
            links_changed=imported.links_changed,
            flows_resumed=[str(flow) for flow in imported.flows_resumed],
        )
        return imported


def add_customer(desk: Desk, customer: str, *, level: int | None, links: list[NewLink]) -> Imported:
    """Add one customer, or links to one that is there. Flows that waited for a new link or customer go on.

    Raises: Refused.
    """
    fault = fault_of_id("customer", customer)
    if fault:
        raise Refused(fault)
    for link in links:
        if fault := fault_of_link(link.provider, link.kind, link.external_id, link.attributes):
            raise Refused(f"link {link.provider}:{link.kind}: {fault}")
    by_key = {link.key: link for link in links}
    with desk.sheet() as sheet:
        imported = _write(sheet, {customer: level}, by_key, {})
        sheet.note(
            "customers.add",
            customer,
            level=level,
            links=[":".join(key) for key in by_key],
            flows_resumed=[str(flow) for flow in imported.flows_resumed],
        )
        return imported


def set_level(desk: Desk, customer: str, level: int) -> int:
    """Set a customer's level; the level before. Flows under way finish whatever it is. Raises: Refused."""
    with desk.sheet() as sheet:
        known = customers.lock_customers(sheet.connection, [customer])
        if customer not in known:
            raise Refused(f"there is no customer {customer!r}: add it with `rampkeeper customers add`")
        customers.put_customers(sheet.connection, {customer: level})
        sheet.note("customers.set_level", customer, before=known[customer], after=level)
        return known[customer]


def _write(
    sheet: Sheet, levels: Mapping[str, int | None], links: Mapping[Key, NewLink], line_of: Mapping[Key, int]
) -> Imported:
    changed = customers.put_customers(sheet.connection, levels)
    added, altered = customers.put_links(sheet.connection, list(links.values()))
    owner_of = customers.links_of(sheet.connection, list(links))
    taken = [key for key, link in links.items() if owner_of[key] != link.customer]
    if taken:
        faults = sorted((line_of.get(key, 0), f"{key[0]} {key[1]} belongs to another customer") for key in taken)
        if line_of:
            raise BadLines(faults)
        raise Refused("; ".join(f"link {reason}" for _, reason in faults) + ". Nothing was added.")
    return Imported(
        customers=len(levels),
        links=len(links),
        customers_changed=changed,
        links_added=len(added),
        links_changed=len(altered),
        flows_resumed=(*resume_named(sheet, levels), *resume_linked(sheet, added, owner_of)),
    )
