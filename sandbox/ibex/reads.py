"""How Ibex answers reads, misbehaviour included: stale, drifting, cut short, in a status nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox import amounts
from sandbox.http import route
from sandbox.ibex import views
from sandbox.ibex.model import Account, Transaction
from sandbox.reads import cut_short, is_recent
from sandbox.world import World


def shown(world: World, one: Transaction) -> dict[str, Any]:
    """One transaction as this read sees it."""
    where = ("ibex", route())
    drift = world.faults.take("amount_changed", *where, when=lambda params: _may_drift(one, params))
    if drift is not None:
        _drift(world, one, drift)
    one.reads += 1
    stale = world.faults.take("stale_read", *where, when=lambda params: is_recent(world, one.changed_at, params))
    if stale is not None and one.before is not None:
        return dict(one.before)
    view = views.transaction(one, world.config)
    unknown = world.faults.take("unknown_status", *where)
    return view if unknown is None else view | {"status": unknown.get("status", "under_observation")}


def shown_balance(world: World, account: Account) -> Decimal:
    """A balance as this read sees it; a stale one is that before the last change."""
    if account.before is not None:
        balance, changed_at = account.before
        where = ("ibex", route())
        if (
            world.faults.take("stale_read", *where, when=lambda params: is_recent(world, changed_at, params))
            is not None
        ):
            return balance
    return account.balance


def listed(world: World, page: list[Transaction]) -> list[dict[str, Any]]:
    """A page of transactions; it may end early, and records may change right after it is made."""
    page = cut_short(world, "ibex", page)
    view = [shown(world, one) for one in page]
    for one in page:
        if one.coming_status and world.faults.take("changed_after_listed", "ibex", route()) is not None:
            world.ibex.life.advance(one)
    return view


def _may_drift(one: Transaction, params: Mapping[str, Any]) -> bool:
    at_status = one.status == params.get("status", "completed")
    return at_status and not one.amount_drifted and one.reads >= int(params.get("after_reads", 0))


def _drift(world: World, one: Transaction, params: Mapping[str, Any]) -> None:
    """Change the amount for good, once: this read and all later ones differ from those before."""
    world.ibex.life.remember(one)
    delta = str(params.get("delta", "-1.00"))
    change = amounts.parse(delta.lstrip("-"))
    one.amount = max(one.amount - change, Decimal(0)) if delta.startswith("-") else one.amount + change
    one.amount_drifted = True
