"""What the demo looks at while it runs, and the story of each movement of money for its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How the flows stand: of each kind how many are in each state, those that wait for a person apart."""

    states: Mapping[str, Mapping[str, int]]
    parked_by_kind: Mapping[str, int]
    finished_by_kind: Mapping[str, int]
    moving: int
    letters_open: int

    @property
    def parked(self) -> int:
        """How many wait for a person."""
        return sum(self.parked_by_kind.values())

    @property
    def finished(self) -> int:
        """How many rest or are over."""
        return sum(self.finished_by_kind.values())


def progress(engine: Engine) -> Progress:
    """How far the flows are."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT kind, state, status <> 'open' AS finished, status = 'open' AND parked_at IS NOT NULL AS parked,
                       count(*) AS flows
                  FROM flows GROUP BY 1, 2, 3, 4
            """)
        ).all()
        letters = connection.execute(
            text("SELECT count(*) FROM dead_letters WHERE status IN ('open', 'replaying')")
        ).scalar_one()
    states: dict[str, dict[str, int]] = {}
    parked: dict[str, int] = {}
    finished: dict[str, int] = {}
    for row in rows:
        here = states.setdefault(row.kind, {})
        if row.parked:
            parked[row.kind] = parked.get(row.kind, 0) + row.flows
        else:
            here[row.state] = here.get(row.state, 0) + row.flows
        if row.finished:
            finished[row.kind] = finished.get(row.kind, 0) + row.flows
    return Progress(
        states=states,
        parked_by_kind=parked,
        finished_by_kind=finished,
        moving=sum(row.flows for row in rows if not row.finished and not row.parked),
        letters_open=letters,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one flow is, and how many entries were posted for it. `ids` are its objects at providers, by their kind."""

    id: UUID
    state: str
    parked: bool
    entries: int
    ids: Mapping[str, str]


def standing(engine: Engine, *, flow: str | None = None, external_id: str | None = None) -> Standing | None:
    """The flow of that id, or the one that owns that object; None: there is none."""
    with engine.connect() as connection:
        row = connection.execute(
            text("""
                SELECT id, state, status = 'open' AND parked_at IS NOT NULL AS parked,
                       (SELECT count(*) FROM journal_entries e WHERE e.flow_id = flows.id) AS entries
                  FROM flows
                 WHERE id = CAST(:flow AS uuid)
                    OR id = (SELECT flow_id FROM flow_references WHERE external_id = :external_id LIMIT 1)
            """),
            {"flow": flow, "external_id": external_id},
        ).one_or_none()
        if row is None:
            return None
        ids = connection.execute(
            text("SELECT kind, external_id FROM flow_references WHERE flow_id = :flow"), {"flow": row.id}
        )
        return Standing(
            id=row.id,
            state=row.state,
            parked=row.parked,
            entries=row.entries,
            ids={one.kind: one.external_id for one in ids},
        )


def tokens_available(engine: Engine, customer: str, amount: str) -> bool:
    """Whether a customer's wallet holds that many whole tokens beyond its holds."""
    return _holds(
        engine,
        """
        SELECT EXISTS (
          SELECT FROM balances b JOIN ledger_accounts a ON a.id = b.account_id JOIN assets s ON s.code = a.asset
           WHERE a.customer_id = :customer AND a.name = 'wallet'
             AND b.available >= CAST(:amount AS numeric) * 10 ^ s.scale)
        """,
        customer=customer,
        amount=amount,
    )


def open_breaks(engine: Engine) -> list[dict[str, Any]]:
    """Every open break: provider, type, subject, what each side says and what to do; the oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT provider, type, subject, ours, theirs, suggested_action
                  FROM breaks WHERE status = 'open' ORDER BY opened_at, id
            """)
        ).mappings()
        return [dict(row) for row in rows]


# Who is at work -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A moment of the database's clock; the clock's term then, and all workers' beats."""

    at: datetime
    term: int
    beats: int


