"""What each fact of an event does: open a flow, wake one, wait for one, ask for a look, post cash."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from db import breaks, flows, ledger, looks, receipts
from db.inbox import Handled, InboxEvent
from funding.facts import Announced, CashArrived, Changed, Fact, Ignored, LookDue, Opening, Reading, TokensArrived
from funding.flow import CLOSED, OPEN, Flow
from funding.ids import flow_id
from funding.ledger.due_deposit import cash_arrived
from funding.outcomes import BreakFound
from funding.snapshot import clue
from workers import announced

DEFER_FIRST: Final = timedelta(seconds=2)
DEFER_CEILING: Final = timedelta(minutes=10)
DEFER_AT_MOST: Final = timedelta(days=1)
ON_ITS_WAY: Final = "pending"  # a receipt's status; a word that nobody documented may mean that it is there
SWITCHED_OFF: Final = "its provider is switched off and takes no new flows: read again until it is on"

Key = tuple[str, str, str]  # provider, kind, external id


def in_one_order(readings: Sequence[tuple[InboxEvent, Reading]]) -> list[tuple[InboxEvent, Reading]]:
    """The events of a batch by what they are about; those about one object stay as they came.

    Two batches that open the same flows, or look at the same accounts, then meet them in the same order, and neither
    can wait for the other in a circle.
    """
    return sorted(readings, key=lambda each: (each[0].provider, min(map(_what, each[1].facts), default=())))


def _what(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Changed(kind=kind, id=one):
            return kind, one
        case Announced(link_kind=kind, link_id=one):
            return kind, one
        case LookDue(poll=poll, subject=subject):
            return poll, subject
        case CashArrived(activity=activity):
            return "cash", activity
        case TokensArrived(transaction=transaction):
            return "tokens", transaction
        case Ignored():
            return ()


class Batch:
    """The events of one transaction. `hints` gathers the flows to wake and what was said of each.

    `clues` gathers the flows that an object which nobody owns says it was made for. `closed`: providers that take no
    new flows.
    """

    def __init__(self, connection: Connection, table: Mapping[str, Flow], *, closed: Collection[str] = ()) -> None:
        self._connection = connection
        self._table = table
        self._closed = closed
        self._owners: dict[Key, UUID] = {}
        self._waiting: Sequence[UUID] = ()
        self._statuses: dict[UUID, str] = {}
        self.hints: dict[UUID, dict[str, str]] = {}
        self.clues: dict[UUID, dict[str, str]] = {}
        self.looks: list[Key] = []

    def receive(self, arrived: Sequence[tuple[str, TokensArrived]]) -> None:
        """Keep these receipts, and find who waits for tokens on their accounts; before any flow is locked.

        What is still on its way to an account helps nobody yet: each flow that it woke would ask the provider for it.
        """
        for provider, fact in sorted(arrived, key=lambda each: (each[0], each[1].transaction)):
            receipts.keep(self._connection, provider, fact)
        accounts = [(provider, fact.account) for provider, fact in arrived if fact.status != ON_ITS_WAY]
        self._waiting = receipts.waiting_for(self._connection, accounts)

    def find_owners(self, changes: Sequence[tuple[str, Changed]]) -> None:
        """Find and lock, in id order, the flows that own these objects or wait for tokens, and those that these name.

        Of the latter only those that nobody has locked: a record at work may be writing the very reference that this
        batch's event waits for, and would wait for the event. It needs no clue.
        """
        self._owners = flows.owners(self._connection, [(provider, fact.kind, fact.id) for provider, fact in changes])
        self._statuses |= flows.lock(self._connection, sorted({*self._owners.values(), *self._waiting}))
        self.hints |= {flow: {} for flow in self._waiting if self._statuses[flow] != CLOSED}
        named = {flow for _, fact in changes if (flow := _named(fact)) is not None} - self._statuses.keys()
        self._statuses |= flows.lock(self._connection, sorted(named), only_idle=True)

    def apply(self, event: InboxEvent, reading: Reading) -> Handled:
        """Do what one event says; how it stands afterwards."""
        handled = Handled(id=event.id, state="handled", type=reading.type)
        for fact in reading.facts:
            match fact:
                case Changed():
                    handled = self._changed(event, reading, fact)
                case LookDue():
                    self._look(event, fact)
                case Announced():
                    handled = self._announced(event, reading, fact)
                case CashArrived(activity=activity, amount=amount, at=at):
                    ledger.post(self._connection, None, (cash_arrived(event.provider, activity, amount, at),))
                case TokensArrived():
                    pass  # received with the whole batch
                case Ignored(reason=reason):
                    handled = Handled(id=event.id, state="ignored", type=reading.type, reason=reason)
        return handled

    def _look(self, event: InboxEvent, look: LookDue) -> None:
        looks.ask(self._connection, event.provider, look.poll, look.subject)
        self.looks.append((event.provider, look.poll, look.subject))

    def _announced(self, event: InboxEvent, reading: Reading, fact: Announced) -> Handled:
        """Money without an id: it opens its flow, waits for a person, or only has its account looked at."""
        answer = announced.judge(self._connection, event, reading.type, fact)
        if isinstance(answer, Handled):
            return answer
        if isinstance(answer, LookDue):
            self._look(event, answer)
            return Handled(id=event.id, state="handled", type=reading.type)
        key = (event.provider, answer.kind, answer.id)
        owner = flows.owners(self._connection, [key]).get(key)
        if owner is None:
            return self._changed(event, reading, answer)
        if flows.lock(self._connection, [owner])[owner] != CLOSED:
            self.hints.setdefault(owner, {})
        return Handled(id=event.id, state="handled", type=reading.type, flow_id=owner)

    def _changed(self, event: InboxEvent, reading: Reading, fact: Changed) -> Handled:
        key = (event.provider, fact.kind, fact.id)
        owner = self._owners.get(key)
        if owner is None:
            if fact.opening is None:
                return self._nobodys(event, reading, fact)
            if event.provider in self._closed:
                wait = DEFER_CEILING.total_seconds()
                return Handled(id=event.id, state="deferred", type=reading.type, reason=SWITCHED_OFF, due_in_s=wait)
            opened = self._open(event, fact, fact.opening)
            if opened is None:
                return self._nobodys(event, reading, replace(fact, ours=True))
            owner = self._owners[key] = opened
        if self._statuses.get(owner) == CLOSED:
            self._after_the_end(event, fact, owner)
        else:
            said = {fact.status: fact.at.isoformat()} if fact.at else {}
            self.hints.setdefault(owner, {}).update(said)
        return Handled(id=event.id, state="handled", type=reading.type, flow_id=owner)

    def _open(self, event: InboxEvent, fact: Changed, opening: Opening) -> UUID | None:
        """Open the flow of an object nobody owns yet; when another worker was quicker, its flow.

        None: its account is in another mode, so the object is one that we are making, or nobody here made.
        """
        machine = self._table[opening.flow_kind]
        step = machine.step_of(machine.start)
        flow = flow_id(event.provider, fact.kind, fact.id)
        opened = flows.open_flow(
            self._connection,
            id=flow,
            flow_kind=machine.name,
            state=str(machine.start),
            step_provider=step.provider if step else None,
            provider=event.provider,
            kind=fact.kind,
            external_id=fact.id,
            link=(opening.link_kind, opening.link_id),
            amount=opening.amount,
            data=opening.data,
            hints={},
            reason=f"{event.source} {event.event_id}",
            mode=opening.mode,
            customer=opening.customer,
        )
        if opened:  # and locked, being new
            self._statuses[flow] = OPEN
            return flow
        key = (event.provider, fact.kind, fact.id)
        owner = flows.owners(self._connection, [key]).get(key)
        if owner is not None:
            self._statuses.update(flows.lock(self._connection, [owner]))
        return owner

    def _nobodys(self, event: InboxEvent, reading: Reading, fact: Changed) -> Handled:
        """Nobody owns the object. One we may be creating right now is waited for, up to a day."""
        subject = f"{fact.kind} {fact.id}"
        if not fact.ours:
            return Handled(id=event.id, state="ignored", type=reading.type, reason=f"no flow follows {subject}")
        if event.age_s > DEFER_AT_MOST.total_seconds():
            found = BreakFound(
                provider=event.provider,
                type="unmatched_event",
                subject=subject,
                ours="none of our flows made it",
                theirs=f"{subject} is {fact.status}",
                suggested_action=f"find out who made it at {event.provider}",
            )
            breaks.open_break(self._connection, found, found_by="ingest", event=event.id)
            reason = "no flow of ours has made it within a day"
            return Handled(id=event.id, state="ignored", type=reading.type, reason=reason)
        if (flow := _named(fact)) in self._statuses:
            said = {clue(event.provider, fact.kind, fact.id): fact.at.isoformat() if fact.at else ""}
            self.clues.setdefault(flow, {}).update(said)
        wait = min(DEFER_FIRST * (1 << min(event.attempts, 16)), DEFER_CEILING)
        return Handled(
            id=event.id,
            state="deferred",
            type=reading.type,
            reason=f"no flow owns this {fact.kind} yet",
            due_in_s=wait.total_seconds(),
            waits_for=f"{event.provider}/{fact.kind}/{fact.id}",
        )

    def _after_the_end(self, event: InboxEvent, fact: Changed, flow: UUID) -> None:
        """A closed flow hears something new: people look at it."""
        if not flows.is_news_after_end(self._connection, flow, fact.status, fact.at, event=event.id):
            return
        found = BreakFound(
            provider=event.provider,
            type="state_differs",
            subject=f"{fact.kind} {fact.id}",
            ours="closed",
            theirs=fact.status,
            suggested_action=f"compare the {fact.kind} at {event.provider} with the closed flow",
        )
        breaks.open_break(self._connection, found, found_by="ingest", flow=flow, event=event.id)


def _named(fact: Changed) -> UUID | None:
    """The flow that the object says it was made for, if it names one at all."""
    try:
        return UUID(fact.reference) if fact.reference else None
    except ValueError:
        return None
