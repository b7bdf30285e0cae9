"""Worker sessions: a worker process is alive while its row's beat rises. Table `worker_sessions`."""

import os
import socket
from uuid import UUID

from sqlalchemy import Connection, text

from db.engine import wait_for_no_disk


def start(connection: Connection, session: UUID) -> None:
    """Begin a session of this process."""
    connection.execute(
        text("INSERT INTO worker_sessions (id, host, pid) VALUES (:id, :host, :pid)"),
        {"id": session, "host": socket.gethostname(), "pid": os.getpid()},
    )


def beat(connection: Connection, session: UUID) -> bool:
    """Raise the beat; False when the session has been declared dead or ended: start a new one."""
    wait_for_no_disk(connection)  # the next beat comes two seconds later
    done = connection.execute(
        text("UPDATE worker_sessions SET beat = beat + 1 WHERE id = :id AND dead_at IS NULL AND ended_at IS NULL"),
        {"id": session},
    )
    return done.rowcount == 1


_END = text("""
    WITH held AS (
      SELECT id, attempt_id FROM flows WHERE session_id = :id AND attempt_id IS NOT NULL ORDER BY id FOR UPDATE
    ), freed AS (
      UPDATE flows f SET attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL,
                         announced_at = NULL, due_at = coalesce(f.due_at, rk_now())
        FROM held h WHERE f.id = h.id
    ), lost AS (
      UPDATE attempts a SET outcome = 'lost', finished_at = rk_now() FROM held h WHERE a.id = h.attempt_id
    )
    UPDATE worker_sessions SET ended_at = rk_now() WHERE id = :id AND ended_at IS NULL
""")


def end(connection: Connection, session: UUID) -> None:
    """End a session in good order, giving back what it still holds. Served by ix_flows_claimed."""
    connection.execute(_END, {"id": session})


def live(connection: Connection) -> int:
    """How many worker processes are alive, at least one: the share of a limit each may take without Redis."""
    count: int = connection.execute(
        text("SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL")
    ).scalar_one()
    return max(count, 1)
