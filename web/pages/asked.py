"""What an address asks a list for: its filters, its place, and how often it looks again."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from flask import abort, request

from db.page_places import Place

MOST_DIGITS: Final = 19  # of a number that Postgres can hold


def filters_of(*names: str) -> dict[str, str]:
    """Those of the query string that say something."""
    return {name: value for name in names if (value := request.args.get(name, "").replace("\0", ""))}


def place_asked(id_of: Callable[[str], UUID | int]) -> Place | None:
    """Where in the list the page begins: `after`, as the page before wrote it; `id_of` reads its id."""
    said = request.args.get("after")
    if not said:
        return None
    at, _, id_ = said.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        place = Place(moment, id_of(id_))
    except ValueError:
        abort(400)
    if moment.tzinfo is None:
        abort(400)
    return place


def number_asked(said: str) -> int:
    """The number of a row. Raises: ValueError: none could have it."""
    if not (said.isascii() and said.isdecimal()) or len(said) > MOST_DIGITS or int(said) >= 1 << 63:
        raise ValueError(said)
    return int(said)


def live_s_of() -> int:
    """How often a list looks again by itself; only its first page, for what has gone by moves no more."""
    return 0 if "after" in request.args else 10
