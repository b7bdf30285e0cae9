"""A virtual account for a customer: dollars that come to it are sent on, as tokens, to their address at IBEX.

Read from top to bottom. Two calls make something: the address, then the account. Without an address there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from funding.backoff import HOUR, freshness_wait
from funding.calls import Call
from funding.chain_addresses import is_address, normal
from funding.errors import NeedsPerson, ProviderRejected
from funding.flow import Flow
from funding.flows.bridge_standing import refusal_of_standing
from funding.outcomes import Advance, BreakFound, LinkMade, Outcome, Snooze, WatchEnded
from funding.ports.bridge_customers import VirtualAccount, VirtualAccountOrder
from funding.ports.ibex_addresses import ReceiveAddress
from funding.refusals import ApiError, CustomerSuspended, KycPending, Refusal
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where the opening is."""

    REQUESTED = "requested"  # asked for here; there may be no address yet
    ADDRESS_MADE = "address_made"  # IBEX receives on it; Bridge has not been asked
    OPENED = "opened"  # resting: the customer can pay in
    FAILED = "failed"  # closed: no virtual account


ADDRESS_TRIES: Final = 3
WATCH_FIRST: Final = timedelta(hours=1)
WATCH_CEILING: Final = timedelta(days=7)
# Bridge's own reasons against a customer, where it decided after we had looked.
_REFUSALS: Final[dict[str | None, type[Refusal]]] = {
    "frozen": CustomerSuspended,
    "has_not_accepted_tos": KycPending,
    "requires_active_kyc_status": KycPending,
}

