"""The timetable's jobs that ask our own database: what is stuck, what cannot be true, what is not needed any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from db import breaks, invariants, receipts, retention, silence, standing_breaks, stuck
from db.breaks import Found
from db.engine import UnitOfWork
from db.receipts import Unclaimed
from db.stuck import Limits, StuckFlow
from dispatch import jobs
from funding.flow import Flow
from funding.outcomes import BreakFound
from funding.ports.alpaca import AlpacaJournals
from funding.ports.ibex import IbexBalances
from ops.actions import firm_cash, token_balances
from workers.polls import Chore, Keep
from workers.walks import Superseded

STUCK_AT_ONCE: Final = 500
QUIET: Final = timedelta(hours=6)  # a provider that says nothing for so long, while somebody waits for it
UNREAD: Final = timedelta(hours=1)  # a listing nobody could walk to its end
UNCLAIMED: Final = timedelta(hours=24)
UNCLAIMED_AT_MOST: Final = timedelta(days=30)  # older ones have been told of, or belong to another age
UNCLAIMED_AT_ONCE: Final = 500
RETENTION_BATCH: Final = 500
RETENTION_BATCHES: Final = 2_000  # of each kind in one run: the rest is tomorrow's

log = structlog.get_logger(__name__)


def limits_of(flows: Mapping[str, Flow], chosen: Mapping[str, timedelta]) -> dict[tuple[str, str], timedelta]:
    """How long a flow may stay in each state: as its table says, or as chosen for "kind.state"."""
    table = {(flow.name, str(state)): limit for flow in flows.values() for state, limit in flow.limits.items()}
    return {key: chosen.get(".".join(key), limit) for key, limit in table.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """The chores of this process. `enabled`: providers that take new work.

    `alpaca`: to read the firm's own cash; `ibex`: to read what customers' accounts hold.
    """

    begin: UnitOfWork
    limits: Limits
    enabled: Sequence[str]
    alpaca: AlpacaJournals | None
    ibex: IbexBalances | None = None

    def chores(self) -> dict[str, Chore]:
        """Each by its job's name."""
        return {
            jobs.SWEEP_STUCK: lambda _: self.sweep_stuck(),
            jobs.INVARIANTS: lambda _: self.check_invariants(),
            jobs.SILENT_PROVIDERS: lambda _: self.find_silent(),
            jobs.UNCLAIMED_RECEIPTS: lambda _: self.find_unclaimed(),
            jobs.RETENTION: self.retain,
        }

    def sweep_stuck(self) -> str:
        """Open a break for each flow that is quiet too long, and close those of flows that moved on."""
        with self.begin() as connection:
            closed = stuck.close_moved_on(connection, self.limits)
            found = stuck.newly_stuck(connection, self.limits, limit=STUCK_AT_ONCE)
            for flow in sorted(found, key=lambda flow: flow.id):
                breaks.open_break(connection, _stuck(flow), found_by="sweep", flow=flow.id)
        if found:
            log.warning("flows.stuck", count=len(found))
        return f"{len(found)} newly stuck, {closed} moved on"

    def find_unclaimed(self) -> str:
        """Open a break for each receipt that no flow has taken for a day, and close those of receipts taken since."""
        with self.begin() as connection:
            closed = receipts.close_taken(connection)
            found = receipts.unclaimed(connection, age=UNCLAIMED, back=UNCLAIMED_AT_MOST, limit=UNCLAIMED_AT_ONCE)
            standing = [Found(_nobodys(one), at=one.happened_at) for one in found]
            breaks.open_breaks(connection, standing, found_by=receipts.FOUND_BY)
        if found:
            log.warning("receipts.unclaimed", count=len(found))
        return f"{len(found)} receipts unclaimed, {closed} taken"

    def check_invariants(self) -> str:
        """Make the open breaks of our invariants those found now; compare clearing accounts with shown balances."""
        with self.begin() as connection:
            found = invariants.violations(connection)
            standing = [Found(one) for one in found]
            standing_breaks.keep(connection, standing, found_by="invariant", types=invariants.TYPES)
        if found:
            log.error("invariants.violated", count=len(found), subjects=[one.subject for one in found[:5]])
        cash = firm_cash.compare(self.begin, self.alpaca) if self.alpaca else "no balance to compare"
        tokens = f"; {token_balances.compare(self.begin, self.ibex)}" if self.ibex else ""
        return f"{len(found)} violated; {cash}{tokens}"

    def find_silent(self) -> str:
        """Make the open breaks about silence those found now."""
        with self.begin() as connection:
            found = [
                *silence.silent_providers(connection, self.enabled, quiet=QUIET),
                *silence.unwalked_polls(connection, self.enabled, quiet=UNREAD),
            ]
            standing = [Found(one) for one in found]
            standing_breaks.keep(connection, standing, found_by="sweep", types=("silent_provider",))
        return f"{len(found)} silent"

    def retain(self, keep: Keep) -> str:
        """Clear what is old, in small batches, each a transaction of its own."""
        cleared = {what: self._clear(what, keep) for what in retention.STATEMENTS}
        return ", ".join(f"{count} {what}" for what, count in cleared.items())

    def _clear(self, what: str, keep: Keep) -> int:
        total = 0
        for _ in range(RETENTION_BATCHES):
            with self.begin() as connection:
                if not keep(connection):
                    raise Superseded
                count = retention.clear(connection, what, limit=RETENTION_BATCH)
            total += count
            if count < RETENTION_BATCH:
                break
        return total


def _nobodys(receipt: Unclaimed) -> BreakFound:
    at = f"{receipt.happened_at:%Y-%m-%d %H:%M} UTC"
    account = f"account {receipt.account}" + (f" of {receipt.customer}" if receipt.customer else ", which nobody has")
    return BreakFound(
        provider=receipt.provider,
        type=receipts.UNMATCHED,
        subject=receipt.subject,
        ours="no flow has taken it",
        theirs=f"{receipt.amount} came to {account}, at {at}: {receipt.status}",
        amount=receipt.amount,
        suggested_action=(
            "find what it was sent for: rampkeeper flows list --kind bridge_on_ramp --state sent_on_chain; if it is of "
            f"none of them, ask the customer, then {receipt.provider}"
        ),
    )


def _stuck(flow: StuckFlow) -> BreakFound:
    hours = flow.lasts.total_seconds() / 3600
    return BreakFound(
        provider=flow.provider or invariants.OURS,
        type="stuck",
        subject=str(flow.id),
        ours=f"{flow.kind} in {flow.state} for more than {hours:g} h",
        theirs=flow.waits_for,
        amount=flow.amount,
        suggested_action=f"rampkeeper flows show {flow.id}; ask the provider about its objects",
    )
