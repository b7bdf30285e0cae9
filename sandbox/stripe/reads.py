"""How Stripe answers reads, misbehaviour included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Protocol, runtime_checkable

from sandbox.http import route
from sandbox.stripe.model import Record
from sandbox.world import World


@runtime_checkable
class Drifting(Protocol):
    """An object whose amount a fault can change."""

    drifted: bool
    settled: ClassVar[str]  # the status in which a change is a surprise

    def drift(self, delta: str) -> None:
        """Change the amount by decimal text in major units."""


def shown(world: World, record: Record) -> dict[str, Any]:
    """One object as this read sees it."""
    where = ("stripe", route())
    if isinstance(record, Drifting):
        drift = world.faults.take("amount_changed", *where, when=lambda params: _may_drift(record, params))
        if drift is not None:
            record.remember(world.config, world.now())
            record.drift(str(drift.get("delta", "-1.00")))
            record.drifted = True  # for good, once: this read and all later ones differ from those before
    record.reads += 1
    stale = world.faults.take("stale_read", *where, when=lambda params: _may_be_stale(world, record, params))
    if stale is not None and record.before is not None:
        return dict(record.before)
    view = record.as_json(world.config)
    if "status" not in view:
        return view
    unknown = world.faults.take("unknown_status", *where)
    return view if unknown is None else view | {"status": unknown.get("status", "under_observation")}


def _may_drift(record: Any, params: Mapping[str, Any]) -> bool:
    at_status = record.status == params.get("status", record.settled)
    return at_status and not record.drifted and record.reads >= int(params.get("after_reads", 0))


def _may_be_stale(world: World, record: Record, params: Mapping[str, Any]) -> bool:
    if record.before is None or record.changed_at is None:
        return False
    age = params.get("age_seconds")
    return age is None or world.now() - record.changed_at <= timedelta(seconds=float(age))
