"""A provider's shared gate: pause, breaker, and the wait it asked for. Table `provider_gates`, one row a provider."""

from datetime import timedelta

from sqlalchemy import Connection, text

from db.engine import UnitOfWork
from funding.gate_state import GateState

_READ = text("""
    SELECT paused, breaker, failures, greatest(coalesce(open_until, rk_now()) - rk_now(), interval '0') AS wait,
           greatest(coalesce(held_until, rk_now()) - rk_now(), interval '0') AS held
      FROM provider_gates WHERE provider = :provider
""")
_OPENED = text("""
    INSERT INTO provider_gates (provider, breaker, failures, open_until)
    VALUES (:provider, 'open', :failures, rk_now() + CAST(:open_for AS interval))
    ON CONFLICT (provider) DO UPDATE
       SET breaker = 'open', failures = :failures, open_until = rk_now() + CAST(:open_for AS interval),
           changed_at = rk_now()
""")
_CLOSED = text("""
    UPDATE provider_gates SET breaker = 'closed', failures = 0, open_until = NULL, changed_at = rk_now()
     WHERE provider = :provider AND breaker <> 'closed'
""")
_PROBE = text("""
    UPDATE provider_gates
       SET breaker = 'probing', open_until = rk_now() + CAST(:lease AS interval), changed_at = rk_now()
     WHERE provider = :provider AND breaker <> 'closed' AND open_until <= rk_now()
""")
_HELD = text("""
    INSERT INTO provider_gates (provider, held_until) VALUES (:provider, rk_now() + CAST(:wait AS interval))
    ON CONFLICT (provider) DO UPDATE SET held_until = greatest(provider_gates.held_until, excluded.held_until)
""")
_PAUSE = text("""
    INSERT INTO provider_gates (provider, paused, paused_reason, paused_by) VALUES (:provider, true, :reason, :by)
    ON CONFLICT (provider) DO UPDATE
       SET paused = true, paused_reason = :reason, paused_by = :by, changed_at = rk_now()
     WHERE NOT provider_gates.paused
""")


def pause(connection: Connection, provider: str, *, reason: str, by: str) -> bool:
    """Stop asking a provider until somebody resumes it; False when it was paused already: the first reason stays."""
    return connection.execute(_PAUSE, {"provider": provider, "reason": reason, "by": by}).rowcount == 1


def resume(connection: Connection, provider: str) -> bool:
    """Ask a provider again; False when it was not paused."""
    done = connection.execute(
        text("""
            UPDATE provider_gates SET paused = false, paused_reason = NULL, paused_by = NULL, changed_at = rk_now()
             WHERE provider = :provider AND paused
        """),
        {"provider": provider},
    )
    return done.rowcount == 1


class GateRows:
    """The shared rows, each act in a short transaction of its own. Shape: `providers.breaker.GateStore`."""

    def __init__(self, begin: UnitOfWork) -> None:
        self._begin = begin

    def read(self, provider: str) -> GateState:
        """The row, or a closed gate when there is none."""
        with self._begin() as connection:
            row = connection.execute(_READ, {"provider": provider}).first()
        if row is None:
            return GateState()
        return GateState(paused=row.paused, breaker=row.breaker, failures=row.failures, wait=row.wait, held=row.held)

    def opened(self, provider: str, *, open_for: timedelta, failures: int) -> None:
        """Open the breaker for so long from now."""
        with self._begin() as connection:
            connection.execute(_OPENED, {"provider": provider, "open_for": open_for, "failures": failures})

    def closed(self, provider: str) -> None:
        """Close it."""
        with self._begin() as connection:
            connection.execute(_CLOSED, {"provider": provider})

    def probe(self, provider: str, *, lease: timedelta) -> bool:
        """Take the one probe: true for exactly one caller until its lease has passed."""
        with self._begin() as connection:
            return connection.execute(_PROBE, {"provider": provider, "lease": lease}).rowcount == 1

    def held(self, provider: str, *, wait: timedelta) -> None:
        """Let nobody ask for so long from now; a longer wait that stands already stays."""
        with self._begin() as connection:
            connection.execute(_HELD, {"provider": provider, "wait": wait})