def pulse(engine: Engine) -> Pulse:
    """Read before a blow, to know afterwards what is new."""
    with engine.connect() as connection:
        row = connection.execute(
            text("""
                SELECT rk_now() AS at, coalesce((SELECT max(term) FROM clock_leases), 0) AS term,
                       coalesce((SELECT sum(beat) FROM worker_sessions), 0)::bigint AS beats
            """)
        ).one()
    return Pulse(at=row.at, term=row.term, beats=row.beats)


def worker_is_back(engine: Engine, before: Pulse) -> bool:
    """Whether a worker born since then is at work, and nothing is held any more by those before it."""
    return _holds(
        engine,
        """
        SELECT EXISTS (SELECT FROM worker_sessions WHERE started_at > :at AND ended_at IS NULL AND dead_at IS NULL)
           AND NOT EXISTS (SELECT FROM flows f JOIN worker_sessions s ON s.id = f.session_id WHERE s.started_at <= :at)
        """,
        at=before.at,
    )


def clock_is_back(engine: Engine, before: Pulse) -> bool:
    """Whether another clock than then leads."""
    return _holds(
        engine,
        "SELECT EXISTS (SELECT FROM clock_leases WHERE term > :term AND expires_at > rk_now())",
        term=before.term,
    )


def all_go_on(engine: Engine, before: Pulse) -> bool:
    """Whether workers have beaten and the clock has renewed its lease since then."""
    return _holds(
        engine,
        """
        SELECT EXISTS (SELECT FROM clock_leases WHERE renewed_at > :at AND expires_at > rk_now())
           AND (SELECT coalesce(sum(beat), 0) FROM worker_sessions) > :beats
        """,
        at=before.at,
        beats=before.beats,
    )


def _holds(engine: Engine, query: str, **values: Any) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text(query), values).scalar_one())


# Each of them ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A state that a flow came to, and when that was recorded."""

    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """The story of one movement of money.

    `ids` are its objects at providers, `heard_by` who told of it first ("asked": a customer of ours), `parked` the
    times it waited for a person. Amounts are in minor units, None until known.
    """

    id: UUID
    kind: str
    ids: Sequence[str]
    customer: str | None
    state: str
    status: str
    asset: str | None
    amount: Decimal | None
    asset_out: str | None
    amount_out: Decimal | None
    heard_by: str
    attempts: int
    moves: Sequence[Moved]
    parked: Sequence[tuple[datetime, datetime | None]]
    closed_at: datetime | None


def movements(engine: Engine) -> list[Movement]:
    """Every flow, in the order they were opened."""
    with engine.connect() as connection:
        moves = _by_flow(connection, "SELECT flow_id, to_state, recorded_at FROM transitions ORDER BY id")
        parked = _by_flow(connection, "SELECT flow_id, opened_at, resolved_at FROM dead_letters ORDER BY opened_at")
        ids = _by_flow(connection, "SELECT flow_id, external_id, kind FROM flow_references ORDER BY kind, external_id")
        rows = connection.execute(
            text("""
                SELECT f.*, split_part(t.reason, ' ', 1) AS heard_by,
                       (SELECT count(*) FROM attempts a WHERE a.flow_id = f.id) AS attempts
                  FROM flows f JOIN transitions t ON t.flow_id = f.id AND t.from_state IS NULL
                 ORDER BY f.created_at, f.id
            """)
        ).all()
    return [
        Movement(
            id=row.id,
            kind=row.kind,
            ids=[external_id for external_id, _ in ids.get(row.id, [])],
            customer=row.customer_id,
            state=row.state,
            status="parked" if row.status == "open" and row.parked_at is not None else row.status,
            asset=row.asset,
            amount=row.amount,
            asset_out=row.asset_out,
            amount_out=row.amount_out,
            heard_by=row.heard_by,
            attempts=row.attempts,
            moves=[Moved(state=state, at=at) for state, at in moves.get(row.id, [])],
            parked=parked.get(row.id, []),
            closed_at=row.closed_at,
        )
        for row in rows
    ]


def _by_flow(connection: Connection, query: str) -> dict[UUID, list[tuple[Any, Any]]]:
    gathered: dict[UUID, list[tuple[Any, Any]]] = {}
    for flow, first, second in connection.execute(text(query)):
        gathered.setdefault(flow, []).append((first, second))
    return gathered
