"""What a step answers with: values. Exceptions are for what it did not foresee."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from funding.ledger.entries import Entry
from funding.money import Money
from funding.snapshot import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFound:
    """A disagreement found on the way. One row per (provider, type, subject): found again, it is seen again."""

    provider: str
    type: str
    subject: str
    ours: str | None = None
    theirs: str | None = None
    amount: Money | None = None
    suggested_action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something to tell the team's backend and people, once per flow, type and `cause`."""

    type: str
    text: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceReading:
    """A balance as the provider shows it now."""

    provider: str
    account: str
    name: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMade:
    """What ties the flow's customer to something that this step had made, or has found, at a provider."""

    provider: str
    kind: str
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """Why a flow waits for a person: a dead letter is opened with this."""

    message: str
    error: str
    blame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A state passed on the way, and when the provider says it was reached."""

    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What an outcome carries into the recording transaction, whichever way it goes.

    `data` is merged over the flow's data; `amount` and `amount_out` replace what is there when given.
    """

    entries: tuple[Entry, ...] = ()
    references: tuple[Reference, ...] = ()
    notifications: tuple[Notification, ...] = ()
    breaks: tuple[BreakFound, ...] = ()
    readings: tuple[BalanceReading, ...] = ()
    links: tuple[LinkMade, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    amount: Money | None = None
    amount_out: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance(Learned):
    """The step moved the flow to `to`, through the states of `through`; its next step is due after `due_in`."""

    to: str
    at: datetime | None = None
    through: tuple[Passed, ...] = ()
    reason: str | None = None
    due_in: timedelta = timedelta(0)
    park: Parking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze(Learned):
    """Not ready: look again after `wait`. Costs no attempt.

    `even_parked`: what woke the flow has not been read yet, so a parked one, which waits to be woken, looks again too.
    """

    wait: timedelta
    reason: str
    even_parked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEnded(Learned):
    """A resting flow has been listened to long enough: it closes."""


Outcome = Advance | Snooze | WatchEnded
