"""What faults do to a read, whichever provider answers it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sandbox.http import route
from sandbox.world import World

Item = TypeVar("Item")


def cut_short(world: World, provider: str, items: list[Item]) -> list[Item]:
    """A listing, or as much of it as a fault leaves."""
    if len(items) > 1 and (params := world.faults.take("truncated_listing", provider, route())) is not None:
        return items[: max(1, int(len(items) * float(params.get("keep", 0.5))))]
    return items


def is_recent(world: World, changed_at: datetime | None, params: Mapping[str, Any]) -> bool:
    """Whether something changed lately enough for a fault to show it as it was before."""
    age = params.get("age_seconds")
    return changed_at is not None and (age is None or world.now() - changed_at <= timedelta(seconds=float(age)))
