"""Rows for tests that say only what the test is about."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

_FLOW = text("""
    INSERT INTO flows (id, kind, state, status, provider, due_at, announced_at, data, created_at, moved_at, closed_at,
                       parked_at, attempt_id, session_id, claimed_at, claim_until, fence)
    VALUES (:id, 'due_deposit', :state, :status, :provider, :due_at, :announced_at,
            jsonb_build_object('account', CAST(:account AS text), 'virtual_account', 'va_1'),
            coalesce(:moved_at, rk_now()), coalesce(:moved_at, rk_now()),
            CASE WHEN :status <> 'open' THEN rk_now() END, CASE WHEN :parked THEN rk_now() END,
            :attempt, :session, CASE WHEN CAST(:attempt AS uuid) IS NOT NULL THEN rk_now() END, :claim_until,
            CASE WHEN CAST(:attempt AS uuid) IS NULL THEN 0 ELSE 1 END)
""")
_ATTEMPT = text("""
    INSERT INTO attempts (id, flow_id, step, visit, number, fence, session_id)
    VALUES (:attempt, :id, 'follow_transfer', 1, 1, 1, :session)
""")


def add_flow(
    connection: Connection,
    *,
    state: str = "received",
    status: str = "open",
    provider: str | None = "due",
    account: str = "acct_1",
    due_at: datetime | None = None,
    announced_at: datetime | None = None,
    moved_at: datetime | None = None,
    parked: bool = False,
    session: UUID | None = None,
    claim_until: datetime | None = None,
) -> UUID:
    """A flow; with `session` it is claimed by that session."""
    values = {
        "id": uuid4(),
        "state": state,
        "status": status,
        "provider": provider,
        "account": account,
        "due_at": due_at,
        "announced_at": announced_at,
        "moved_at": moved_at,
        "parked": parked,
        "session": session,
        "attempt": uuid4() if session else None,
        "claim_until": claim_until,
    }
    connection.execute(_FLOW, values)
    if session:
        connection.execute(_ATTEMPT, values)
    return UUID(str(values["id"]))


def add_session(connection: Connection) -> UUID:
    """A live worker session whose beat is 0."""
    session = uuid4()
    connection.execute(text("INSERT INTO worker_sessions (id, host, pid) VALUES (:id, 'here', 1)"), {"id": session})
    return session


def add_event(connection: Connection, event_id: str, *, provider: str = "due", source: str = "webhook") -> int:
    """An inbox event, received now."""
    row: int = connection.execute(
        text("""
            INSERT INTO inbox_events (provider, event_id, route, source, body, body_digest)
            VALUES (:provider, :event_id, :provider, :source, '{}', '') RETURNING id
        """),
        {"provider": provider, "event_id": event_id, "source": source},
    ).scalar_one()
    return row
