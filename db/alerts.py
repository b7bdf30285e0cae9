"""Which alerts are firing, so that each is told once and its end is told too. Table `alerts_firing`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

CALM: Final = timedelta(minutes=10)  # an alert that comes back sooner never went: it is not told again

Key = tuple[str, str]  # an alert's name, and what it is about: "due", "queue flows", or empty


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that is, or just was, firing. `told`: people have heard of it."""

    name: str
    subject: str
    since: datetime
    lasted: timedelta
    told: bool

    @property
    def key(self) -> Key:
        """What tells it apart."""
        return self.name, self.subject


_SEE: Final = text("""
    INSERT INTO alerts_firing AS a (name, subject)
    SELECT name, subject FROM unnest(CAST(:names AS text[]), CAST(:subjects AS text[])) AS seen (name, subject)
     ORDER BY 1, 2
    ON CONFLICT (name, subject) DO UPDATE SET seen_at = rk_now()
    RETURNING name, subject, since, rk_now() - since AS lasted, told_at IS NOT NULL AS told
""")

_FORGET: Final = text("""
    DELETE FROM alerts_firing a
     WHERE NOT EXISTS (SELECT FROM unnest(CAST(:names AS text[]), CAST(:subjects AS text[])) AS seen (name, subject)
                        WHERE seen.name = a.name AND seen.subject = a.subject)
       AND (a.told_at IS NULL OR a.seen_at <= rk_now() - :calm)
    RETURNING name, subject, since, rk_now() - since AS lasted, told_at IS NOT NULL AS told
""")

_TOLD: Final = text("UPDATE alerts_firing SET told_at = rk_now() WHERE name = :name AND subject = :subject")


def see(connection: Connection, seen: Sequence[Key]) -> list[Firing]:
    """Note what is firing now; how each stands. Locks its rows in key order; the primary key finds them."""
    return _all(connection.execute(_SEE, _unzipped(seen)))


def forget(connection: Connection, seen: Sequence[Key]) -> list[Firing]:
    """Remove what fires no more: at once when nobody was told of it, else after a while of calm. Gives the removed."""
    return _all(connection.execute(_FORGET, {**_unzipped(seen), "calm": CALM}))


def note_told(connection: Connection, key: Key) -> None:
    """People have been told of this one."""
    connection.execute(_TOLD, {"name": key[0], "subject": key[1]})


def _unzipped(keys: Sequence[Key]) -> dict[str, list[str]]:
    return {"names": [name for name, _ in keys], "subjects": [subject for _, subject in keys]}


def _all(rows: Iterable[Any]) -> list[Firing]:
    return [Firing(row.name, row.subject, row.since, row.lasted, row.told) for row in rows]
