"""What must be true at the end of every history, read from the database and from the sandbox's own books."""

from collections.abc import Iterator
from decimal import Decimal

from sqlalchemy import Connection, Engine, text

from sandbox.world import World


def untrue(engine: Engine, world: World) -> list[str]:
    """Everything that is not as it must be, in words."""
    with engine.connect() as connection:
        return [
            *_deposits(connection, world),
            *_effects(connection, world),
            *_ledger(connection),
            *_clearing(connection, world),
            *_claims(connection),
        ]


def _deposits(connection: Connection, world: World) -> Iterator[str]:
    flows = {
        row.external_id: row
        for row in connection.execute(
            text("""
                SELECT r.external_id, f.state, f.status, f.parked_reason FROM flow_references r
                  JOIN flows f ON f.id = r.flow_id WHERE r.provider = 'due' AND r.kind = 'transfer'
            """)
        )
    }
    for transfer in world.due.transfers.values():
        if not transfer.received:
            continue
        flow = flows.get(transfer.id)
        if flow is None:
            yield f"deposit {transfer.id} ({transfer.status}) has no flow"
        elif flow.status == "open" and flow.parked_reason is None:
            yield f"deposit {transfer.id} ({transfer.status}) is neither finished nor parked: {flow.state}"
        elif flow.parked_reason is None:
            expected = {"payment_processed": "broker_funded", "failed": "failed"}.get(transfer.status, "returned")
            if flow.state != expected:
                yield f"deposit {transfer.id} is {transfer.status} at Due and {flow.state} here"


def _effects(connection: Connection, world: World) -> Iterator[str]:
    summary = world.effects.summary()
    parked = connection.execute(text("SELECT count(*) FROM flows WHERE parked_at IS NOT NULL")).scalar_one()
    if summary["duplicates"]:
        yield f"{summary['duplicates']} journals were made twice"
    if summary["unexpected"]:
        yield f"journals nobody asked for: {summary['unexpected']}"
    if len(summary["missing"]) > parked:
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
    # A flow parked with an unknown outcome may have its journal: it says so, and a replay finds it.
    parked = set(connection.execute(text("SELECT id::text FROM flows WHERE parked_at IS NOT NULL")).scalars())
    journals = world.alpaca.journals.by_id.values()
    executed = [j for j in journals if j.status == "executed" and j.description not in parked]
    at_alpaca = sum((journal.amount for journal in executed), Decimal(0)) * 100
    if held.get("alpaca:custody", Decimal(0)) != at_alpaca:
        yield f"customers hold {at_alpaca} cents at Alpaca, our custody account says {held.get('alpaca:custody', 0)}"


def _claims(connection: Connection) -> Iterator[str]:
    for row in connection.execute(text("SELECT id FROM flows WHERE attempt_id IS NOT NULL")):
        yield f"flow {row.id} is still claimed"
    for row in connection.execute(
        text("SELECT id, state, reason FROM inbox_events WHERE state NOT IN ('handled', 'ignored', 'deferred')")
    ):
        yield f"event {row.id} ended {row.state}: {row.reason}"
