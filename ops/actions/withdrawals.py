"""Withdrawals that customers ask for: the tokens are held and the flow begun in one transaction, or nothing is done.

And the end of a hold, where one was given up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection

from db import breaks, customers, flows, ledger, withdrawals
from db.withdrawals import Begun
from funding.chain_addresses import TRON, is_address
from funding.flow import CLOSED
from funding.flows.bridge_withdrawal import State, bridge_withdrawal
from funding.ids import flow_id
from funding.ledger import accounts
from funding.ledger import bridge_withdrawal as rules
from funding.money import Money
from funding.refusals import CustomerMissing, InsufficientFunds, WithdrawalInProgress
from ops.actions.desk import Desk, Refused
from ops.actions.operations import must_be_allowed

ASSET: Final = "USDT"  # what IBEX keeps for a customer whose address does not say otherwise
Link = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a customer wants. `amount` is text in whole tokens; `reference` names the wish itself, for this customer."""

    customer: str
    amount: str
    external_account: str
    reference: str | None = None


def create(desk: Desk, wanted: Wanted, *, enabled: bool) -> UUID:
    """Begin a withdrawal; the same flow again for the same reference. Whether Bridge lets it be is the flow's to ask.

    `enabled`: both providers take new operations. The balance is read under its lock, and held by the same transaction.
    Raises: ProviderDisabled, LevelTooLow, CustomerMissing, WithdrawalInProgress, InsufficientFunds; Refused: a bank
    account that is not theirs, or a reference that named another wish; NotMoney.
    """
    reference = wanted.reference or str(uuid4())
    flow = flow_id("rampkeeper", "withdrawal", f"{wanted.customer}/{reference}")
    with desk.sheet() as sheet:
        before = withdrawals.begun(sheet.connection, flow)
        if before is not None:
            _refuse_another(before, wanted, flow)
            return flow
        must_be_allowed(sheet.connection, wanted.customer, enabled=enabled)
        before = withdrawals.begun(sheet.connection, flow)  # begun while we waited for the customer's lock
        if before is not None:
            _refuse_another(before, wanted, flow)
            return flow
        terms = _terms(sheet.connection, wanted)
        amount = _amount(wanted, terms)
        other = withdrawals.under_way(sheet.connection, wanted.customer)
        if other is not None:
            raise WithdrawalInProgress(detail=f"flow {other}")
        available = withdrawals.lock_available(sheet.connection, accounts.wallet(wanted.customer, amount.asset))
        if available.minor < amount.minor:
            raise InsufficientFunds(f"{InsufficientFunds.words} {available} of {amount} is available.")
        step = bridge_withdrawal.step_of(State.REQUESTED)
        flows.begin_flow(
            sheet.connection,
            id=flow,
            flow_kind=bridge_withdrawal.name,
            state=State.REQUESTED.value,
            step_provider=step.provider if step else None,
            customer=wanted.customer,
            amount=amount,
            data={**terms, "reference": reference},
            reason=f"asked for by {desk.by}",
        )
        ledger.post(sheet.connection, flow, (rules.held(flow, amount, wanted.customer),))
        sheet.due.append((flow, bridge_withdrawal.name, State.REQUESTED.value))
        sheet.note(
            "withdrawal.create",
            str(flow),
            customer=wanted.customer,
            amount=str(amount),
            bank=f"{terms['bank_name']} {terms['last4']}",
            reference=reference,
        )
    return flow


def end_hold(connection: Connection, flow: UUID) -> Money | None:
    """Give a withdrawal that is given up its tokens back to the wallet, if they surely never left; what was held.

    None: nothing is held, or they may have left: then the hold stays. The flow is locked.
    """
    held = _held(connection, flow)
    if held is None or withdrawals.may_have_left(connection, flow):
        return None
    _post_release(connection, flow)
    return held


