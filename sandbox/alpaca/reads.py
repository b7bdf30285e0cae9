"""How Alpaca answers reads, misbehaviour included."""

from __future__ import annotations

from typing import Any

from sandbox.alpaca.journals import Journal
from sandbox.alpaca.ledger import BrokerageAccount
from sandbox.http import route
from sandbox.reads import cut_short, is_recent
from sandbox.world import World


def shown_journal(world: World, journal: Journal) -> dict[str, Any]:
    """One journal as this read sees it."""
    stale = world.faults.take(
        "stale_read", "alpaca", route(), when=lambda params: is_recent(world, journal.changed_at, params)
    )
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
            "stale_read", "alpaca", route(), when=lambda params: is_recent(world, changed_at, params)
        )
        if stale is not None:
            return world.alpaca.ledger.view(account, before[0])
    return world.alpaca.ledger.view(account)


def listed(world: World, journals: list[Journal]) -> list[dict[str, Any]]:
    """An array of journals; it may end early, and records may change right after it is made."""
    journals = cut_short(world, "alpaca", journals)
    view = [shown_journal(world, journal) for journal in journals]
    for journal in journals:
        if journal.coming_status and world.faults.take("changed_after_listed", "alpaca", route()) is not None:
            world.alpaca.journals.advance(journal)
    return view
