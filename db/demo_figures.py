"""What the demo counts at its end, out of our own tables; the sandbox's own books stand beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, text


@dataclass(frozen=True, slots=True)
class Progress:
    """Deposits by how they stand."""

    finished: int
    parked: int
    moving: int


def progress(engine: Engine) -> Progress:
    """How far the deposits are."""
    with engine.connect() as connection:
        row = connection.execute(
            text("""
                SELECT count(*) FILTER (WHERE status <> 'open') AS finished,
                       count(*) FILTER (WHERE status = 'open' AND parked_at IS NOT NULL) AS parked,
                       count(*) FILTER (WHERE status = 'open' AND parked_at IS NULL) AS moving
                  FROM flows
            """)
        ).one()
    return Progress(row.finished, row.parked, row.moving)


def summary(engine: Engine, provider_balances: Mapping[str, Any]) -> dict[str, Any]:
    """Flows, letters, breaks and ledger; `provider_balances` as the sandbox shows them."""
    with engine.connect() as connection:
        flows = connection.execute(
            text("""
                SELECT kind, count(*) AS started, count(*) FILTER (WHERE state = 'broker_funded') AS completed,
                       count(*) FILTER (WHERE parked_at IS NOT NULL AND status = 'open') AS parked,
                       count(*) FILTER (WHERE state = 'failed') AS failed,
                       count(*) FILTER (WHERE state = 'returned') AS returned,
                       count(*) FILTER (WHERE status = 'open' AND parked_at IS NULL) AS unfinished
                  FROM flows GROUP BY kind ORDER BY kind
            """)
        ).mappings()
        by_kind = {row["kind"]: dict(row) for row in flows}
        names = ("started", "completed", "parked", "failed", "returned", "unfinished")
        return {
            "flows": {name: {kind: row[name] for kind, row in by_kind.items()} for name in names},
            "recovered_by_polling": _one(connection, _FOUND_BY_POLL),
            "dead_letters": {
                "opened": _one(connection, "SELECT count(*) FROM dead_letters"),
                "replayed": _one(connection, "SELECT count(*) FROM dead_letters WHERE resolved_by = 'replay'"),
                "open": _one(connection, "SELECT count(*) FROM dead_letters WHERE status IN ('open', 'replaying')"),
            },
            "ledger": _ledger(connection, provider_balances),
            "reconciliation": {
                "runs": _one(connection, "SELECT count(*) FROM reconciliation_runs"),
                "breaks_opened": _one(connection, "SELECT count(*) FROM breaks"),
                "breaks_open": _one(connection, "SELECT count(*) FROM breaks WHERE status = 'open'"),
            },
            "seconds": _seconds(connection),
        }


_FOUND_BY_POLL = """
    SELECT count(*) FROM flows f JOIN transitions t ON t.flow_id = f.id AND t.from_state IS NULL
     WHERE t.reason LIKE 'poll %'
"""


def _one(connection: Connection, query: str) -> int:
    count: int = connection.execute(text(query)).scalar_one()
    return count


def _ledger(connection: Connection, shown: Mapping[str, Any]) -> dict[str, Any]:
    rows = connection.execute(
        text("""
            SELECT a.name, a.asset, s.scale, sum(p.amount) AS total
              FROM postings p JOIN ledger_accounts a ON a.id = p.account_id JOIN assets s ON s.code = a.asset
             WHERE a.name IN ('due:clearing', 'alpaca:custody') AND p.layer = 'posted'
             GROUP BY a.name, a.asset, s.scale
        """)
    )
    ours = {(row.name, row.asset): Decimal(row.total).scaleb(-row.scale) for row in rows}
    theirs = {("due:clearing", asset): Decimal(amount) for asset, amount in shown["due"].items()}
    customers = sum((Decimal(cash) for cash in shown["alpaca"]["accounts"].values()), Decimal(0))
    theirs["alpaca:custody", "USD"] = customers
    differences = {
        f"{name} {asset}": str(ours.get((name, asset), Decimal(0)) - theirs.get((name, asset), Decimal(0)))
        for name, asset in sorted({*ours, *theirs})
        if ours.get((name, asset), Decimal(0)) != theirs.get((name, asset), Decimal(0))
    }
    off = _one(connection, "SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY asset HAVING sum(amount) <> 0) o")
    return {
        "balanced": off == 0,
        "entries": _one(connection, "SELECT count(*) FROM journal_entries"),
        "clearing_differences": differences,
    }


def _seconds(connection: Connection) -> dict[str, float | None]:
    row = connection.execute(
        text("""
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - created_at)) AS p50,
                   percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - created_at)) AS p99
              FROM flows WHERE closed_at IS NOT NULL
        """)
    ).one()
    return {"p50": _rounded(row.p50), "p99": _rounded(row.p99)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 1)