def release(desk: Desk, flow: UUID, *, reason: str) -> Money:
    """End the hold of a withdrawal that was given up: somebody has found out that its tokens never left. What was held.

    `reason` says how they know. Raises: Refused: there is no such withdrawal, it is not over, or nothing is held.
    """
    with desk.sheet() as sheet:
        status = flows.lock(sheet.connection, [flow]).get(flow)
        if status is None or withdrawals.begun(sheet.connection, flow) is None:
            raise Refused(f"there is no withdrawal {flow}")
        if status != CLOSED:
            raise Refused(f"withdrawal {flow} is not over: replay its dead letter, or abandon it")
        held = _held(sheet.connection, flow)
        if held is None:
            raise Refused(f"nothing is held for withdrawal {flow}")
        _post_release(sheet.connection, flow)
        breaks.close_breaks_of_flow(sheet.connection, flow, note=f"released: {reason}", found_by=("desk",))
        sheet.note("withdrawal.release", str(flow), amount=str(held), reason=reason)
        return held


def _held(connection: Connection, flow: UUID) -> Money | None:
    terms = withdrawals.begun(connection, flow)
    minor = withdrawals.held(connection, flow)
    return Money(minor, terms.amount.asset) if terms is not None and minor else None


def _post_release(connection: Connection, flow: UUID) -> None:
    terms = withdrawals.begun(connection, flow)
    if terms is not None:
        ledger.post(connection, flow, (rules.hold_released(flow, terms.amount, terms.customer),))


def _terms(connection: Connection, wanted: Wanted) -> dict[str, Any]:
    """All that the flow will need to know, out of the customer's links. Raises: CustomerMissing, Refused."""
    shown = customers.show_customer(connection, wanted.customer)
    links: Sequence[Link] = shown["links"] if shown else ()
    at_bridge = _links(links, "bridge", "customer")
    if not at_bridge:
        raise CustomerMissing(detail="no link bridge:customer")
    kept_at = _links(links, "ibex", "account")
    if len(kept_at) != 1:
        raise Refused(f"the customer has {len(kept_at)} links ibex:account: exactly one says where the tokens are")
    bank = next((one for one in _links(links, "bridge", "external_account") if _is(one, wanted.external_account)), None)
    if bank is None:
        raise Refused("that bank account is not linked to this customer: add the link bridge:external_account first")
    said = {name: bank["attributes"].get(name) for name in ("bank_name", "last4")}
    if not all(said.values()):
        raise Refused("the bank account's link does not say bank_name and last4: add it again with both")
    home = next(iter(_links(links, "ibex", "address")), None)
    told = home["attributes"] if home else {}
    network = str(told.get("network", TRON)).lower()
    back_to = home["external_id"] if home and is_address(network, home["external_id"]) else None
    return {
        **said,
        "bridge_customer": at_bridge[0]["external_id"],
        "external_account": wanted.external_account,
        "account": kept_at[0]["external_id"],
        "network": network,
        "asset": str(told.get("asset", ASSET)).upper(),
        "return_to": back_to,
    }


def _links(links: Sequence[Link], provider: str, kind: str) -> list[Link]:
    return [one for one in links if (one["provider"], one["kind"]) == (provider, kind)]


def _is(link: Link, external_id: str) -> bool:
    return bool(link["external_id"] == external_id)


def _amount(wanted: Wanted, terms: Mapping[str, Any]) -> Money:
    """More than none, of the asset that is kept for the customer. Raises: NotMoney, Refused."""
    amount = Money.parse(wanted.amount, terms["asset"])
    if amount.minor <= 0:
        raise Refused("a withdrawal is of more than none")
    return amount


def _refuse_another(before: Begun, wanted: Wanted, flow: UUID) -> None:
    """The same reference names the same wish. Raises: Refused, NotMoney."""
    same_amount = Money.parse(wanted.amount, before.amount.asset) == before.amount
    if not same_amount or before.data["external_account"] != wanted.external_account:
        raise Refused(f"the reference {wanted.reference!r} names another withdrawal already: {flow}")
