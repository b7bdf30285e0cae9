"""The two sides of a comparison: an object as the provider shows it, and what we hold of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from funding.outcomes import BreakFound


class Record(NamedTuple):
    """One object of a provider. Amounts are minor units; the fields stand in the order of the table they are copied to.

    `status` is the provider's word in lower case. `fee` is what the provider kept, in `asset_out`. An amount that
    cannot be counted, because its asset is none of ours, is None beside the asset. `reference` is shared by objects
    that are one movement of money; `fault` says why the object cannot be read.
    """

    kind: str
    id: str
    status: str
    at: datetime
    asset: str | None = None
    amount: int | None = None
    asset_out: str | None = None
    amount_out: int | None = None
    fee: int | None = None
    account: str | None = None
    reference: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of a provider's records. `next_cursor` is None when all have been shown."""

    records: Sequence[Record]
    next_cursor: str | None


class RecordSource(Protocol):
    """A provider's listings, read as records; what it raises is what any read raises."""

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """Every object made in that window, and maybe more; maybe one twice."""
        ...

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        """One object, read by itself; None: the provider knows none of that id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A flow as far as it concerns one object. `newest`: no later object of that kind took this one's place.

    `fee`: what our ledger says the provider kept, in `asset_out`.
    """

    flow: UUID
    state: str
    status: str  # open, resting, closed
    parked: bool
    newest: bool
    created_at: datetime
    moved_at: datetime
    asset: str | None = None
    amount: int | None = None
    asset_out: str | None = None
    amount_out: int | None = None
    fee: int | None = None
    account: str | None = None

    def is_moving_since(self, moment: datetime) -> bool:
        """Whether it is under way, nobody's to act on, and has moved since then."""
        return self.status == "open" and not self.parked and self.moved_at > moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What both sides have under one id; one side may have nothing.

    `named`: the flow that a foreign object names in its reference. `read_at`: nothing of theirs is newer than this.
    """

    id: str
    theirs: Record | None
    ours: Ours | None
    read_at: datetime
    named: Ours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a comparison covers: objects made from `since`, before `until`.

    `now` is when it began, `grace` how long news takes to arrive. `asked` holds the ids that were read one by one, not
    before `asked_at`; `cut_short` the accounts whose listing left something out; `shared` the references of duplicates.
    """

    since: datetime
    until: datetime
    now: datetime
    grace: timedelta
    from_file: bool = False
    asked: Collection[str] = frozenset()
    asked_at: datetime | None = None
    cut_short: Collection[str | None] = frozenset()
    shared: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """A disagreement, the flow it concerns if any, and the moment it is about."""

    found: BreakFound
    flow: UUID | None
    at: datetime
