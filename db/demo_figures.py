"""What the demo counts at its end, out of our own tables; the sandbox's own books stand beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One balance as our ledger and as the provider itself has it, in major units."""

    account: str
    asset: str
    ours: Decimal
    theirs: Decimal
    of_customer: bool = False

    @property
    def difference(self) -> Decimal:
        """Ours less theirs."""
        return self.ours - self.theirs


def summary(engine: Engine, books: list[Compared]) -> dict[str, Any]:
    """Flows, letters, breaks and ledger; `books` from `compare_books`."""
    with engine.connect() as connection:
        return {
            "flows": _flows(connection),
            "recovered_by_polling": _one(connection, _FOUND_BY_POLL),
            "dead_letters": {
                "opened": _one(connection, "SELECT count(*) FROM dead_letters"),
                "replayed": _one(connection, "SELECT count(*) FROM dead_letters WHERE resolved_by = 'replay'"),
                "open": _one(connection, "SELECT count(*) FROM dead_letters WHERE status IN ('open', 'replaying')"),
            },
            "ledger": _ledger(connection, books),
            "reconciliation": {
                "runs": _one(connection, "SELECT count(*) FROM reconciliation_runs WHERE status = 'finished'"),
                "breaks_opened": _one(connection, "SELECT count(*) FROM breaks"),
                "breaks_open": _one(connection, "SELECT count(*) FROM breaks WHERE status = 'open'"),
            },
        }


# A deposit is recovered by polling when every webhook that could have opened it was lost or late: a poll opened it.
_FOUND_BY_POLL = """
    SELECT count(*) FROM flows f JOIN transitions t ON t.flow_id = f.id AND t.from_state IS NULL
     WHERE t.reason LIKE 'poll %'
"""


def compare_books(engine: Engine, shown: Mapping[str, Any]) -> list[Compared]:
    """Our clearing and custody, and each customer's dollars, beside what the sandbox `shown` as its balances."""
    with engine.connect() as connection:
        house = connection.execute(
            text("""
                SELECT a.name, a.asset, s.scale, sum(p.amount) AS total
                  FROM postings p JOIN ledger_accounts a ON a.id = p.account_id JOIN assets s ON s.code = a.asset
                 WHERE a.name IN ('due:clearing', 'alpaca:custody') AND p.layer = 'posted'
                 GROUP BY a.name, a.asset, s.scale
            """)
        ).all()
        customers = connection.execute(
            text("""
                SELECT l.customer_id, l.external_id, coalesce(sum(b.posted), 0) AS total,
                       coalesce(max(s.scale), 2) AS scale
                  FROM customer_links l
                  LEFT JOIN ledger_accounts a
                    ON a.customer_id = l.customer_id AND a.name = 'brokerage' AND a.asset = 'USD'
                  LEFT JOIN balances b ON b.account_id = a.id
                  LEFT JOIN assets s ON s.code = a.asset
                 WHERE l.provider = 'alpaca' AND l.kind = 'brokerage_account'
                 GROUP BY l.customer_id, l.external_id ORDER BY l.customer_id
            """)
        ).all()
    accounts = {account: Decimal(cash) for account, cash in shown["alpaca"]["accounts"].items()}
    ours = {(row.name, row.asset): Decimal(row.total).scaleb(-row.scale) for row in house}
    theirs = {("due:clearing", asset): Decimal(amount) for asset, amount in shown["due"].items()}
    theirs["alpaca:custody", "USD"] = sum(accounts.values(), Decimal(0))
    return [
        *(
            Compared(
                account=name,
                asset=asset,
                ours=ours.get((name, asset), Decimal(0)),
                theirs=theirs.get((name, asset), Decimal(0)),
            )
            for name, asset in sorted({*ours, *theirs})
        ),
        *(
            Compared(
                account=row.customer_id,
                asset="USD",
                ours=Decimal(row.total).scaleb(-row.scale),
                theirs=accounts.get(row.external_id, Decimal(0)),
                of_customer=True,
            )
            for row in customers
        ),
    ]


def _flows(connection: Connection) -> dict[str, dict[str, int]]:
    rows = connection.execute(
        text("""
            SELECT kind, count(*) AS started, count(*) FILTER (WHERE state = 'broker_funded') AS completed,
                   count(*) FILTER (WHERE parked_at IS NOT NULL AND status = 'open') AS parked,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'returned') AS returned,
                   count(*) FILTER (WHERE status = 'open' AND parked_at IS NULL) AS unfinished
              FROM flows GROUP BY kind ORDER BY kind
        """)
    ).mappings()
    by_kind = {row["kind"]: dict(row) for row in rows}
    names = ("started", "completed", "parked", "failed", "returned", "unfinished")
    return {name: {kind: row[name] for kind, row in by_kind.items()} for name in names}


def _ledger(connection: Connection, books: list[Compared]) -> dict[str, Any]:
    off = _one(connection, "SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY asset HAVING sum(amount) <> 0) o")
    differing = [one for one in books if one.difference]
    return {
        "balanced": off == 0,
        "entries": _one(connection, "SELECT count(*) FROM journal_entries"),
        "clearing_differences": {
            f"{one.account} {one.asset}": str(one.difference) for one in differing if not one.of_customer
        },
        "customer_differences": {
            f"{one.account} {one.asset}": str(one.difference) for one in differing if one.of_customer
        },
    }


def _one(connection: Connection, query: str) -> int:
    count: int = connection.execute(text(query)).scalar_one()
    return count
