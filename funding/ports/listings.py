"""What polls and stream readers ask of any provider: pages of a listing, frames of a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object a listing showed: what a poll hands to the inbox.

    `digest_of` holds the fields `interpret` reads, in a fixed order; only when it changes is the finding news.
    `event_id` is the provider's own id of an event, when the finding is one: a webhook of that id is the same event.
    """

    kind: str
    id: str
    changed_at: datetime
    digest_of: str
    body: bytes  # the object as JSON, as an inbox event of source "poll" carries it
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing. `next_cursor` is None when the listing has been walked to its end.

    On that last page, `next_walk` is the cursor from which the next walk may begin, where a listing begins with its
    oldest; None: at the listing's beginning. `calls`: how many it took.
    """

    findings: Sequence[Finding]
    next_cursor: str | None
    next_walk: str | None = None
    calls: int = 1


class Listing(Protocol):
    """A listing a poll walks, page by page, so that a walk can stop for its budget and go on later."""

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Objects created or changed since then, oldest first where the provider can."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFrame:
    """One event of a provider's event stream."""

    id: str
    at: datetime
    body: bytes


class EventStream(Protocol):
    """A provider's endless stream; ends by raising ProviderUnavailable, also on silence or a gap notice."""

    def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
        """Frames since then, repeats included; None on each heartbeat."""
        ...

    def close(self) -> None:
        """End it, from any thread: its reader gets ProviderUnavailable."""
        ...
