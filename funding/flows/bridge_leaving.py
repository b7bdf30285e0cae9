"""A customer leaves: what is under way finishes, then their virtual account is switched off."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from funding.calls import Call
from funding.errors import NeedsPerson
from funding.flow import Flow
from funding.outcomes import Advance, Outcome, Snooze
from funding.ports.bridge_customers import VirtualAccount
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where the leaving is."""

    LEAVING = "leaving"  # other flows of the customer go first
    LEFT = "left"  # closed: what is paid in now is sent back


FIRST: Final = ("bridge_on_ramp", "bridge_withdrawal", "bridge_virtual_account")  # flows that must be over

bridge_leaving = Flow(
    "bridge_leaving",
    start=State.LEAVING,
    noun="leaving",
    open=(State.LEAVING,),
    closed=(State.LEFT,),
    way=(State.LEAVING, State.LEFT),
    limits={State.LEAVING: timedelta(days=14)},
)


@bridge_leaving.step(on=(State.LEAVING,), may_reach=(State.LEFT,), provider="bridge", creates=True)
def deactivate(flow: Snapshot, call: Call) -> Outcome:
    """Switch the virtual account off, once nothing of the customer's is under way."""
    customer, account = _text(flow, "customer"), _text(flow, "virtual_account")
    if call.others.under_way(FIRST):
        return Snooze(wait=call.backstop, reason="waiting for what is under way")

    def off() -> Sequence[VirtualAccount]:
        shown = call.bridge.get_virtual_account(customer, account)
        return () if shown.active else (shown,)

    call.create(
        "deactivation",
        provider="bridge",
        request="{}",
        send=lambda _, key: call.bridge.deactivate_virtual_account(customer, account, key=key),
        look_up=off,
        always_look=True,  # somebody may have done so at Bridge, and twice is refused
    )
    return Advance(to=State.LEFT, references=(Reference("bridge", "leaving", account),))


def _text(flow: Snapshot, name: str) -> str:
    found = flow.data.get(name)
    if not isinstance(found, str) or not found:
        raise NeedsPerson(f"{name}: its records here were damaged", suggested_action="abandon it and begin again")
    return found
