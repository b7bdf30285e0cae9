"""What a new link or customer sets going: flows that waited for it get their owner, and leave their parking."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from db import breaks, customers, dead_letters, flows, replay
from db.customers import Key
from db.flows import Due
from funding.flows import bridge_on_ramp, due_deposit, stripe_top_up
from ops.actions.desk import Sheet

LinkKind = tuple[str, str]  # provider and kind of a link
# Which flows wait for the owner of the account that money came to.
OWNED_BY: Final[Mapping[LinkKind, str]] = {
    ("due", "virtual_account"): due_deposit.due_deposit.name,
    ("bridge", "virtual_account"): bridge_on_ramp.bridge_on_ramp.name,
}
# Which flows wait, in which state, until their customer has the account that their money goes to.
GOES_TO: Final[Mapping[LinkKind, tuple[str, str]]] = {
    ("alpaca", "brokerage_account"): (due_deposit.due_deposit.name, due_deposit.State.OFF_RAMP_COMPLETED.value),
    ("ibex", "account"): (bridge_on_ramp.bridge_on_ramp.name, bridge_on_ramp.State.SENT_ON_CHAIN.value),
}

# What a flow parks with for want of the link: the error of its letter (None: a person is asked), the type of its break.
Cause = tuple[str | None, str]
OWNERLESS: Final[Cause] = ("unknown_virtual_account", "unmatched_event")
ACCOUNTLESS: Final[Cause] = (None, "missing_here")


def resume_linked(sheet: Sheet, added: Iterable[Key], owner_of: dict[Key, str]) -> list[UUID]:
    """Resume what waited for the links just added; the flows that go on now, in id order.

    Locks those flows in id order, after the links.
    """
    keys = list(added)
    ownerless = [(key[0], OWNED_BY[key[:2]], key[2]) for key in keys if key[:2] in OWNED_BY]
    owned = customers.give_owner(sheet.connection, ownerless) if ownerless else []
    going = resume(sheet, owned, OWNERLESS)

    accountless = [
        (customer, *waits)
        for link, waits in GOES_TO.items()
        for customer in _first_of(sheet, {owner_of[key] for key in keys if key[:2] == link}, link)
    ]
    if accountless:
        waiting = replay.lock_flows_of(sheet.connection, accountless)
        going += resume(sheet, [flow for flow in waiting if flow not in owned], ACCOUNTLESS)
    return sorted(going)


def _first_of(sheet: Sheet, owners: set[str], link: LinkKind) -> list[str]:
    """Those whose first link of that kind this is: where there was one before, nothing waited for it."""
    return sorted(customers.having_one(sheet.connection, owners, *link)) if owners else []


def resume_named(sheet: Sheet, added: Collection[str]) -> list[UUID]:
    """Resume the payments whose payers named a customer just added; the flows that go on now, in id order.

    Locks those flows in id order, after the customers.
    """
    owned = customers.give_named(sheet.connection, stripe_top_up.stripe_top_up.name, added)
    return sorted(resume(sheet, owned, OWNERLESS))


def resume(sheet: Sheet, waiting: Sequence[UUID], cause: Cause) -> list[UUID]:
    """Let flows go on whose missing link is there now; those that do. They are locked already.

    Those parked for want of it leave their parking, the rest look again at once.
    """
    if not waiting:
        return []
    error, break_type = cause
    parked = replay.parked_for(sheet.connection, waiting, error=error, break_type=break_type)
    replay.unclaim(sheet.connection, waiting)  # a step under way does not know the link
    due: list[Due] = replay.unpark(sheet.connection, parked)
    for flow in parked:
        dead_letters.resolve(sheet.connection, flow, by="link")
        breaks.close_breaks_of_flow(sheet.connection, flow, note="what was missing here was added")
    due += flows.wake(sheet.connection, [flow for flow in waiting if flow not in parked])
    sheet.due += due
    return [flow for flow, _, _ in due]
