"""What a contestant's database says of its deposits: how many are whole, how long they took, what they cost.

The watcher signs in as a user of its own, so that its own statements are not counted.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import make_url

from benchmarks._kinds import DEPOSIT, Kind
from benchmarks._webhooks import event_id

USER: Final = "bench_watcher"
ROWS_OF: Final = (
    "inbox_events",
    "flows",
    "flow_references",
    "transitions",
    "attempts",
    "intentions",
    "journal_entries",
    "postings",
    "notifications",
    "notification_attempts",
)
_WHOLE: Final = """
    SELECT least((SELECT count(*) FROM attempts
                   WHERE step = 'watch_funded' AND finished_at >= %s AND provider IS NOT NULL),
                 (SELECT count(*) FROM notifications WHERE state = 'delivered' AND happened_at >= %s))
"""
_SPAN: Final = """
    SELECT extract(epoch FROM greatest(max(a.finished_at), max(n.delivered_at)) - min(e.received_at))::float AS seconds,
           count(DISTINCT f.id) FILTER (WHERE f.state = 'broker_funded') AS funded,
           count(DISTINCT e.id) AS events
      FROM inbox_events e LEFT JOIN flows f ON f.id = e.flow_id
      LEFT JOIN attempts a ON a.flow_id = f.id LEFT JOIN notifications n ON n.flow_id = f.id
     WHERE e.event_id BETWEEN %s AND %s
"""
# Of another kind than deposits: a flow in the state where it ends, its customer told, and the last step made there.
_ENDED: Final = """
    SELECT count(*) FROM flows f
     WHERE f.kind = %s AND f.created_at >= %s AND f.state = %s
       AND EXISTS (SELECT FROM notifications n WHERE n.flow_id = f.id AND n.state = 'delivered')
       AND (%s::text IS NULL OR EXISTS (SELECT FROM attempts a
                                         WHERE a.flow_id = f.id AND a.step = %s AND a.finished_at IS NOT NULL))
"""
_ENDED_SPAN: Final = """
    SELECT extract(epoch FROM greatest(max(a.finished_at), max(n.delivered_at))
                              - least(min(e.received_at), min(f.created_at)))::float AS seconds,
           count(DISTINCT f.id) FILTER (WHERE f.state = %s) AS ended, count(DISTINCT f.id) AS flows
      FROM flows f LEFT JOIN inbox_events e ON e.flow_id = f.id
      LEFT JOIN attempts a ON a.flow_id = f.id LEFT JOIN notifications n ON n.flow_id = f.id
     WHERE f.kind = %s AND f.created_at >= %s
"""
_LISTINGS: Final = """
    SELECT count(*) FROM ticks WHERE finished_at IS NULL AND (job LIKE 'poll%' OR job LIKE 'compare%')
"""
_BOOKS: Final = "SELECT asset, sum(amount) AS off FROM postings GROUP BY asset HAVING sum(amount) <> 0"
_CALLS: Final = """
    SELECT query, calls, rows, total_exec_time AS ms FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
     ORDER BY calls DESC, query
"""
_RESET: Final = """
    SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_AROUND: Final = ("BEGIN", "COMMIT", "ROLLBACK")  # how a transaction's own statements begin


@dataclass(frozen=True, kw_only=True)
class Statements:
    """How often each statement was run, constants left out, by how often."""

    calls: list[tuple[str, int, float]]  # statement, times, milliseconds in Postgres

    @property
    def statements(self) -> int:
        """Without the beginnings and ends of transactions."""
        return sum(times for text, times, _ in self.calls if not text.upper().startswith(_AROUND))

    @property
    def commits(self) -> int:
        """Transactions committed."""
        return sum(times for text, times, _ in self.calls if text.upper().startswith("COMMIT"))


def make_watcher(server_url: str) -> str:
    """Add the watching user; its password."""
    password = secrets.token_hex(16)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(sql.Identifier(USER), sql.Literal(password))
        )
    return password


class Watch:
    """One contestant's database, looked at."""

    def __init__(self, database_url: str, password: str, kind: Kind = DEPOSIT) -> None:
        self._kind = kind
        url = make_url(database_url).set(username=USER, password=password).render_as_string(hide_password=False)
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._ask("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self._since = self._counted_since = self._now()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def whole(self) -> int:
        """Flows that have come to rest since we watch, all rows written and the backend told."""
        kind = self._kind
        if kind is not DEPOSIT:
            return int(self._ask(_ENDED, kind.name, self._since, kind.end, kind.last_step, kind.last_step)[0]["count"])
        return int(self._ask(_WHOLE, self._since, self._since)[0]["least"])

    def span_s(self, first: int, count: int) -> float:
        """Seconds from the first of these events' arrival, or since we count, until the last of their flows was whole.

        Raises: ValueError: not every one has led to a flow of its own.
        """
        if self._kind is not DEPOSIT:
            row = self._ask(_ENDED_SPAN, self._kind.end, self._kind.name, self._counted_since)[0]
            if row["flows"] != count or row["ended"] != count:
                raise ValueError(f"{count} begun, {row['flows']} flows, {row['ended']} {self._kind.end}")
            return float(row["seconds"])
        row = self._ask(_SPAN, event_id(first), event_id(first + count - 1))[0]
        if row["events"] != count or row["funded"] != count:
            raise ValueError(f"{count} sent, {row['events']} events kept, {row['funded']} funded")
        return float(row["seconds"])

    def reads_listings(self) -> bool:
        """Whether a poll or a comparison is under way, or has not come to its turn."""
        return bool(self._ask(_LISTINGS)[0]["count"])

    def off_balance(self) -> list[dict[str, Any]]:
        """Assets whose postings do not sum to zero."""
        return self._ask(_BOOKS)

    def rows_per_deposit(self) -> dict[str, float]:
        """Rows kept of each, by table."""
        there = {row["relname"] for row in self._ask("SELECT relname FROM pg_class WHERE relkind = 'r'")}
        counts = {
            table: self._ask(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))[0]["count"]
            for table in ROWS_OF
            if table in there
        }
        return {table: counted / counts["flows"] for table, counted in counts.items()}

    def begin_counting(self) -> None:
        """Forget the statements so far, and the flows."""
        self._ask(_RESET)
        self._counted_since = self._now()

    def counted(self) -> Statements:
        """The statements since then."""
        return Statements(calls=[(row["query"], row["calls"], row["ms"]) for row in self._ask(_CALLS)])

    def _now(self) -> datetime:
        now: datetime = self._ask("SELECT clock_timestamp()")[0]["clock_timestamp"]
        return now

    def _ask(self, query: str | sql.Composed, *values: Any) -> list[dict[str, Any]]:
        words = query.encode() if isinstance(query, str) else query
        cursor = self._connection.execute(words, values or None)
        return cursor.fetchall() if cursor.description else []
