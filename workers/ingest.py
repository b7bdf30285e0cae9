"""Ingest: what inbox events say becomes opened and woken flows, in one transaction for a whole batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db import dead_letters, flows, inbox
from db.dead_letters import Death
from db.engine import UnitOfWork
from db.inbox import Handled, InboxEvent
from db.sealing import Sealer
from db.trouble import refused
from dispatch.wake import Wake
from funding.facts import CannotUse, Changed, Reading, TokensArrived
from funding.flow import Flow
from workers.facts import Batch, in_one_order

log = structlog.get_logger(__name__)


class Interpret(Protocol):
    """A provider's pure reading of an event's bytes. Raises: CannotUse."""

    def __call__(self, body: bytes, *, source: str) -> Reading:
        """The facts of one event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Handles inbox events for this process. `closed`: providers that are switched off, so take no new flows."""

    begin: UnitOfWork
    flows: Mapping[str, Flow]
    interpreters: Mapping[str, Interpret]
    sealer: Sealer
    wake: Wake
    closed: Collection[str] = ()

    def handle(self, ids: Sequence[int]) -> None:
        """Handle those of `ids` that are due. When the database refuses a batch, its events are handled alone."""
        try:
            self._batch(ids)
        except SQLAlchemyError as error:
            if not refused(error):
                raise  # the rows stay due
            if len(ids) == 1:
                self._set_aside(ids[0], error)
                return
            for one in ids:
                self.handle([one])

    def _batch(self, ids: Sequence[int]) -> None:
        with self.begin() as connection:
            handled: list[Handled] = []
            readings: list[tuple[InboxEvent, Reading]] = []
            for event in inbox.take(connection, ids, sealer=self.sealer):
                answer = self._read(event)
                if isinstance(answer, Reading):
                    readings.append((event, answer))
                else:
                    handled.append(answer)
            batch = Batch(connection, self.flows, closed=self.closed)
            batch.receive([(e.provider, f) for e, r in readings for f in r.facts if isinstance(f, TokensArrived)])
            batch.find_owners([(e.provider, f) for e, r in readings for f in r.facts if isinstance(f, Changed)])
            handled += [batch.apply(event, reading) for event, reading in in_one_order(readings)]
            due = flows.wake(connection, list(batch.hints), hints=list(batch.hints.values()), announced=True)
            flows.tell(connection, batch.clues)
            inbox.settle(connection, handled)
            for one in handled:
                if one.state == "dead":
                    dead_letters.open_for_event(connection, one.id, _death(one.reason or "unusable"), attempts=1)
            dead_letters.resolve_events(connection, [h.id for h in handled if h.state in {"handled", "ignored"}])
        if unheard := self.wake.flows(due):
            with self.begin() as connection:
                flows.not_announced(connection, unheard)
        self.wake.looks(batch.looks)

    def _read(self, event: InboxEvent) -> Reading | Handled:
        """What the event says. A poison event is set aside alone; its batch goes on."""
        if event.unreadable is not None:
            return Handled(id=event.id, state="dead", reason=event.unreadable)
        interpret = self.interpreters.get(event.provider)
        if interpret is None:
            return Handled(id=event.id, state="dead", reason=f"nothing here reads events of {event.provider}")
        try:
            return interpret(event.body, source=event.source)
        except CannotUse as reason:
            return Handled(id=event.id, state="dead", reason=str(reason))
        except Exception as bug:  # noqa: BLE001 -- one event must not hold up the others; its letter names the bug
            log.warning("ingest.bug", event_row=event.id, provider=event.provider, error=type(bug).__name__)
            return Handled(id=event.id, state="dead", reason=f"a bug of ours while reading it: {type(bug).__name__}")

    def _set_aside(self, event: int, error: SQLAlchemyError) -> None:
        """The database refuses what this one event leads to."""
        name = type(error).__name__
        log.warning("ingest.refused", event_row=event, error=name)
        with self.begin() as connection:
            reason = f"the database refused what it leads to: {name}"
            inbox.settle(connection, [Handled(id=event, state="dead", reason=reason, error=name)])
            dead_letters.open_for_event(connection, event, _death(reason), attempts=1)


def _death(reason: str) -> Death:
    return Death(
        step="ingest",
        error="unusable_event",
        message=f"{reason}. Nothing moved. If the provider mends or explains it, replay the event; else abandon it.",
        blame="provider",
    )
