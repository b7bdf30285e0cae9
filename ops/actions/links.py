"""What a new link sets going: flows that waited for it get their owner, and leave their parking."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from db import breaks, customers, dead_letters, flows, replay
from db.customers import Key
from db.flows import Due
from funding.flows.due_deposit import State, due_deposit
from ops.actions.desk import Sheet

DUE_LINK: Final = ("due", "virtual_account")
BROKERAGE_LINK: Final = ("alpaca", "brokerage_account")

# What a flow parks with for want of the link: the error of its letter (None: a person is asked), the type of its break.
Cause = tuple[str | None, str]
OWNERLESS: Final[Cause] = ("unknown_virtual_account", "unmatched_event")
ACCOUNTLESS: Final[Cause] = (None, "missing_here")


def resume_linked(sheet: Sheet, added: Iterable[Key], owner_of: dict[Key, str]) -> list[UUID]:
    """Resume what waited for the links just added; the flows that go on now, in id order.

    Locks those flows in id order, after the links.
    """
    keys = list(added)
    accounts = [external_id for provider, kind, external_id in keys if (provider, kind) == DUE_LINK]
    owned = customers.give_owner(sheet.connection, accounts, kind=due_deposit.name) if accounts else []
    going = resume(sheet, owned, OWNERLESS)

    reached = {owner_of[key] for key in keys if key[:2] == BROKERAGE_LINK}
    # Where there was an account before, nothing waited for this one.
    reached = customers.having_one(sheet.connection, reached, *BROKERAGE_LINK) if reached else reached
    if reached:
        waiting = replay.lock_flows_of(
            sheet.connection, sorted(reached), kind=due_deposit.name, state=State.OFF_RAMP_COMPLETED.value
        )
        going += resume(sheet, [flow for flow in waiting if flow not in owned], ACCOUNTLESS)
    return sorted(going)


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
        breaks.close_breaks_of_flow(sheet.connection, flow, note="the link was added")
    due += flows.wake(sheet.connection, [flow for flow in waiting if flow not in parked])
    sheet.due += due
    return [flow for flow, _, _ in due]
