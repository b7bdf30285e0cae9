"""How Alpaca answers reads, misbehaviour included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sandbox.alpaca.journals import Journal
from sandbox.alpaca.ledger import BrokerageAccount
from sandbox.http import route
from sandbox.world import World


def shown_journal(world: World, journal: Journal) -> dict[str, Any]:
    """One journal as this read sees it."""
    stale = world.faults.take("stale_read", "alpaca", route(), when=lambda params: _recent(world, journal, params))
    if stale is not None and journal.before is not None:
        return dict(journal.before)
    unknown = world.faults.take("unknown_status", "alpaca", route())
    view = journal.as_json()
    return view if unknown is None else view | {"status": unknown.get("status", "under_observation")}


def shown_account(world: World, account: BrokerageAccount) -> dict[str, Any]:
    """One trading account as this read sees it; a stale one shows the cash before its last change."""
    before = account.before
    if before is not None:
        changed_at = before[1]
        stale = world.faults.take(
            "stale_read", "alpaca", route(), when=lambda params: _within_age(world, changed_at, params)
        )
        if stale is not None:
            return world.alpaca.ledger.view(account, before[0])
    return world.alpaca.ledger.view(account)


def listed(world: World, journals: list[Journal]) -> list[dict[str, Any]]:
    """An array of journals; it may end early, and records may change right after it is made."""
    journals = cut_short(world, journals)
    view = [shown_journal(world, journal) for journal in journals]
    for journal in journals:
        if journal.coming_status and world.faults.take("changed_after_listed", "alpaca", route()) is not None:
            world.alpaca.journals.advance(journal)
    return view


def cut_short(world: World, items: list[Any]) -> list[Any]:
    """The listing, or as much of it as a fault leaves."""
    if len(items) > 1 and (params := world.faults.take("truncated_listing", "alpaca", route())) is not None:
        return items[: max(1, int(len(items) * float(params.get("keep", 0.5))))]
    return items


def _recent(world: World, journal: Journal, params: Mapping[str, Any]) -> bool:
    return journal.changed_at is not None and _within_age(world, journal.changed_at, params)


def _within_age(world: World, changed_at: datetime, params: Mapping[str, Any]) -> bool:
    age = params.get("age_seconds")
    return age is None or world.now() - changed_at <= timedelta(seconds=float(age))
