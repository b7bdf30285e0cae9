"""What must always hold of our own rows. Each check gives what it found wrong: nothing, on a good day."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from funding.money import Money
from funding.outcomes import BreakFound

OURS: Final = "rampkeeper"  # stands for a provider in breaks that are about ourselves
BALANCE: Final = "balance_differs"
STUCK: Final = "stuck"
TYPES: Final = (BALANCE, STUCK)
ASK_DEVELOPERS: Final = "stop writing to the ledger by hand, keep a copy of the database, and call the developers"

_TRIAL_BALANCE = text("""
    SELECT asset, layer, sum(amount) AS off FROM postings GROUP BY asset, layer HAVING sum(amount) <> 0
""")

_BALANCES = text("""
    SELECT a.owner, a.name, a.asset, coalesce(b.posted, 0) AS posted, coalesce(b.pending, 0) AS pending,
           coalesce(s.posted, 0) AS sum_posted, coalesce(s.pending, 0) AS sum_pending
      FROM ledger_accounts a LEFT JOIN balances b ON b.account_id = a.id
      LEFT JOIN (SELECT account_id, -coalesce(sum(amount) FILTER (WHERE layer = 'posted'), 0) AS posted,
                        coalesce(sum(amount) FILTER (WHERE layer = 'pending'), 0) AS pending
                   FROM postings GROUP BY account_id) s ON s.account_id = a.id
     WHERE a.owner <> 'house'
       AND (coalesce(b.posted, 0) <> coalesce(s.posted, 0) OR coalesce(b.pending, 0) <> coalesce(s.pending, 0))
     ORDER BY a.id LIMIT 100
""")

_FORGOTTEN = text("""
    SELECT id, kind, state, provider FROM flows
     WHERE status = 'open' AND due_at IS NULL AND attempt_id IS NULL AND parked_at IS NULL ORDER BY moved_at LIMIT 100
""")

# The leader frees a dead worker's claims within seconds: a minute later one must be gone.
_OWNERLESS = text("""
    SELECT f.id, f.kind, f.state, f.session_id FROM flows f
     WHERE f.attempt_id IS NOT NULL AND f.claimed_at < rk_now() - interval '1 minute'
       AND NOT EXISTS (SELECT FROM worker_sessions s
                        WHERE s.id = f.session_id AND s.ended_at IS NULL
                          AND (s.dead_at IS NULL OR s.dead_at > rk_now() - interval '1 minute'))
     ORDER BY f.claimed_at LIMIT 100
""")


def violations(connection: Connection) -> list[BreakFound]:
    """Everything found wrong now. Reads all postings and all claims, in one snapshot a check; no locks."""
    return [
        *trial_balance(connection),
        *balances(connection),
        *forgotten_flows(connection),
        *ownerless_claims(connection),
    ]


def trial_balance(connection: Connection) -> Iterator[BreakFound]:
    """All postings of an asset sum to zero, held ones apart. Reads every posting."""
    for row in connection.execute(_TRIAL_BALANCE):
        yield BreakFound(
            provider=OURS,
            type=BALANCE,
            subject=f"trial balance {row.asset} {row.layer}",
            ours=str(row.off),
            theirs="0",
            amount=Money(abs(int(row.off)), row.asset),
            suggested_action=ASK_DEVELOPERS,
        )


def balances(connection: Connection) -> Iterator[BreakFound]:
    """A customer's balance is the sum of its postings; a missing one is none. Reads every posting, names up to 100."""
    for row in connection.execute(_BALANCES):
        yield BreakFound(
            provider=OURS,
            type=BALANCE,
            subject=f"{row.owner} {row.name} {row.asset}",
            ours=f"posted {row.posted}, pending {row.pending}",
            theirs=f"postings sum to {row.sum_posted} and {row.sum_pending}",
            amount=Money(abs(int(row.posted - row.sum_posted)) + abs(int(row.pending - row.sum_pending)), row.asset),
            suggested_action=ASK_DEVELOPERS,
        )


def forgotten_flows(connection: Connection) -> Iterator[BreakFound]:
    """No open flow is without a due time, a claim or a parking. Served by ix_flows_open_moved_at."""
    for row in connection.execute(_FORGOTTEN):
        yield BreakFound(
            provider=OURS,
            type=STUCK,
            subject=f"flow {row.id} is not due",
            ours=f"{row.kind} {row.state}",
            theirs="neither due, nor claimed, nor parked",
            suggested_action=f"rampkeeper flows wake {row.id}",
        )


def ownerless_claims(connection: Connection) -> Iterator[BreakFound]:
    """No claim is without a live session for long. Served by ix_flows_claimed."""
    for row in connection.execute(_OWNERLESS):
        yield BreakFound(
            provider=OURS,
            type=STUCK,
            subject=f"flow {row.id} is claimed by nobody",
            ours=f"{row.kind} {row.state}",
            theirs=f"session {row.session_id} is gone",
            suggested_action="see that a clock is running: its leader frees the claims of workers that are gone",
        )


# A provider's own balance ---------------------------------------------------------------------------------------------

_CLEARING = text("""
    SELECT coalesce(sum(p.amount), 0) AS posted, count(*) AS postings,
           coalesce(max(e.recorded_at) > rk_now() - interval '1 minute', false)
           OR EXISTS (SELECT FROM flows WHERE status = 'open' AND provider = :provider)
           OR NOT EXISTS (SELECT FROM poll_marks WHERE provider = :provider AND poll = :cash_poll
                                                   AND high_water_mark IS NOT NULL) AS moving
      FROM ledger_accounts a
      JOIN postings p ON p.account_id = a.id AND p.layer = 'posted'
      JOIN journal_entries e ON e.id = p.entry_id
     WHERE a.owner = 'house' AND a.name = :name AND a.asset = :asset
""")

# Cash that was there before our books began is no difference: what the first comparison found is kept and allowed for.
_OPENING = text("""
    INSERT INTO balance_readings AS r (provider, account, name, asset, amount)
    VALUES (:provider, :account, 'before_our_books', :asset, :amount)
    ON CONFLICT (provider, account, name, asset) DO UPDATE SET amount = r.amount
    RETURNING amount
""")


@dataclass(frozen=True, slots=True)
class Clearing:
    """What our books hold at a provider. `moving`: money is on its way, so that no comparison would mean anything."""

    amount: Money
    postings: int
    moving: bool


def clearing(connection: Connection, provider: str, asset: str, *, cash_poll: str) -> Clearing:
    """The clearing account of a provider, summed by ix_postings_account. `cash_poll` tells us of cash from outside."""
    values = {"provider": provider, "name": f"{provider}:clearing", "asset": asset, "cash_poll": cash_poll}
    row = connection.execute(_CLEARING, values).one()
    return Clearing(Money(int(row.posted), asset), row.postings, row.moving)


def before_our_books(connection: Connection, provider: str, account: str, difference: Money) -> Money:
    """What the provider held that our books never knew of: `difference`, if nobody has written one down before."""
    values = {"provider": provider, "account": account, "asset": difference.asset, "amount": difference.minor}
    return Money(int(connection.execute(_OPENING, values).scalar_one()), difference.asset)
