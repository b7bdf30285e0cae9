"""Dead letters: work nobody will try again until a person says so. Table `dead_letters`."""

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from db.direct import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Why something was set aside. `error` is a short stable name, `message` what a person should do."""

    step: str
    error: str
    message: str
    blame: str
    provider: str | None = None
    code: str | None = None
    request_id: str | None = None
    traceback: str | None = None

    def fingerprint(self, kind: str) -> str:
        """What groups equal causes: where it happened and what refused, never ids or amounts."""
        cause = "/".join((kind, self.step, self.error, self.provider or "", self.code or ""))
        return hashlib.sha256(cause.encode()).hexdigest()[:16]


_OPEN_FOR_FLOW = text("""
    INSERT INTO dead_letters (id, flow_id, kind, step, customer_id, attempt_id, error, message, traceback, provider,
                              request_id, blame, fingerprint, attempts, amount, asset)
    SELECT :id, f.id, f.kind, :step, f.customer_id, :attempt, :error, :message, :traceback, :provider, :request_id,
           :blame, :fingerprint, :attempts, coalesce(f.amount_out, f.amount),
           CASE WHEN f.amount_out IS NULL THEN f.asset ELSE f.asset_out END
      FROM flows f WHERE f.id = :flow
    ON CONFLICT (flow_id) WHERE status IN ('open', 'replaying') AND flow_id IS NOT NULL DO UPDATE
       SET status = 'open', step = excluded.step, attempt_id = excluded.attempt_id, error = excluded.error,
           message = excluded.message, traceback = excluded.traceback, provider = excluded.provider,
           request_id = excluded.request_id, blame = excluded.blame, fingerprint = excluded.fingerprint,
           attempts = dead_letters.attempts + excluded.attempts
    RETURNING (xmax = 0) AS fresh
""")
_OPEN_FOR_EVENT = text("""
    INSERT INTO dead_letters (id, event_id, kind, step, error, message, provider, blame, fingerprint, attempts)
    VALUES (:id, :event, 'event', :step, :error, :message, :provider, :blame, :fingerprint, :attempts)
    ON CONFLICT (event_id) WHERE status IN ('open', 'replaying') AND event_id IS NOT NULL DO UPDATE
       SET status = 'open', error = excluded.error, message = excluded.message,
           attempts = dead_letters.attempts + excluded.attempts
""")
_RESOLVE = text("""
    UPDATE dead_letters
       SET resolved_by = CASE status WHEN 'replaying' THEN 'replay' ELSE :by END, status = 'resolved',
           resolved_at = rk_now()
     WHERE flow_id = :flow AND status IN ('open', 'replaying')
""")
_RESOLVE_EVENTS = text("""
    UPDATE dead_letters SET status = 'resolved', resolved_by = 'replay', resolved_at = rk_now()
     WHERE event_id = ANY(:events) AND status IN ('open', 'replaying')
""")


def open_for_flow(connection: Connection, flow: UUID, death: Death, *, kind: str, attempt: UUID, attempts: int) -> bool:
    """Open the flow's one letter, or bring the one that was replayed back; True when it is new.

    Served by uq_dead_letters_flow.
    """
    fresh: bool = connection.execute(
        _OPEN_FOR_FLOW,
        {
            "id": uuid4(),
            "flow": flow,
            "step": death.step,
            "attempt": attempt,
            "error": death.error,
            "message": death.message,
            "traceback": death.traceback,
            "provider": death.provider,
            "request_id": death.request_id,
            "blame": death.blame,
            "fingerprint": death.fingerprint(kind),
            "attempts": attempts,
        },
    ).scalar_one()
    return fresh


def open_for_event(connection: Connection, event: int, death: Death, *, attempts: int) -> None:
    """Open an event's letter. Served by uq_dead_letters_event."""
    connection.execute(
        _OPEN_FOR_EVENT,
        {
            "id": uuid4(),
            "event": event,
            "step": death.step,
            "error": death.error,
            "message": death.message,
            "provider": death.provider,
            "blame": death.blame,
            "fingerprint": death.fingerprint("event"),
            "attempts": attempts,
        },
    )


def resolve(connection: Connection, flow: UUID, *, by: str) -> None:
    """The flow went on: close its letter, `by` what moved it, or by the replay that was under way."""
    connection.execute(_RESOLVE, {"flow": flow, "by": by})


def resolve_events(connection: Connection, events: list[int]) -> None:
    """These events are handled after all."""
    if events:
        run(connection, _RESOLVE_EVENTS, {"events": events})
