"""Lists for pages, a page at a time. Nothing here locks."""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from typing import Final

from sqlalchemy import Connection

from db.listings import FLOW, LETTER
from db.overview import WAITING_LETTERS
from db.page_places import MOST, Page, Place, after_values, page_of, windowed
from db.page_reading import rows
from db.report_figures import BREAK

# View: its condition, the time it goes by, and whether the newest come first.
# Served by ix_flows_open_moved_at, ix_flows_parked and ix_flows_created_at.
_VIEWS: Final = {
    "moving": ("f.status = 'open' AND f.parked_at IS NULL", "moved_at", False),
    "parked": ("f.parked_at IS NOT NULL", "parked_at", False),
    "finished": ("f.status <> 'open' AND f.parked_at IS NULL", "created_at", True),
    "all": ("true", "created_at", True),
}
VIEWS: Final = tuple(_VIEWS)


def flows(
    connection: Connection,
    view: str,
    *,
    after: Place | None = None,
    kind: str | None = None,
    state: str | None = None,
    provider: str | None = None,
    customer: str | None = None,
) -> Page:
    """Flows of one view: the longest waiting first of what moves or is parked, else the newest first.

    A filter looks through the next 2,000 rows of the view; when they are through before the page is full, the
    next page goes on behind them. Those of one customer by ix_flows_customer. Raises: KeyError: no such view.
    """
    condition, column, newest_first = _VIEWS[view]
    way, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    bounds = [condition]
    bounds += ["f.customer_id = :customer"] if customer is not None else []
    bounds += [f"(f.{column}, f.id) {beyond} (:at, :id)"] if after else []
    return windowed(
        connection,
        f"SELECT f.id, f.{column} AS at, f.kind, f.state, f.provider FROM flows f WHERE {' AND '.join(bounds)}",
        f"{FLOW}, f.status, f.parked_at FROM chosen c JOIN flows f ON f.id = c.id",
        wanted={"kind": kind, "state": state, "provider": provider},
        values=after_values(after) | ({"customer": customer} if customer is not None else {}),
        way=way,
    )


def letters(
    connection: Connection, *, waiting: bool, fingerprint: str | None = None, after: Place | None = None
) -> Page:
    """Dead letters, the newest first: those that wait by the indexes that hold only them, all by when they opened.

    Served by uq_dead_letters_flow and uq_dead_letters_event, ix_dead_letters_opened_at, or for one cause
    (`fingerprint`) ix_dead_letters_fingerprint.
    """
    source, values = "dead_letters", after_values(after)
    bounds = ["(d.opened_at, d.id) < (:at, :id)"] if after else []
    if fingerprint is not None:
        bounds += ["d.fingerprint = :fingerprint", "d.status IN ('open', 'replaying')" if waiting else "true"]
        values["fingerprint"] = fingerprint
    elif waiting:
        source = f"({WAITING_LETTERS})"
    found = rows(
        connection,
        f"""
        SELECT {LETTER}, d.amount, d.asset, d.provider FROM {source} d
         WHERE {" AND ".join(bounds) or "true"} ORDER BY d.opened_at DESC, d.id DESC LIMIT :page
        """,
        **values,
        page=MOST + 1,
    )
    return page_of(found, "opened_at")


def breaks(
    connection: Connection,
    *,
    is_open: bool,
    provider: str | None = None,
    kind: str | None = None,
    after: Place | None = None,
) -> Page:
    """Breaks, the oldest first when open (by ix_breaks_open), else the newest first; `kind` is their type."""
    way, beyond = ("ASC", ">") if is_open else ("DESC", "<")
    wanted = {name: value for name, value in {"provider": provider, "type": kind}.items() if value is not None}
    bounds = [f"b.status = '{'open' if is_open else 'closed'}'", *(f"b.{name} = :{name}" for name in wanted)]
    bounds += [f"(b.opened_at, b.id) {beyond} (:at, :id)"] if after else []
    found = rows(
        connection,
        f"""
        SELECT {BREAK} FROM breaks b WHERE {" AND ".join(bounds)}
         ORDER BY b.opened_at {way}, b.id {way} LIMIT :page
        """,
        **wanted,
        **after_values(after),
        page=MOST + 1,
    )
    return page_of(found, "opened_at")
