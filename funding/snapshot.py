"""A flow as its step sees it: what was true when it was claimed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from funding.money import Money


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of a provider that belongs to this flow and to no other."""

    provider: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """What ties the flow's customer to a provider."""

    provider: str
    kind: str
    id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """The newest intention of one creating call of this step and visit. Times are the database's."""

    key: UUID
    call: str
    generation: int
    request: str
    born_at: datetime
    sends: int
    settle_from: datetime | None  # after this no call under this key can still be on its way
    outcome: str  # unsent, sent, done, refused, unknown, answered_5xx
    look_ups: int  # complete look-ups after `settle_from` that found nothing
    looked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One claimed flow. `hints` maps what events said to when: a provider's status, or the `clue` to an object.

    They are never evidence.
    """

    id: UUID
    kind: str
    state: str
    status: str
    customer: str | None
    amount: Money | None
    amount_out: Money | None
    data: Mapping[str, Any]
    hints: Mapping[str, str]
    visit: int
    tries: int
    snoozes: int
    misses: int  # readings in a row that came to nothing: no answer, or one that cannot be read
    created_at: datetime
    moved_at: datetime
    watch_until: datetime | None
    now: datetime
    parked: bool
    look_first: bool
    references: tuple[Reference, ...]
    links: tuple[Link, ...]
    intentions: tuple[Intention, ...]

    def reference(self, provider: str, kind: str) -> str | None:
        """The id of the newest object of that kind this flow owns."""
        return next((r.id for r in reversed(self.references) if (r.provider, r.kind) == (provider, kind)), None)

    def told_of(self, provider: str, kind: str) -> tuple[str, ...]:
        """Ids of objects that are said to carry this flow's reference, and that it does not own."""
        before = clue(provider, kind, "")
        owned = {r.id for r in self.references if (r.provider, r.kind) == (provider, kind)}
        told = (said.removeprefix(before) for said in sorted(self.hints) if said.startswith(before))
        return tuple(one for one in told if one not in owned)

    def link(self, provider: str, kind: str) -> Link | None:
        """The customer's first link of that kind."""
        return next((link for link in self.links if (link.provider, link.kind) == (provider, kind)), None)

    def intention(self, call: str) -> Intention | None:
        """The newest intention of that call in this visit."""
        return next((i for i in self.intentions if i.call == call), None)


def clue(provider: str, kind: str, id: str) -> str:  # noqa: A002 -- the column's own name
    """How a flow's hints name an object that is said to be its own."""
    return f"{provider} {kind} {id}"
