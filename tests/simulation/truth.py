"""What must be true at the end of every history, read from the database and from the sandbox's own books."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from db import invariants
from db.engine import UnitOfWork
from sandbox.world import World
from tests.simulation.quick import Connects
from tests.simulation.ramp_truth import untrue_of_ramps

# A flow parked with an unknown outcome may have its journal: it says so, and a replay finds it. An abandoned one stays
# as it was, and a person settles the rest.
_LEFT = text("""
    SELECT id::text FROM flows
     WHERE kind = 'due_deposit'
       AND (parked_at IS NOT NULL OR (status = 'closed' AND state NOT IN ('returned', 'failed', 'broker_funded')))
""")
_BOOKED = text("""
    SELECT split_part(e.cause, '/', 3) AS journal, sum(p.amount)::bigint AS cents
      FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
     WHERE e.cause LIKE 'alpaca/journal/%' AND a.name = 'alpaca:custody' AND p.layer = 'posted' GROUP BY 1
""")
_HELD = text("""
    SELECT sum(p.amount)::bigint FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
     WHERE a.name = 'alpaca:clearing' AND p.layer = 'posted'
       AND EXISTS (SELECT FROM poll_marks WHERE poll = 'activities' AND high_water_mark IS NOT NULL)
""")
_KEPT = text("""
    SELECT provider, event_id FROM inbox_events
     WHERE (provider, event_id) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:ids AS text[])))
""")
_STALE_TERM = text("""
    SELECT late.job, late.slot, late.term FROM ticks late
     WHERE EXISTS (SELECT FROM ticks t WHERE t.term > late.term AND t.slot < late.slot)
""")
_HELD_BACK = text("""
    SELECT e.id, e.waits_for FROM inbox_events e
      JOIN flow_references r ON e.waits_for = r.provider || '/' || r.kind || '/' || r.external_id
     WHERE e.state = 'deferred'  -- after clocks were set back, what was due at once is due later
       AND e.due_at > greatest(rk_now(), (SELECT max(a.finished_at) FROM attempts a WHERE a.flow_id = r.flow_id))
""")
_HELD_BY = text("SELECT attempt_id, wakes FROM flows WHERE session_id = :session AND attempt_id IS NOT NULL")
_OVERHEARD = text("""
    SELECT f.id, f.state
      FROM unnest(CAST(:attempts AS uuid[]), CAST(:wakes AS bigint[])) AS held(attempt, wakes)
      JOIN attempts a ON a.id = held.attempt JOIN flows f ON f.id = a.flow_id AND f.fence = a.fence
     WHERE a.outcome <> 'lost' AND f.attempt_id IS NULL AND f.status <> 'closed' AND f.wakes <> held.wakes
       AND coalesce(f.due_at > greatest(a.finished_at, rk_now()), true)
""")
_UNEXPLAINED = text("""
    SELECT f.id, f.state FROM flows f WHERE f.parked_at IS NOT NULL AND NOT EXISTS (
      SELECT FROM dead_letters d WHERE d.flow_id = f.id AND d.status IN ('open', 'replaying') AND d.message <> '')
""")
_UNATTEMPTED = text("""
    SELECT t.flow_id, t.from_state, t.to_state FROM transitions t
     WHERE t.attempt_id IS NOT NULL AND NOT EXISTS (SELECT FROM attempts a WHERE a.id = t.attempt_id)