bridge_virtual_account = Flow(
    "bridge_virtual_account",
    start=State.REQUESTED,
    noun="virtual_account",
    open=(State.REQUESTED, State.ADDRESS_MADE),
    resting={State.OPENED: timedelta(days=36_500)},
    closed=(State.FAILED,),
    limits={State.REQUESTED: timedelta(hours=1), State.ADDRESS_MADE: timedelta(hours=1)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the flow was begun with."""

    account: str  # of IBEX
    customer: str  # of Bridge
    asset: str
    network: str
    fee_percent: str


@bridge_virtual_account.step(
    on=(State.REQUESTED,), may_reach=(State.ADDRESS_MADE, State.FAILED), provider="ibex", creates=True
)
def make_address(flow: Snapshot, call: Call) -> Outcome:
    """Find the address that the customer receives on, or have IBEX make one; a bad one is never used."""
    wanted = _wanted(flow)
    refusal = refusal_of_standing(call.bridge.get_customer(wanted.customer))
    if refusal is not None:
        return _refused(type(refusal), refusal.detail or refusal.text)
    known = _address_known(flow, wanted)
    if known is not None:
        return Advance(to=State.ADDRESS_MADE, data={"address": known})
    network = call.ibex.receive_network(wanted.asset, wanted.network)
    if network is None:
        raise NeedsPerson(
            f"IBEX does not receive {wanted.asset} on {wanted.network}.",
            suggested_action="set IBEX_NETWORK to a chain that IBEX offers, or ask IBEX; then replay",
        )
    failed = int(flow.data.get("addresses_failed", 0))
    name = f"{flow.id}.{failed}" if failed else str(flow.id)
    try:
        made = call.create(
            f"address_{failed}",
            provider="ibex",
            request=call.ibex.address_request(wanted.account, network=network, name=name),
            send=lambda request, _: call.ibex.make_address(request),
            look_up=lambda: _made_before(flow, call, wanted, name),
        )
    except ProviderRejected as refused:
        return _without_address(failed + 1, f"IBEX refused to make an address: {refused.code or refused.status}")
    if not is_address(wanted.network, made.address):
        return _without_address(failed + 1, f"IBEX made what is no address of {wanted.network}")
    address = normal(wanted.network, made.address)
    attributes = {"network": wanted.network, "asset": wanted.asset}
    return Advance(
        to=State.ADDRESS_MADE,
        links=(LinkMade(provider="ibex", kind="address", id=address, attributes=attributes),),
        data={"address": address},
    )


@bridge_virtual_account.step(
    on=(State.ADDRESS_MADE,), may_reach=(State.OPENED, State.FAILED), provider="bridge", creates=True
)
def open_account(flow: Snapshot, call: Call) -> Outcome:
    """Have Bridge open the account that sends on to the address, with our fee."""
    wanted, address = _wanted(flow), _text(flow, "address")
    if not any((link.provider, link.kind, link.id) == ("ibex", "address", address) for link in flow.links):
        raise NeedsPerson(
            "The address belongs to another customer here: what comes to it would be theirs.",
            break_type="duplicate",
            ours="another customer's",
            theirs="an address of this customer's account",
            suggested_action="find out whose address it is, and mend the links",
        )
    order = VirtualAccountOrder(
        customer=wanted.customer,
        address=address,
        network=wanted.network,
        asset=wanted.asset,
        fee_percent=wanted.fee_percent,
    )
    try:
        account = call.create(
            "virtual_account",
            provider="bridge",
            request=call.bridge.virtual_account_request(order),
            send=lambda request, key: call.bridge.create_virtual_account(request, customer=wanted.customer, key=key),
            look_up=lambda: call.bridge.find_virtual_accounts(wanted.customer, address=address),
        )
    except ProviderRejected as refusal:
        why = f"Bridge refused the virtual account: {refusal.code or refusal.status}"
        return _refused(_REFUSALS.get(refusal.code, ApiError), why)
    _same_account(account, order)
    return Advance(
        to=State.OPENED,
        references=(Reference("bridge", "virtual_account", account.id),),
        links=(LinkMade(provider="bridge", kind="virtual_account", id=account.id),),
        due_in=HOUR,
    )


@bridge_virtual_account.step(on=(State.OPENED,), may_reach=(State.OPENED,), provider="bridge")
def watch_account(flow: Snapshot, call: Call) -> Outcome:
    """Notice an account that Bridge has switched off, or that sends on to another address."""
    wanted, account = _wanted(flow), flow.reference("bridge", "virtual_account")
    if account is None or (flow.watch_until is not None and flow.now >= flow.watch_until):
        return WatchEnded()
    shown = call.bridge.get_virtual_account(wanted.customer, account)
    if not shown.active and call.others.owned("bridge", "leaving", [account]):
        return WatchEnded()  # the customer has left
    return Snooze(
        wait=min(WATCH_FIRST * (1 << min(flow.snoozes, 10)), WATCH_CEILING),
        reason="open" if shown.active else "switched off at Bridge",
        breaks=_changed(flow, wanted, shown),
    )


def _address_known(flow: Snapshot, wanted: _Wanted) -> str | None:
    """The address that the customer receives this asset on already, in its one way to be written."""
    sought = {"network": wanted.network, "asset": wanted.asset}
    receiving = (
        link.id
        for link in flow.links
        if (link.provider, link.kind) == ("ibex", "address") and sought.items() <= link.attributes.items()
    )
    usable = (one for one in receiving if is_address(wanted.network, one) and normal(wanted.network, one) == one)
    return next(usable, None)


def _made_before(flow: Snapshot, call: Call, wanted: _Wanted, name: str) -> Sequence[ReceiveAddress]:
    """The address that an earlier call has made: by its name, or where IBEX shows no names, one that nobody uses.

    It is of the customer's own account, whoever had it made: taking it up is no mistake.
    """
    shown = call.ibex.list_addresses(wanted.account)
    named = [one for one in shown if one.name == name]
    used = {link.id for link in flow.links if (link.provider, link.kind) == ("ibex", "address")}
    free = [
        one
        for one in shown
        if one.name is None
        and (one.network is None or one.network.casefold() == wanted.network)
        and is_address(wanted.network, one.address)
        and normal(wanted.network, one.address) not in used
    ]
    return (named or free)[-1:]


def _without_address(failed: int, why: str) -> Outcome:
    """Another try, or after so many of them no virtual account at all."""
    if failed >= ADDRESS_TRIES:
        return _refused(ApiError, f"{why}; tried {failed} times")
    return Snooze(wait=freshness_wait(failed), reason=why, data={"addresses_failed": failed})


def _refused(kind: type[Refusal], why: str) -> Advance:
    return Advance(to=State.FAILED, reason=why, data={"refused": kind.code})


def _same_account(account: VirtualAccount, order: VirtualAccountOrder) -> None:
    """Bridge must answer with what was ordered: anything else would send money elsewhere. Raises: NeedsPerson."""
    percent = account.fee_percent is None or Decimal(account.fee_percent) == Decimal(order.fee_percent)
    to = (account.customer, account.network, account.asset)
    if (
        percent
        and to == (order.customer, order.network, order.asset)
        and is_address(order.network, account.address)
        and normal(order.network, account.address) == order.address
    ):
        return
    raise NeedsPerson(
        "Bridge opened another virtual account than was ordered: its customer, its fee or where it sends to.",
        blame="provider",
        break_type="state_differs",
        ours="what was ordered",
        theirs=f"virtual account {account.id}",
        suggested_action="have it deactivated at Bridge, then replay",
    )


def _changed(flow: Snapshot, wanted: _Wanted, shown: VirtualAccount) -> tuple[BreakFound, ...]:
    """An account that is not any more as we opened it."""
    moved = not is_address(wanted.network, shown.address) or (
        normal(wanted.network, shown.address) != _text(flow, "address")
    )
    if shown.active and not moved:
        return ()
    return (
        BreakFound(
            provider="bridge",
            type="state_differs",
            subject=f"virtual_account {shown.id}",
            ours="open, sending on to the customer's address",
            theirs="sends on to another address" if moved else "switched off",
            suggested_action="ask Bridge who changed it, before the customer pays in again",
        ),
    )


def _wanted(flow: Snapshot) -> _Wanted:
    return _Wanted(**{name: _text(flow, name) for name in _Wanted.__slots__})


def _text(flow: Snapshot, name: str) -> str:
    found = flow.data.get(name)
    if not isinstance(found, str) or not found:
        raise NeedsPerson(f"{name}: its records here were damaged", suggested_action="abandon it and begin again")
    return found
