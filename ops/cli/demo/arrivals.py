"""Money sets out: what providers are told by their customers, one after another; the rest is left to wishes."""

from collections.abc import Sequence
from typing import Any, Final

from funding.flows.bridge_on_ramp import bridge_on_ramp
from funding.flows.bridge_withdrawal import bridge_withdrawal
from funding.flows.due_deposit import due_deposit
from ops.cli.demo.cast import Depositor, Holder
from ops.cli.demo.orders import Fate, Order
from ops.cli.demo.story import Story
from ops.cli.demo.wishes import BUYERS, Wishes
from ops.cli.system import System

GAP_S: Final = 0.75  # between two of them
DUE_PAID: Final = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")
DUE_GIVEN_BACK: Final = ("funds_received", "manual_review", "refund_submitted", "refund_processed")
BRIDGE_PATHS: Final = {
    Fate.REVIEWED: ("funds_received", "in_review", "payment_submitted", "payment_processed"),
    Fate.REFUNDED: ("funds_received", "in_review", "refunded"),
}
BRIDGE_PAID: Final = ("funds_received", "payment_submitted", "payment_processed")
AT_THE_ONRAMP: Final = frozenset({Fate.BOUGHT, Fate.REJECTED})


def send(system: System, story: Story, wishes: Wishes, wanted: Sequence[Order]) -> None:
    """Send them one after another, as they would come. Raises: Stopped."""
    for order in wanted:
        _send(system, story, wishes, order)
        story.pause(GAP_S)


def _send(system: System, story: Story, wishes: Wishes, order: Order) -> None:
    person = order.person
    match order.kind, person:
        case due_deposit.name, Depositor():
            story.arrives(system.control("POST", "due/deposits", _at_due(order, person))["id"])
        case bridge_on_ramp.name, Holder():
            deposit = system.control("POST", "bridge/deposits", _at_bridge(order, person))["deposit_id"]
            story.arrives(deposit)
            if order.fate is Fate.MISPLACED:
                wishes.take(order, lambda one, holder: wishes.recover(one, holder, deposit), lane="desk")
        case bridge_withdrawal.name, _:
            wishes.take(order, wishes.withdraw, lane=person.name)
        case _:
            act = wishes.buy if order.fate in AT_THE_ONRAMP else wishes.pay
            wishes.take(order, act, lane="buyers", at_once=BUYERS)


def _at_due(order: Order, person: Depositor) -> dict[str, Any]:
    return {
        "virtual_account_id": person.virtual_account,
        "amount": order.amount,
        "path": DUE_GIVEN_BACK if order.fate is Fate.RETURNED else DUE_PAID,
        "step_seconds": order.step_seconds,
        "expects_account": person.brokerage_account,
    }


def _at_bridge(order: Order, person: Holder) -> dict[str, Any]:
    return {
        "virtual_account_id": person.virtual_account,
        "amount": order.amount,
        "path": BRIDGE_PATHS.get(order.fate, BRIDGE_PAID),
        "step_seconds": order.step_seconds,
    }