""")


def untrue(engine: Connects, world: World) -> list[str]:
    """Everything that is not as it must be, in words."""
    with engine.connect() as connection:
        return list(_at_any_end(connection, world))


def untrue_at_the_end(world: World, begin: UnitOfWork) -> list[str]:
    """The same, and what only holds once every poll has walked: journal by journal, to the firm's last cent.

    `begin` opens transactions at the history's own time.
    """
    with begin() as connection:
        return [
            *_at_any_end(connection, world),
            *(
                f"invariant: {found.subject}: {found.ours}, {found.theirs}"
                for found in invariants.violations(connection)
            ),
            *(f"flow {row.id} is parked in {row.state} without a letter" for row in connection.execute(_UNEXPLAINED)),
            *(
                f"flow {row.flow_id} went from {row.from_state} to {row.to_state} by an attempt that was forgotten"
                for row in connection.execute(_UNATTEMPTED)
            ),
            *_journals(connection, world),
            *untrue_of_ramps(connection, world),
            *(
                f"the tick of {row.job} at {row.slot} is of term {row.term}, which was over"
                for row in connection.execute(_STALE_TERM)
            ),
        ]


def held_back(begin: UnitOfWork) -> list[str]:
    """Events that wait though what they wait for is known."""
    with begin() as connection:
        return [
            f"event {row.id} still waits for {row.waits_for}, which is known" for row in connection.execute(_HELD_BACK)
        ]


def held_by(begin: UnitOfWork, session: UUID) -> dict[UUID, int]:
    """What a worker has claimed: how often each flow had been woken by now, by the attempt."""
    with begin() as connection:
        rows = connection.execute(_HELD_BY, {"session": session})
        return {row.attempt_id: row.wakes for row in rows}


def overheard(begin: UnitOfWork, held: Mapping[UUID, int]) -> list[str]:
    """Flows that were woken while a step of theirs stood still, and that its record sent to sleep all the same."""
    if not held:
        return []
    with begin() as connection:
        asked = {"attempts": list(held), "wakes": list(held.values())}
        return [
            f"flow {row.id} was woken during a step and sleeps in {row.state}"
            for row in connection.execute(_OVERHEARD, asked)
        ]


def broken_promises(begin: UnitOfWork, promised: Collection[tuple[str, str]]) -> list[str]:
    """Events, by provider and id, that the door said it had."""
    with begin() as connection:
        asked = {"providers": [one for one, _ in promised], "ids": [one for _, one in promised]}
        kept = {(row.provider, row.event_id) for row in connection.execute(_KEPT, asked)}
        lost = sorted({*promised} - kept)
        return [f"event {one} of {provider} was answered with 200 and is not in the inbox" for provider, one in lost]


def _at_any_end(connection: Connection, world: World) -> Iterator[str]:
    yield from _deposits(connection, world)
    yield from _effects(connection, world)
    yield from _ledger(connection)
    yield from _clearing(connection, world)
    yield from _claims(connection)


def _deposits(connection: Connection, world: World) -> Iterator[str]:
    flows = {
        row.external_id: row
        for row in connection.execute(
            text("""
                SELECT r.external_id, f.id::text AS id, f.state, f.status, f.parked_reason
                  FROM flow_references r
                  JOIN flows f ON f.id = r.flow_id WHERE r.provider = 'due' AND r.kind = 'transfer'
            """)
        )
    }
    left = set(connection.execute(_LEFT).scalars())
    for transfer in world.due.transfers.values():
        if not transfer.received:
            continue
        flow = flows.get(transfer.id)
        if flow is None:
            yield f"deposit {transfer.id} ({transfer.status}) has no flow"
        elif flow.status == "open" and flow.parked_reason is None:
            yield f"deposit {transfer.id} ({transfer.status}) is neither finished nor parked: {flow.state}"
        elif flow.id not in left:
            expected = {"payment_processed": "broker_funded", "failed": "failed"}.get(transfer.status, "returned")
            if flow.state != expected:
                yield f"deposit {transfer.id} is {transfer.status} at Due and {flow.state} here"


def _effects(connection: Connection, world: World) -> Iterator[str]:
    summary = world.effects.summary()
    left = len(connection.execute(_LEFT).all())
    if summary["duplicates"]:
        yield f"{summary['duplicates']} journals were made twice"
    if summary["unexpected"]:
        yield f"journals nobody asked for: {summary['unexpected']}"
    if len(summary["missing"]) > left:
        yield f"journals that were never made: {summary['missing']}"
    funded = connection.execute(text("SELECT count(*) FROM flows WHERE state = 'broker_funded'")).scalar_one()
    if funded > summary["made"]:
        yield f"{funded} deposits are funded here, {summary['made']} journals stand at Alpaca"


def _ledger(connection: Connection) -> Iterator[str]:
    for row in connection.execute(
        text("SELECT asset, layer, sum(amount) AS off FROM postings GROUP BY asset, layer HAVING sum(amount) <> 0")
    ):
        yield f"the trial balance of {row.asset} ({row.layer}) is off by {row.off}"
    for row in connection.execute(
        text("""
            SELECT a.owner, a.name, a.asset, b.posted, b.pending,
                   coalesce(-sum(p.amount) FILTER (WHERE p.layer = 'posted'), 0) AS posted_sum,
                   coalesce(sum(p.amount) FILTER (WHERE p.layer = 'pending'), 0) AS pending_sum
              FROM balances b JOIN ledger_accounts a ON a.id = b.account_id LEFT JOIN postings p ON p.account_id = a.id
             GROUP BY a.owner, a.name, a.asset, b.posted, b.pending
        """)
    ):
        if (row.posted, row.pending) != (row.posted_sum, row.pending_sum):
            yield f"the balance {row.owner}/{row.name}/{row.asset} is not the sum of its postings"


def _clearing(connection: Connection, world: World) -> Iterator[str]:
    """Each clearing account equals the provider's own balance."""
    held = {
        row.name: Decimal(row.total)
        for row in connection.execute(
            text("""
                SELECT a.name, sum(p.amount) AS total FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
                 WHERE a.name IN ('due:clearing', 'alpaca:custody') AND p.layer = 'posted' GROUP BY a.name
            """)
        )
    }
    at_due = Decimal(world.due.balances().get("USDC", "0")) * 10**6
    if held.get("due:clearing", Decimal(0)) != at_due:
        yield f"Due holds {at_due} millionths of USDC, our clearing account says {held.get('due:clearing', 0)}"
    booked = _booked(connection)
    if sum(booked.values()) != held.get("alpaca:custody", Decimal(0)):
        yield "our custody account holds what no journal brought"
    left = set(connection.execute(_LEFT).scalars())
    for journal in world.alpaca.journals.by_id.values():
        there = int(journal.amount * 100) if journal.status == "executed" else 0
        if booked.get(journal.id, 0) != there and journal.description.partition(" ")[0] not in left:
            yield f"journal {journal.id} is of {there} cents at Alpaca, of {booked.get(journal.id, 0)} here"


