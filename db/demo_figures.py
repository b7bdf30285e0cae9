"""What the demo counts at its end, out of our own tables; the sandbox's own books stand beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from funding.flows.table import FLOWS


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


# Of each provider's books: our account, its asset, and where the sandbox shows its own.
_HOUSE: Final = (
    "due:clearing",
    "alpaca:custody",
    "bridge:clearing",
    "ibex:clearing",
    "stripe:clearing",
    "stripe:custody",
)
# What is between two providers, or between two assets, is nobody's once all has finished.
_EMPTY: Final = ("on_chain", "exchange", "suspense")


def compare_books(engine: Engine, shown: Mapping[str, Any]) -> list[Compared]:
    """Our accounts at each provider, and each customer's own, beside what the sandbox `shown` as its balances."""
    ours = _house(engine)
    brokerages = {account: Decimal(cash) for account, cash in shown["alpaca"]["accounts"].items()}
    wallets = {account: Decimal(one["balance"]) for account, one in shown["ibex"].items()}
    theirs = {
        **{("due:clearing", asset): Decimal(amount) for asset, amount in shown["due"].items()},
        ("alpaca:custody", "USD"): sum(brokerages.values(), Decimal(0)),
        **{("bridge:clearing", asset.upper()): Decimal(held) for asset, held in shown["bridge"]["held"].items()},
        ("ibex:clearing", "USDT"): sum(wallets.values(), Decimal(0)),
        **{("stripe:clearing", asset.upper()): Decimal(has) for asset, has in shown["stripe"]["balance"].items()},
        **{
            ("stripe:custody", coin.upper()): Decimal(all_)
            for coin, all_ in shown["stripe"]["onramp_delivered"].items()
        },
    }
    house = [
        Compared(
            account=name,
            asset=asset,
            ours=ours.get((name, asset), Decimal(0)),
            theirs=theirs.get((name, asset), Decimal(0)),
        )
        for name, asset in sorted({*theirs, *(key for key in ours if key[0] in _HOUSE)}, key=_in_order)
    ]
    house += [
        Compared(account=name, asset=asset, ours=total, theirs=Decimal(0))
        for (name, asset), total in sorted(ours.items(), key=lambda one: _in_order(one[0]))
        if name in _EMPTY
    ]
    return [
        *house,
        *_customers(engine, "alpaca", "brokerage_account", "brokerage", "USD", brokerages),
        *_customers(engine, "ibex", "account", "wallet", "USDT", wallets),
    ]


def _in_order(key: tuple[str, str]) -> tuple[int, str]:
    name, asset = key
    return (*_HOUSE, *_EMPTY).index(name), asset


def _house(engine: Engine) -> dict[tuple[str, str], Decimal]:
    """What is posted in the house's accounts, in major units, positive for what is ours there."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT a.name, a.asset, s.scale, sum(p.amount) AS total
                  FROM postings p JOIN ledger_accounts a ON a.id = p.account_id JOIN assets s ON s.code = a.asset
                 WHERE a.name = ANY(:names) AND p.layer = 'posted'
                 GROUP BY a.name, a.asset, s.scale
            """),
            {"names": [*_HOUSE, *_EMPTY]},
        ).all()
    return {(row.name, row.asset): Decimal(row.total).scaleb(-row.scale) for row in rows}


def _customers(
    engine: Engine, provider: str, kind: str, account: str, asset: str, theirs: Mapping[str, Decimal]
) -> list[Compared]:
    """What each customer has in that account, beside what the provider of that link has for them."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT l.customer_id, l.external_id, s.scale, coalesce(sum(b.posted), 0) AS total
                  FROM customer_links l
                  JOIN assets s ON s.code = :asset
                  LEFT JOIN ledger_accounts a
                    ON a.customer_id = l.customer_id AND a.name = :account AND a.asset = :asset
                  LEFT JOIN balances b ON b.account_id = a.id
                 WHERE l.provider = :provider AND l.kind = :kind
                 GROUP BY l.customer_id, l.external_id, s.scale ORDER BY l.customer_id
            """),
            {"provider": provider, "kind": kind, "account": account, "asset": asset},
        ).all()
    return [
        Compared(
            account=f"{account} of {row.customer_id}",
            asset=asset,
            ours=Decimal(row.total).scaleb(-row.scale),
            theirs=theirs.get(row.external_id, Decimal(0)),
            of_customer=True,
        )
        for row in rows
    ]


def _flows(connection: Connection) -> dict[str, dict[str, Any]]:
    """By kind: how many were begun, finished well, failed, wait for a person or go on; and how the finished ended."""
    rows = connection.execute(
        text("""
            SELECT kind, state, status <> 'open' AS finished, parked_at IS NOT NULL AS parked, count(*) AS flows
              FROM flows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
        """)
    ).all()
    counted: dict[str, dict[str, Any]] = {
        name: dict.fromkeys(sorted({row.kind for row in rows}), 0)
        for name in ("started", "completed", "parked", "failed", "unfinished")
    }
    ended: dict[str, dict[str, int]] = {kind: {} for kind in counted["started"]}
    for row in rows:
        counted["started"][row.kind] += row.flows
        if row.finished:
            ended[row.kind][row.state] = ended[row.kind].get(row.state, 0) + row.flows
        else:
            counted["parked" if row.parked else "unfinished"][row.kind] += row.flows
    for kind, states in ended.items():
        counted["completed"][kind] = states.get(str(FLOWS[kind].way[-1]), 0)
        counted["failed"][kind] = states.get("failed", 0)
    return {**counted, "ended": ended}


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
