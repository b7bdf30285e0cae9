"""A virtual account in `legacy_offramp`: money that arrived stays as it is until we ask Due to convert it.

Asking twice would convert twice: the call takes neither a key nor a reference of ours, and its event has no id. So it
is asked for one deposit of an amount at a time, and only after a look at what Due is converting already.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import NeedsPerson, ProviderRejected
from funding.money import Money
from funding.outcomes import Advance, Outcome, Snooze
from funding.ports.due import OffRampOrder, Transfer
from funding.snapshot import Reference, Snapshot

MODE: Final = "legacy_offramp"
SECOND_DEPOSIT: Final = "possible_second_deposit"
ANOTHER: Final = "another"  # what a person says of a possible second deposit: money of its own,
RESEND: Final = "resend"  # or the one that is known already
JUDGED: Final = "judged"  # where a flow's data keeps what was said
NOT_THERE_YET: Final = "err_insufficient_balance"  # Due's code: what the event tells of is not booked
PATIENCE: Final = 5  # readings, a minute in all, before that is believed
LOOK_BACK: Final = timedelta(days=7)
OF_THIS_EVENT: Final = timedelta(hours=1)  # a transfer made so long before its event may be its own


def is_waiting(flow: Snapshot) -> bool:
    """Whether its money waits for our call: nothing of Due's is known to convert it."""
    return flow.data.get("mode") == MODE and flow.reference("due", "transfer") is None


def start_off_ramp(flow: Snapshot, call: Call, *, to: str) -> Outcome:
    """Have Due convert what its event told of, once: the transfer it makes is the deposit from then on."""
    account, amount = _account(flow), _amount(flow)
    if call.others.one_before("due", "transfer", alike="virtual_account"):
        # Its transfer, should it exist already, could not be told from ours.
        waits = "an older deposit of the same amount on this virtual account is being converted first"
        return Snooze(wait=freshness_wait(flow.snoozes), reason=waits)
    order = OffRampOrder(virtual_account=flow.data["virtual_account"], amount=amount, asset_out=flow.data["asset_out"])
    try:
        transfer = call.create(
            "off_ramp",
            provider="due",
            request=call.due.off_ramp_request(order),
            send=lambda request, _key: call.due.create_off_ramp(request, account=account),
            look_up=lambda: _converting(flow, call, order, account),
            always_look=True,
        )
    except ProviderRejected as refusal:
        if refusal.code == NOT_THERE_YET and min(flow.snoozes, _asked_before(flow)) < PATIENCE:
            return Snooze(wait=freshness_wait(flow.snoozes), reason="Due does not have the money yet")
        raise
    return Advance(to=to, references=(Reference("due", "transfer", transfer),), data={"account": account})


def _asked_before(flow: Snapshot) -> int:
    """How often Due was asked already: of its waits a deposit may have spent most on an older one."""
    made = flow.intention("off_ramp")
    return 0 if made is None else made.generation + 1


def _converting(flow: Snapshot, call: Call, order: OffRampOrder, account: str) -> Sequence[str]:
    """The transfer that converts this deposit already, if there is one. Raises: NeedsPerson: perhaps, who knows.

    It is one of the same account and amount that no other flow has. Made long before the event came, it may be of a
    deposit that nobody here remembers: commits are lost, or somebody else had it converted.
    """
    shown = call.due.find_transfers(
        account=account, virtual_account=order.virtual_account, since=flow.created_at - LOOK_BACK
    )
    equal = [transfer for transfer in shown if transfer.source == order.amount]
    owned = call.others.owned("due", "transfer", [transfer.id for transfer in equal])
    free = [transfer for transfer in equal if transfer.id not in owned]
    recent = [transfer.id for transfer in free if transfer.created_at >= flow.created_at - OF_THIS_EVENT]
    if recent:
        return recent
    said = flow.data.get(JUDGED)
    if said == RESEND and free:
        return [free[0].id]
    if said == RESEND or (free and said != ANOTHER):
        raise _possible_second(order.amount, free)
    return []


def _possible_second(amount: Money, free: Sequence[Transfer]) -> NeedsPerson:
    found = ", ".join(f"{transfer.id} of {transfer.created_at:%Y-%m-%d %H:%M} UTC" for transfer in free)
    return NeedsPerson(
        f"Due converted {amount} on this virtual account before its event came ({found or 'gone by now'}), and no "
        "deposit here has that transfer. Say whether this is the same money or more of it.",
        break_type=SECOND_DEPOSIT,
        ours=f"a deposit of {amount}",
        theirs=found or "no such transfer any more",
        suggested_action="rampkeeper reconcile resolve BREAK --as resend: it is that transfer; --as another: it is not",
    )


def _account(flow: Snapshot) -> str:
    """The Due account of the virtual account, as its link says now."""
    named = flow.data["virtual_account"]
    attributes = next((link.attributes for link in flow.links if (link.provider, link.id) == ("due", named)), {})
    account = attributes.get("account") or flow.data.get("account")
    if not account:
        raise NeedsPerson(
            f"The link of the virtual account {named} does not say which account of Due it belongs to.",
            suggested_action="add the link again with the attribute account, then replay",
        )
    return str(account)


def _amount(flow: Snapshot) -> Money:
    if flow.amount is None or flow.amount.minor <= 0:
        raise NeedsPerson("its amount here was damaged", suggested_action="compare the flow with its event")
    return flow.amount
