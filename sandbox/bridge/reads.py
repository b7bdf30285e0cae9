"""How Bridge answers reads, misbehaviour included: stale, drifting, cut short, in a status nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import request

from sandbox import amounts
from sandbox.bridge.errors import invalid
from sandbox.bridge.model import Activity, Payment, Record
from sandbox.bridge.views import STATUS_FIELDS
from sandbox.http import route, whole_number
from sandbox.world import World

_DEFAULT_LIMIT = 10
_LARGEST_LIMIT = 100
_CURSORS = ("starting_after", "ending_before")
_TIMES = ("updated_after_ms", "updated_before_ms")

Item = TypeVar("Item")


def shown(world: World, record: Record) -> dict[str, Any]:
    """One record as this read sees it."""
    where = ("bridge", route())
    drift = world.faults.take("amount_changed", *where, when=lambda params: _may_drift(record, params))
    if drift is not None:
        _drift(world, record, drift)
    record.reads += 1
    stale = world.faults.take("stale_read", *where, when=lambda params: _may_be_stale(world, record, params))
    if stale is not None and record.before is not None:
        return dict(record.before)
    view = world.bridge.views.of(record)
    fields = [name for name in STATUS_FIELDS.get(type(record), ()) if name in view]
    unknown = world.faults.take("unknown_status", *where) if fields else None
    return view if unknown is None else view | dict.fromkeys(fields, unknown.get("status", "under_observation"))


def listed(
    world: World,
    records: Iterable[Record],
    wanted: Callable[[Any], bool] = lambda _: True,
    *,
    times: bool = False,
    exclusive: bool = False,
) -> dict[str, Any]:
    """A page `{count, data}` of records (oldest first as given), newest first; some may change right after it is made.

    With `times` it takes `updated_after_ms` and `updated_before_ms` too; with `exclusive` only one of these and the
    cursors. Raises: BridgeError 400.
    """
    refuse_together(*_CURSORS, *(_TIMES if exclusive else ()))
    after, before = (_milliseconds(name) if times else None for name in _TIMES)

    def fits(record: Record) -> bool:
        moment = int(record.updated_at.timestamp() * 1000)
        return (after is None or moment > after) and (before is None or moment < before) and wanted(record)

    page = cut(world, list(records)[::-1], fits, *(request.args.get(name) for name in _CURSORS))
    view = [shown(world, record) for record in page]
    for record in page:
        _change_after_listing(world, record)
    return {"count": len(view), "data": view}


def cut(
    world: World,
    ordered: Sequence[Item],
    fits: Callable[[Item], bool],
    after: str | None,
    before: str | None,
    *,
    default: int = _DEFAULT_LIMIT,
    most: int = _LARGEST_LIMIT,
) -> list[Item]:
    """`limit` items of `ordered` next to a cursor: those behind `after`, or those in front of `before`.

    Raises: BridgeError 400: a bad limit, or a cursor that is no item's id.
    """
    try:
        limit = whole_number("limit", default, most)
    except ValueError as error:
        raise invalid(limit="must be a whole number above zero") from error
    if before is not None:
        page = [item for item in ordered[: _place(ordered, before, "ending_before")] if fits(item)][-limit:]
    else:
        start = 0 if after is None else _place(ordered, after, "starting_after") + 1
        page = [item for item in ordered[start:] if fits(item)][:limit]
    if len(page) > 1 and (params := world.faults.take("truncated_listing", "bridge", route())) is not None:
        return page[: int(len(page) * float(params.get("keep", 0.5)))]
    return page


def refuse_together(*names: str) -> None:
    """Raises: BridgeError 400: more than one of these is in the query."""
    given = [name for name in names if name in request.args]
    if len(given) > 1:
        raise invalid(**dict.fromkeys(given, f"excludes {', '.join(name for name in names if name in given)}"))


def _place(ordered: Sequence[Any], cursor: str, name: str) -> int:
    for place, item in enumerate(ordered):
        if item.id == cursor:
            return place
    raise invalid(**{name: "is not the id of anything here"})


def _milliseconds(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise invalid(**{name: "must be milliseconds"})
    return int(text)


def _change_after_listing(world: World, record: Record) -> None:
    if isinstance(record, Payment):
        if record.course.steps and world.faults.take("changed_after_listed", "bridge", route()) is not None:
            world.bridge.payments.courses.advance(record)
    elif isinstance(record, Activity):
        deposit = world.bridge.deposits.by_id.get(record.deposit_id or "")
        coming = deposit is not None and deposit.course.steps
        if deposit and coming and world.faults.take("changed_after_listed", "bridge", route()) is not None:
            world.bridge.deposits.courses.advance(deposit)


def _may_drift(record: Record, params: Mapping[str, Any]) -> bool:
    if not isinstance(record, Payment | Activity) or record.drifted:
        return False
    state = record.state if isinstance(record, Payment) else record.type
    return state == params.get("status", "payment_processed") and record.reads >= int(params.get("after_reads", 0))


def _drift(world: World, record: Record, params: Mapping[str, Any]) -> None:
    """Change an amount for good, once: `side` "source" is the amount itself, else what comes out of it."""
    delta = str(params.get("delta", "-1.00"))
    change = amounts.parse(delta.lstrip("-")) * (-1 if delta.startswith("-") else 1)
    world.bridge.remember(record)
    record.drifted = True
    if isinstance(record, Payment) and params.get("side") != "source":
        record.exchange_fee -= change
    elif isinstance(record, Payment | Activity) and record.amount is not None:
        record.amount += change


def _may_be_stale(world: World, record: Record, params: Mapping[str, Any]) -> bool:
    age = params.get("age_seconds")
    return record.before is not None and (age is None or _age(world, record.updated_at) <= float(age))


def _age(world: World, moment: datetime) -> float:
    return (world.now() - moment) / timedelta(seconds=1)


def settled(world: World, activities: list[Activity]) -> list[Activity]:
    """Activities as a read sees them: a stale one lacks the newest."""
    if not activities:
        return []
    stale = world.faults.take(
        "stale_read", "bridge", route(), when=lambda params: _is_young(world, activities[-1], params)
    )
    return activities if stale is None else activities[:-1]


def _is_young(world: World, activity: Activity, params: Mapping[str, Any]) -> bool:
    age = params.get("age_seconds")
    return age is None or _age(world, activity.created_at) <= float(age)
