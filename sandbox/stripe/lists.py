"""Lists as Stripe pages them: newest first, by the id of the last object seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sandbox.http import route
from sandbox.stripe.errors import invalid, missing
from sandbox.stripe.form import Params
from sandbox.stripe.model import Record
from sandbox.world import World

PAGING = ("limit", "starting_after", "ending_before", "created")
_DEFAULT_LIMIT = 10
_LARGEST_LIMIT = 100
_R = TypeVar("_R", bound=Record)


def paged(
    world: World, everything: Iterable[_R], params: Params, wanted: Callable[[_R], bool]
) -> tuple[list[_R], bool]:
    """One page, newest first, and whether there is more in the direction that was asked for.

    `everything` (oldest first) is what a cursor may name. `ending_before` gives the objects next newer than it, not
    the newest of all. Raises: StripeError 400.
    """
    limit = params.whole("limit", 1, _LARGEST_LIMIT) or _DEFAULT_LIMIT
    after, before = params.text("starting_after"), params.text("ending_before")
    bounds = params.range("created")
    if after and before:
        raise invalid("You may only specify one of these parameters: starting_after, ending_before.")
    known = list(everything)
    marks = {record.id: record.number for record in known}
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in marks:
            raise missing(known[0].name if known else "object", cursor, name, 400)
    found = [record for record in known if wanted(record) and _within(record.created, bounds)]
    if before:
        newer = [record for record in found if record.number > marks[before]]
        page, more = newer[:limit][::-1], len(newer) > limit
    else:
        older = [record for record in reversed(found) if not after or record.number < marks[after]]
        page, more = older[:limit], len(older) > limit
    if len(page) > 1 and (cut := world.faults.take("truncated_listing", "stripe", route())) is not None:
        return page[: max(1, int(len(page) * float(cut.get("keep", 0.5))))], False
    return page, more


def _within(created: int, bounds: dict[str, int]) -> bool:
    return (
        created == bounds.get("eq", created)
        and bounds.get("gte", created) <= created <= bounds.get("lte", created)
        and ("gt" not in bounds or created > bounds["gt"])
        and ("lt" not in bounds or created < bounds["lt"])
    )
