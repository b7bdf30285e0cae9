"""How Due answers reads, misbehaviour included: stale, drifting, cut short, in a status nobody knows."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import request

from sandbox import amounts
from sandbox.due import views
from sandbox.due.errors import invalid
from sandbox.due.model import Side, Transfer
from sandbox.http import route, whole_number
from sandbox.times import parse
from sandbox.world import World

_DEFAULT_LIMIT = 50
_LARGEST_LIMIT = 100


def shown(world: World, transfer: Transfer) -> dict[str, Any]:
    """One transfer as this read sees it."""
    where = ("due", route())
    drift = world.faults.take("amount_changed", *where, when=lambda params: _may_drift(transfer, params))
    if drift is not None:
        _drift(world, transfer, drift)
    transfer.reads += 1
    stale = world.faults.take("stale_read", *where, when=lambda params: _may_be_stale(world, transfer, params))
    if stale is not None and transfer.before is not None:
        return dict(transfer.before)
    view = views.transfer(transfer, world.config.time_digits)
    unknown = world.faults.take("unknown_status", *where)
    return view if unknown is None else view | {"status": unknown.get("status", "under_observation")}


def listed(world: World, transfers: list[Transfer]) -> dict[str, Any]:
    """A page `{items, next}` of transfers (oldest first as given); records may change right after it is made."""
    page, following = paged(world, transfers)
    view = {"items": [shown(world, transfer) for transfer in page], "next": following}
    for transfer in page:
        if transfer.script and world.faults.take("changed_after_listed", "due", route()) is not None:
            world.due.life.advance(transfer)
    return view


def paged(world: World, items: list[Any]) -> tuple[list[Any], str | None]:
    """One page of numbered items by `limit`, `order`, `startDate`, `endDate` (of creation) and `next`.

    The cursor names the last item given, so that what is added meanwhile moves nothing. Raises: DueError 422.
    """
    try:
        limit = whole_number("limit", _DEFAULT_LIMIT, _LARGEST_LIMIT)
        start, end = _moment("startDate"), _moment("endDate")
        mark = _decode(request.args.get("next"))
    except ValueError as error:
        raise invalid(query=str(error)) from error
    order = request.args.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise invalid(order="asc or desc")
    found = [item for item in items if _within(item, start, end)]
    if order == "desc":
        found.reverse()
    if mark is not None:
        found = [item for item in found if (item.number > mark if order == "asc" else item.number < mark)]
    page = found[:limit]
    following = _encode(page[-1].number) if len(found) > limit else None
    if len(page) > 1 and (params := world.faults.take("truncated_listing", "due", route())) is not None:
        return page[: max(1, int(len(page) * float(params.get("keep", 0.5))))], None
    return page, following


def _within(item: Any, start: datetime | None, end: datetime | None) -> bool:
    at: datetime | None = getattr(item, "created_at", None) or getattr(item, "occurred_at", None)
    return at is None or ((start is None or at >= start) and (end is None or at <= end))


def _moment(name: str) -> datetime | None:
    text = request.args.get(name)
    return parse(text.replace(" ", "+")) if text else None  # a plus sign sent bare arrives as a space


def _encode(number: int) -> str:
    return base64.urlsafe_b64encode(f"after:{number}".encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> int | None:
    if not cursor:
        return None
    try:
        word, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        if word == "after":
            return int(number)
    except ValueError:
        pass
    raise ValueError("next is not a cursor of ours")


def _side(transfer: Transfer, params: Mapping[str, Any]) -> Side:
    return transfer.source if params.get("side") == "source" else transfer.destination


def _may_drift(transfer: Transfer, params: Mapping[str, Any]) -> bool:
    at_status = transfer.status == params.get("status", "payment_processed")
    return at_status and not transfer.amount_drifted and transfer.reads >= int(params.get("after_reads", 0))


def _drift(world: World, transfer: Transfer, params: Mapping[str, Any]) -> None:
    """Change the amount for good, once: this read and all later ones differ from those before."""
    world.due.life.remember(transfer)
    side, delta = _side(transfer, params), str(params.get("delta", "-1.00"))
    change = amounts.parse(delta.lstrip("-"))
    side.amount = max(side.amount - change, side.amount * 0) if delta.startswith("-") else side.amount + change
    transfer.amount_drifted = True


def _may_be_stale(world: World, transfer: Transfer, params: Mapping[str, Any]) -> bool:
    if transfer.before is None or transfer.changed_at is None:
        return False
    age = params.get("age_seconds")
    return age is None or world.now() - transfer.changed_at <= timedelta(seconds=float(age))
