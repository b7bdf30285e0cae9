"""Reports that are kept: one of each name and day, never changed. Table `reports`."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from db.report_figures import Figures

_KEEP: Final = text("""
    INSERT INTO reports (name, day, made_at, content) VALUES (:name, :day, :made_at, CAST(:content AS jsonb))
    ON CONFLICT (name, day) DO NOTHING RETURNING name
""")
_HAS: Final = text("SELECT EXISTS (SELECT FROM reports WHERE name = :name AND day = :day)")
_FIND: Final = text("SELECT content FROM reports WHERE name = :name AND day = :day")
_LIST: Final = text("""
    SELECT name, day::text AS day, made_at FROM reports
     WHERE CAST(:since AS timestamptz) IS NULL OR day >= (CAST(:since AS timestamptz) AT TIME ZONE 'UTC')::date
     ORDER BY day DESC, name DESC LIMIT :limit
""")


def keep(connection: Connection, name: str, day: date, made_at: datetime, content: Mapping[str, Any]) -> bool:
    """Keep a report; False: one of that name and day is kept already, and stays. Served by the primary key."""
    values = {"name": name, "day": day, "made_at": made_at, "content": json.dumps(content)}
    return connection.execute(_KEEP, values).first() is not None


def is_kept(connection: Connection, name: str, day: date) -> bool:
    """Whether there is one. Served by the primary key."""
    found: bool = connection.execute(_HAS, {"name": name, "day": day}).scalar_one()
    return found


def find(connection: Connection, name: str, day: date) -> dict[str, Any] | None:
    """What was kept of that name and day; None: nothing. Served by the primary key."""
    content: dict[str, Any] | None = connection.execute(_FIND, {"name": name, "day": day}).scalar()
    return content


def list_kept(connection: Connection, *, limit: int, since: datetime | None = None) -> Figures:
    """What is kept, the newest day first. Served by ix_reports_day, walked backwards."""
    return [dict(row) for row in connection.execute(_LIST, {"limit": limit, "since": since}).mappings()]