def _booked(connection: Connection) -> Mapping[str, int]:
    """What our books say that each journal brought to customers, in cents."""
    return {row.journal: row.cents for row in connection.execute(_BOOKED)}


def _journals(connection: Connection, world: World) -> Iterator[str]:
    """The firm's cash, but for journals whose flow was left before it knew of them."""
    booked = _booked(connection)
    executed = [one for one in world.alpaca.journals.by_id.values() if one.status == "executed"]
    unknown = sum(int(one.amount * 100) for one in executed) - sum(booked.values())
    ours = connection.execute(_HELD).scalar_one()
    if ours is None:
        return  # nobody polled for it
    theirs = int(world.alpaca.ledger.account(world.alpaca.firm_account_id).cash * 100)
    if ours != theirs + unknown:
        yield f"the firm has {theirs} cents at Alpaca, our clearing account says {ours} with {unknown} not known here"


def _claims(connection: Connection) -> Iterator[str]:
    for row in connection.execute(text("SELECT id FROM flows WHERE attempt_id IS NOT NULL")):
        yield f"flow {row.id} is still claimed"
    for row in connection.execute(
        text("SELECT id, state, reason FROM inbox_events WHERE state NOT IN ('handled', 'ignored', 'deferred')")
    ):
        yield f"event {row.id} ended {row.state}: {row.reason}"
