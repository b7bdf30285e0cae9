"""The timetable's jobs that ask our own database: what is stuck, what cannot be true, what is not needed any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from db import breaks, invariants, recording, retention, silence, standing_breaks, stuck
from db.breaks import Found
from db.engine import UnitOfWork
from db.invariants import BALANCE, Clearing
from db.stuck import Limits, StuckFlow
from dispatch import jobs
from funding.flow import Flow
from funding.money import Money
from funding.outcomes import BalanceReading, BreakFound
from funding.ports import AlpacaJournals
from workers.polls import Chore, Keep
from workers.walks import Superseded

STUCK_AT_ONCE: Final = 500
QUIET: Final = timedelta(hours=6)  # a provider that says nothing for so long, while somebody waits for it
UNREAD: Final = timedelta(hours=1)  # a listing nobody could walk to its end
RETENTION_BATCH: Final = 500
RETENTION_BATCHES: Final = 2_000  # of each kind in one run: the rest is tomorrow's

log = structlog.get_logger(__name__)


def limits_of(flows: Mapping[str, Flow], chosen: Mapping[str, timedelta]) -> dict[tuple[str, str], timedelta]:
    """How long a flow may stay in each state: as its table says, or as chosen for "kind.state"."""
    table = {(flow.name, str(state)): limit for flow in flows.values() for state, limit in flow.limits.items()}
    return {key: chosen.get(".".join(key), limit) for key, limit in table.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """The chores of this process. `enabled`: providers that take new work; `alpaca`: to read the firm's own cash."""

    begin: UnitOfWork
    limits: Limits
    enabled: Sequence[str]
    alpaca: AlpacaJournals | None

    def chores(self) -> dict[str, Chore]:
        """Each by its job's name."""
        return {
            jobs.SWEEP_STUCK: lambda _: self.sweep_stuck(),
            jobs.INVARIANTS: lambda _: self.check_invariants(),
            jobs.SILENT_PROVIDERS: lambda _: self.find_silent(),
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

    def check_invariants(self) -> str:
        """Make the open breaks of our invariants those found now; compare clearing accounts with shown balances."""
        with self.begin() as connection:
            found = invariants.violations(connection)
            standing = [Found(one) for one in found]
            standing_breaks.keep(connection, standing, found_by="invariant", types=invariants.TYPES)
        if found:
            log.error("invariants.violated", count=len(found), subjects=[one.subject for one in found[:5]])
        return f"{len(found)} violated; {self._compare_firm_cash()}"

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

    def _compare_firm_cash(self) -> str:
        """Our books against the firm's cash as Alpaca shows it, when nothing moved before, during or just after."""
        if self.alpaca is None:
            return "no balance to compare"
        before = self._clearing()
        if before.moving:
            return "firm cash is moving"
        firm = self.alpaca.firm_account
        cash = self.alpaca.get_balances(firm).cash
        with self.begin() as connection:
            recording.add_readings(
                connection, [BalanceReading(provider="alpaca", account=firm, name="cash", amount=cash)], customer=None
            )
            if _clearing(connection) != before:
                return "firm cash is moving"
            difference = Money(cash.minor - before.amount.minor, cash.asset)
            opening = invariants.before_our_books(connection, "alpaca", firm, difference)
            return _tell_difference(connection, before.amount, cash, opening)

    def _clearing(self) -> Clearing:
        with self.begin() as connection:
            return _clearing(connection)


def _clearing(connection: Connection) -> Clearing:
    return invariants.clearing(connection, "alpaca", "USD", cash_poll="activities")


def _tell_difference(connection: Connection, ours: Money, theirs: Money, opening: Money) -> str:
    """Open or close the break of the firm's cash."""
    subject = "alpaca:clearing USD"
    off = theirs.minor - ours.minor - opening.minor
    if off == 0:
        standing_breaks.close(connection, "alpaca", BALANCE, subject, note="the balances agree again")
        return "firm cash agrees"
    found = BreakFound(
        provider="alpaca",
        type=BALANCE,
        subject=subject,
        ours=str(Money(ours.minor + opening.minor, ours.asset)),
        theirs=str(theirs),
        amount=Money(abs(off), ours.asset),
        suggested_action="compare the firm account's activities at Alpaca with rampkeeper ledger entries",
    )
    breaks.open_break(connection, found, found_by="sweep")
    log.error("firm_cash.differs", off_minor=off)
    return "firm cash differs"


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
