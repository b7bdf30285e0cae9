"""Money announced without an id: what it leads to, by the mode of the account it came in on.

It is the one event that opens a flow under its own name, because its provider has no name for the money yet. The same
bytes may come again for the same deposit, so only the first of equal ones opens by itself; of others a person says.
"""

from typing import Final

from sqlalchemy import Connection

from db import breaks, flows, second_deposits, standing_breaks
from db.inbox import Handled, InboxEvent
from db.second_deposits import Account, Told
from funding.facts import Announced, Changed, LookDue, Opening
from funding.flows.due_legacy import RESEND, SECOND_DEPOSIT
from funding.money import Money, NotMoney
from funding.outcomes import BreakFound

KIND: Final = "deposit_event"  # of the reference under which such an event owns its flow
UNKNOWN_ACCOUNT: Final = "unmatched_event"
ASSETS: Final = ("USDC", "USD")  # what comes in and what goes on, where the link does not say


def judge(connection: Connection, event: InboxEvent, kind: str, fact: Announced) -> Changed | LookDue | Handled:
    """What an announcement comes to: a change that opens or wakes its flow, a look, or the event dealt with.

    `kind` is the event's type.
    """
    told = second_deposits.first_told(connection, event.id, event.event_id)
    link = second_deposits.account(connection, event.provider, fact.link_kind, fact.link_id)
    if link is None:
        breaks.open_break(connection, _nobodys(event.provider, told, fact), found_by="ingest", event=told.row)
    else:
        standing_breaks.close(connection, event.provider, UNKNOWN_ACCOUNT, told.subject, note="its account is known")
    if link is None or link.attributes.get("mode") != fact.opens_in:
        return fact.look
    try:
        amount = _amount(fact, link)
    except NotMoney as fault:
        return Handled(id=event.id, state="dead", type=kind, reason=f"its amount cannot be used: {fault}")
    known = flows.owners(connection, [(event.provider, KIND, told.event_id)])
    if not known and _is_repeated(connection, told, link, fact, amount):
        said = second_deposits.said_of(connection, event.provider, told)
        if said is None:
            doubt = _second(event.provider, told, fact, amount)
            breaks.open_break(connection, doubt, found_by="ingest", event=told.row)
            return Handled(id=event.id, state="handled", type=kind, reason="perhaps a second deposit: a person says")
        if said == RESEND:
            return Handled(id=event.id, state="ignored", type=kind, reason="a resend, as a person said")
    return Changed(kind=KIND, id=told.event_id, status="announced", at=None, opening=_opening(fact, link, amount))


def _amount(fact: Announced, link: Account) -> Money:
    """Raises: NotMoney."""
    if fact.amount is None:
        raise NotMoney("it must be decimal text")
    amount = Money.parse(fact.amount, str(link.attributes.get("asset_in") or ASSETS[0]))
    if amount.minor <= 0:
        raise NotMoney("it must be above zero")
    return amount


def _is_repeated(connection: Connection, told: Told, link: Account, fact: Announced, amount: Money) -> bool:
    """Whether as much was told of on that account before, in these bytes or in others."""
    return told.arrival > 1 or second_deposits.has_equal(connection, link.customer, fact.link_id, fact.opens_in, amount)


def _opening(fact: Announced, link: Account, amount: Money) -> Opening:
    data = {
        "mode": fact.opens_in,
        "virtual_account": fact.link_id,
        "account": str(link.attributes.get("account") or ""),
        "asset_out": str(link.attributes.get("asset_out") or ASSETS[1]),
    }
    return Opening(
        flow_kind=fact.flow_kind,
        link_kind=fact.link_kind,
        link_id=fact.link_id,
        amount=amount,
        data=data,
        mode=fact.opens_in,
    )


def _second(provider: str, told: Told, fact: Announced, amount: Money) -> BreakFound:
    return BreakFound(
        provider=provider,
        type=SECOND_DEPOSIT,
        subject=told.subject,
        ours=f"{amount} on {fact.link_id}, told of before",
        theirs=f"told of again, in event {told.event_id}",
        amount=amount,
        suggested_action=f"ask {provider} whether money came in twice; then rampkeeper reconcile resolve BREAK --as "
        "another, or --as resend",
    )


def _nobodys(provider: str, told: Told, fact: Announced) -> BreakFound:
    return BreakFound(
        provider=provider,
        type=UNKNOWN_ACCOUNT,
        subject=told.subject,
        ours="no customer",
        theirs=f"a deposit on virtual account {fact.link_id}",
        suggested_action=f"find the owner and add the link {provider}:{fact.link_kind}; where that is in "
        f"{fact.opens_in}, then rampkeeper events replay {told.row}",
    )
