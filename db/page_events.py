"""The inbox for pages: events of one view, a page at a time. Nothing here locks."""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from db.listings import EVENT
from db.page_places import Page, Place, after_values, windowed

_FILTERED: Final = "e.provider, e.type, e.source, e.state"
# View: what it selects, its bounds, how it goes on behind a place, and what it is ordered by.
# Served by ix_inbox_events_received_at, by ix_inbox_events_due, and by uq_dead_letters_event, which holds open letters
# only, joined to each one's event by its primary key. Where the index has the time alone, a bound names it alone too.
_VIEWS: Final = {
    "all": (
        f"SELECT e.id, e.received_at AS at, {_FILTERED} FROM inbox_events e",
        "true",
        "(e.received_at, e.id) < (:at, :id)",
        ("DESC", ("at", "id")),
    ),
    "waiting": (
        f"SELECT e.id, e.due_at AS at, {_FILTERED} FROM inbox_events e",
        "e.due_at IS NOT NULL",
        "(e.due_at, e.id) > (:at, :id) AND e.due_at >= :at",
        ("ASC", ("at", "id")),
    ),
    "set-aside": (
        f"""SELECT d.event_id AS id, e.received_at AS at, {_FILTERED}
              FROM dead_letters d JOIN inbox_events e ON e.id = d.event_id""",
        "d.status IN ('open', 'replaying') AND d.event_id IS NOT NULL",
        "d.event_id < :id",
        ("DESC", ("id",)),
    ),
}
VIEWS: Final = tuple(_VIEWS)


def events(
    connection: Connection,
    view: str,
    *,
    after: Place | None = None,
    flow: UUID | None = None,
    provider: str | None = None,
    type: str | None = None,  # noqa: A002 -- the provider's word for it, and the column's
    source: str | None = None,
    state: str | None = None,
) -> Page:
    """Events of one view: the longest due first of those that wait, else the newest first.

    Set aside are those with an open dead letter. A filter looks through the next 2,000 rows of the view; those of one
    flow go by ix_inbox_events_flow. Raises: KeyError: no such view.
    """
    source_, condition, beyond, (way, by) = _VIEWS[view]
    bounds = [condition]
    bounds += ["e.flow_id = :flow"] if flow is not None else []
    bounds += [beyond] if after else []
    return windowed(
        connection,
        f"{source_} WHERE {' AND '.join(bounds)}",
        f"{EVENT}, e.reason, e.waits_for, e.due_at, e.duplicates FROM chosen c JOIN inbox_events e ON e.id = c.id",
        wanted={"provider": provider, "type": type, "source": source, "state": state},
        values=after_values(after) | ({"flow": flow} if flow is not None else {}),
        way=way,
        by=by,
    )
