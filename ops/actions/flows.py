"""Flows woken by hand, and given to the customer whose money they are."""

from uuid import UUID

from db import customers, flows, ledger_reports, listings
from funding.money import Money
from ops.actions.desk import Desk, Refused
from ops.actions.links import OWNERLESS, resume


def wake_flow(desk: Desk, flow: UUID) -> str:
    """Make a flow due now; its state. A parked one only listens: its step reads, and creates nothing.

    Raises: Refused: it is closed, or there is none.
    """
    with desk.sheet() as sheet:
        due = flows.wake(sheet.connection, [flow])
        if not due:
            raise Refused(f"flow {flow} cannot be woken: it is closed, or there is none of that id")
        sheet.due += due
        sheet.note("flow.wake", str(flow), state=due[0][2])
        return due[0][2]


def move_suspense(desk: Desk, flow: UUID, customer: str, *, expected: Money | None = None) -> tuple[Money, ...]:
    """Give a deposit held in suspense to a customer: what will leave suspense when its next step runs.

    It does what adding the link of its virtual account would, for this one deposit.
    Raises: Refused: nothing of this flow is in suspense, another amount than `expected` is, or nobody is called so.
    """
    with desk.sheet() as sheet:
        if not customers.lock_customers(sheet.connection, [customer]):
            raise Refused(f"there is no customer {customer!r}: add it with `rampkeeper customers add`")
        status = flows.lock(sheet.connection, [flow]).get(flow)
        shown = listings.show_flow(sheet.connection, flow)
        if shown is None or status is None:
            raise Refused(f"there is no flow {flow}")
        held = tuple(Money(n, asset) for asset, n in ledger_reports.in_suspense(sheet.connection, flow).items())
        if shown["customer"] is not None or not held:
            owner = shown["customer"]
            raise Refused(
                f"flow {flow} is {f'of customer {owner!r}' if owner else 'without money in suspense'} already"
            )
        if status == "closed":
            raise Refused(f"flow {flow} is closed: its money in suspense is settled by hand")
        if expected is not None and expected not in held:
            raise Refused(f"flow {flow} has {', '.join(map(str, held))} in suspense, not {expected}")
        customers.set_owner(sheet.connection, flow, customer)
        resume(sheet, [flow], OWNERLESS)
        sheet.note("ledger.move_suspense", str(flow), customer=customer, amounts=[str(amount) for amount in held])
        return held
