"""The joins of a comparison: the provider's records, streamed in, against our flows, as sets, in both directions.

Table `reconciliation_records`, unlogged: it holds a run's records while it runs, and none afterwards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from db.reconcile_columns import columns_of
from funding.reconcile.books import Book
from funding.reconcile.records import Ours, Pair, Record, Window

AT_ONCE: Final = 2_000  # pairs fetched at a time
_COPY: Final = """
    COPY reconciliation_records (run_id, kind, external_id, status, at, asset, amount, asset_out, amount_out, fee,
                                 account, reference, fault) FROM STDIN
"""


def add(connection: Connection, run: UUID, records: Sequence[Record]) -> None:
    """Copy records in. Not logged: a crash of the server loses them, and the run fails."""
    raw = connection.connection.cursor()
    with raw, raw.copy(_COPY) as copy:  # type: ignore[attr-defined]  # psycopg's own cursor, which SQLAlchemy only wraps
        name = str(run)
        for record in records:
            copy.write_row((name, *record))


def replace(connection: Connection, run: UUID, kind: str, asked: Sequence[str], records: Sequence[Record]) -> None:
    """Put what was read one by one in the place of what the listing showed of those ids of that kind."""
    connection.execute(
        text("DELETE FROM reconciliation_records WHERE run_id = :run AND kind = :kind AND external_id = ANY(:ids)"),
        {"run": run, "kind": kind, "ids": list(asked)},
    )
    add(connection, run, records)


def forget(connection: Connection, run: UUID) -> None:
    """Drop a run's records."""
    connection.execute(text("DELETE FROM reconciliation_records WHERE run_id = :run"), {"run": run})


