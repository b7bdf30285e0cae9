"""Places in lists: each page of a list goes on after the row where the last one ended. Nothing here locks.

A place is the time and the id of a row, so that rows that come or go meanwhile shift nothing.
"""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from db.page_reading import Rows, rows

MOST: Final = 50  # rows of a page
WINDOW: Final = 2_000  # rows a filter looks through for them


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the next one begins behind this row. `id` is of the row's own kind."""

    at: datetime
    id: UUID | int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, and where the next one begins; None when this is the last."""

    rows: Rows
    next: Place | None


def windowed(
    connection: Connection,
    looked_at: str,
    shown: str,
    *,
    wanted: Mapping[str, str | None],
    values: Mapping[str, Any],
    way: str = "DESC",
    by: tuple[str, ...] = ("at", "id"),
    window: int = WINDOW,
) -> Page:
    """A page of what `looked_at` selects: `id`, `at` and every name of `wanted`, in the order of `by`.

    `wanted` (column to value; None: any) looks through the next `window` rows; when they are through before the page
    is full, the next page goes on behind them. `shown` is what follows SELECT: its columns, then FROM `chosen c`, whose
    rows are those of this page, and its joins.
    """
    filters = {name: value for name, value in wanted.items() if value is not None}
    order = ", ".join(f"{name} {way}" for name in by)
    source = f"{looked_at} ORDER BY {order}"
    found = rows(
        connection,
        f"""
        WITH looked_at AS MATERIALIZED ({source} LIMIT :window), chosen AS (
          SELECT id, at FROM looked_at WHERE {" AND ".join(f"{name} = :{name}" for name in filters) or "true"}
           ORDER BY {order} LIMIT :most
        )
        SELECT c.at AS place_at, c.id AS place_id, {shown} ORDER BY {", ".join(f"c.{name} {way}" for name in by)}
        """,
        **values,
        **filters,
        window=window if filters else MOST + 1,
        most=MOST + 1,
    )
    page = Page(found[:MOST], _place(found[MOST - 1]) if len(found) > MOST else None)
    if filters and page.next is None:
        edge = rows(
            connection,
            f"SELECT at AS place_at, id AS place_id FROM ({source} OFFSET :last LIMIT 1) AS edge",
            **values,
            last=window - 1,
        )
        page = Page(page.rows, _place(edge[0]) if edge else None)
    return page


def page_of(found: Rows, at: str) -> Page:
    """A page of at most `MOST` of these rows, of which one more was asked for; `at` names their time."""
    shown = found[:MOST]
    return Page(shown, Place(shown[-1][at], UUID(shown[-1]["id"])) if len(found) > MOST else None)


def after_values(place: Place | None) -> dict[str, Any]:
    """A place as parameters."""
    return {"at": place.at, "id": place.id} if place else {}


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["place_at"], row["place_id"])