def forget_lost(connection: Connection) -> None:
    """Drop records of runs that are over: their process ended before it could."""
    connection.execute(
        text("""
            DELETE FROM reconciliation_records r
             WHERE NOT EXISTS (SELECT FROM reconciliation_runs u WHERE u.id = r.run_id AND u.status = 'running')
        """)
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records a run was given, and how many flows of its window were held against them."""

    theirs: int
    ours: int


def count(connection: Connection, run: UUID, book: Book, window: Window) -> Counts:
    """Records given and flows held against them. Served by ix_flows_created_at and ix_flow_references_flow."""
    row = connection.execute(
        text("""
            SELECT (SELECT count(*) FROM reconciliation_records WHERE run_id = :run AND kind = :kind) AS theirs,
                   (SELECT count(*) FROM flows f JOIN flow_references r ON r.flow_id = f.id
                     WHERE f.kind = ANY(:flow_kinds) AND f.created_at >= :since AND f.created_at < :until
                       AND r.provider = :provider AND r.kind = :kind) AS ours
        """),
        _values(run, book, window),
    ).one()
    return Counts(row.theirs, row.ours)


_OURS: Final = """
    f.id AS flow, f.state, f.status AS flow_status, f.parked_at IS NOT NULL AS parked, f.created_at, f.moved_at,
    {asset} AS our_asset, {amount} AS our_amount, {asset_out} AS our_asset_out, {amount_out} AS our_amount_out,
    {account} AS our_account
"""
# Either side may be the larger by far: both joins are on ids alone, so that each can be a hash join. What agrees in
# every word and amount never leaves the database; `funding.reconcile.rules` judges the rest.
_SUSPICIOUS: Final = """
    WITH suspicious AS (
      SELECT t.external_id, t.status, t.at, t.asset, t.amount, t.asset_out, t.amount_out, t.fee, t.account, t.reference,
             t.fault, {ours}
        FROM reconciliation_records t
        LEFT JOIN flow_references r ON r.provider = :provider AND r.kind = :kind AND r.external_id = t.external_id
        LEFT JOIN flows f ON f.id = r.flow_id
       WHERE t.run_id = :run AND t.kind = :kind
         AND (t.at >= :since AND t.at < :until OR f.created_at >= :since AND f.created_at < :until)
         AND (t.fault IS NOT NULL
              OR f.id IS NULL AND NOT t.status = ANY(:quiet)
              OR f.id IS NOT NULL
                 AND (NOT (t.status || '/' || f.state) = ANY(:agreed)
                      OR t.asset <> {asset} OR t.amount <> {amount}
                      OR t.asset_out <> {asset_out} OR t.amount_out <> {amount_out}))
      UNION ALL
      SELECT r.external_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {ours}
        FROM flows f
        JOIN flow_references r ON r.flow_id = f.id AND r.provider = :provider AND r.kind = :kind
       WHERE f.kind = ANY(:flow_kinds) AND f.created_at >= :since AND f.created_at < :until
         AND NOT EXISTS (SELECT FROM reconciliation_records t
                          WHERE t.run_id = :run AND t.kind = :kind AND t.external_id = r.external_id)
    )
    SELECT s.*,
           NOT EXISTS (SELECT FROM flow_references mine
                         JOIN flow_references later ON later.flow_id = mine.flow_id AND later.provider = mine.provider
                              AND later.kind = mine.kind AND later.number > mine.number
                        WHERE mine.provider = :provider AND mine.kind = :kind AND mine.external_id = s.external_id)
             AS newest,
           CASE WHEN s.flow IS NOT NULL AND s.amount_out <> s.our_amount_out THEN coalesce((
             SELECT sum(p.amount) FROM journal_entries e JOIN postings p ON p.entry_id = e.id
               JOIN ledger_accounts a ON a.id = p.account_id
              WHERE e.flow_id = s.flow AND e.purpose = 'converted' AND a.name = ANY(:fees)
                AND a.asset = s.our_asset_out), 0) END AS our_fee,
           n.id AS named, n.state AS named_state, n.status AS named_status, n.parked_at IS NOT NULL AS named_parked,
           n.created_at AS named_created_at, n.moved_at AS named_moved_at
      FROM suspicious s
      LEFT JOIN flows n ON s.flow IS NULL AND s.reference ~ :uuid
                       AND n.id = CASE WHEN s.reference ~ :uuid THEN CAST(s.reference AS uuid) END
     ORDER BY s.external_id COLLATE "C"
"""
_UUID: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def prepare(connection: Connection) -> None:
    """Have this transaction plan and run the joins well: fresh statistics, and memory for a hash of a million rows."""
    connection.execute(text("SET LOCAL work_mem = '128MB'"))
    connection.execute(text("ANALYZE reconciliation_records"))


def suspicious(connection: Connection, run: UUID, book: Book, window: Window, *, read_at: datetime) -> Iterator[Pair]:
    """Every pair of the window that does not agree at first sight, by id, each once; fetched a few at a time.

    A pair counts when either side's time lies in the window. `read_at`: when the provider was asked for the first of
    them. One statement, so one moment of our side; no locks. Served by hash joins, or the primary key of
    flow_references and ix_flows_created_at.
    """
    columns, named = columns_of(book)
    query = _SUSPICIOUS.format(ours=_OURS.format(**columns), **columns)
    values = (
        _values(run, book, window)
        | named
        | {
            "quiet": sorted(book.quiet),
            "agreed": book.agreements(),
            "uuid": _UUID,
            "fees": list(book.fees),
        }
    )
    rows = connection.execute(text(query), values, execution_options={"stream_results": True, "yield_per": AT_ONCE})
    last = None
    try:
        for row in rows:
            if row.external_id != last:  # a listing may show an object twice while it changes
                yield _pair(row, book, read_at)
            last = row.external_id
    finally:
        rows.close()


_DUPLICATES = text("""
    SELECT d.reference, d.records, n.id AS named
      FROM (SELECT reference,
                   jsonb_agg(DISTINCT jsonb_build_object('id', external_id, 'status', status, 'at', at, 'asset', asset,
                                                         'amount', amount, 'asset_out', asset_out,
                                                         'amount_out', amount_out, 'account', account)) AS records
              FROM reconciliation_records
             WHERE run_id = :run AND kind = :kind AND reference IN (
                     SELECT reference FROM reconciliation_records
                      WHERE run_id = :run AND kind = :kind AND reference <> '' AND fault IS NULL
                        AND NOT status = ANY(:quiet)
                      GROUP BY reference HAVING min(external_id) <> max(external_id))
               AND fault IS NULL AND NOT status = ANY(:quiet)
             GROUP BY reference) d
      LEFT JOIN flows n ON n.id = CASE WHEN d.reference ~ :uuid THEN CAST(d.reference AS uuid) END
     ORDER BY d.reference COLLATE "C"
""")


@dataclass(frozen=True, slots=True)
class Shared:
    """Several records with one reference; the flow it names, if it does. `records` by id."""

    reference: str
    records: list[Record]
    flow: UUID | None


def duplicates(connection: Connection, run: UUID, book: Book) -> list[Shared]:
    """Objects that are one movement of money by their reference, where more than one moved money or may."""
    rows = connection.execute(_DUPLICATES, {"run": run, "kind": book.kind, "quiet": sorted(book.quiet), "uuid": _UUID})
    found = []
    for row in rows:
        by_id = {shown["id"]: shown for shown in row.records}
        records = [
            Record(
                kind=book.kind,
                id=name,
                status=by_id[name]["status"],
                at=datetime.fromisoformat(by_id[name]["at"]),
                asset=by_id[name]["asset"],
                amount=by_id[name]["amount"],
                asset_out=by_id[name]["asset_out"],
                amount_out=by_id[name]["amount_out"],
                account=by_id[name]["account"],
            )
            for name in sorted(by_id)
        ]
        found.append(Shared(row.reference, records, row.named))
    return found


def _pair(row: Row[Any], book: Book, read_at: datetime) -> Pair:
    theirs = ours = named = None
    if row.status is not None:
        theirs = Record(
            kind=book.kind,
            id=row.external_id,
            status=row.status,
            at=row.at,
            asset=row.asset,
            amount=_whole(row.amount),
            asset_out=row.asset_out,
            amount_out=_whole(row.amount_out),
            fee=_whole(row.fee),
            account=row.account,
            reference=row.reference,
            fault=row.fault,
        )
    if row.flow is not None:
        ours = Ours(
            flow=row.flow,
            state=row.state,
            status=row.flow_status,
            parked=row.parked,
            newest=row.newest,
            created_at=row.created_at,
            moved_at=row.moved_at,
            asset=row.our_asset,
            amount=_whole(row.our_amount),
            asset_out=row.our_asset_out,
            amount_out=_whole(row.our_amount_out),
            fee=_whole(row.our_fee),
            account=row.our_account,
        )
    if row.named is not None:
        named = Ours(
            flow=row.named,
            state=row.named_state,
            status=row.named_status,
            parked=row.named_parked,
            newest=False,
            created_at=row.named_created_at,
            moved_at=row.named_moved_at,
        )
    return Pair(id=row.external_id, theirs=theirs, ours=ours, named=named, read_at=read_at)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _values(run: UUID, book: Book, window: Window) -> dict[str, object]:
    return {
        "run": run,
        "provider": book.provider,
        "kind": book.kind,
        "flow_kinds": book.flow_kinds,
        "since": window.since,
        "until": window.until,
    }
