"""Which clock acts: the one that holds the lease, judged by the database's clock and, more strictly, by our own."""

from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Final
from uuid import UUID, uuid4

import structlog

from db import clock
from db.clock import Lead
from db.engine import UnitOfWork
from dispatch.uptime import since_boot

LASTS: Final = timedelta(seconds=7)  # with a try each second, another clock takes over within 10 s
RENEW_AFTER_S: Final = 2.0
MARGIN_S: Final = 1.0  # we stop this long before the lease could be another's

log = structlog.get_logger()


class Leadership:
    """This process's part in the lease. `step` is called about once a second, by one thread; `lead` by any."""

    def __init__(
        self,
        begin: UnitOfWork,
        *,
        holder: UUID | None = None,
        lasts: timedelta = LASTS,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self.holder = holder or uuid4()
        self._begin = begin
        self._lasts = lasts
        self._monotonic = monotonic
        self._lock = Lock()
        self._held: Lead | None = None
        self._renewed = 0.0  # when the last renewal that succeeded was sent
        self._stopped = False

    @property
    def lead(self) -> Lead | None:
        """The lease while we may act on it; None for a follower, and for a leader that could not renew in time."""
        with self._lock:
            trusted = self._renewed + self._lasts.total_seconds() - MARGIN_S
            return self._held if self._held and self._monotonic() < trusted else None

    def step(self) -> Lead | None:
        """Renew the lease, or try to take it; the lease when it was taken just now. Raises: errors of the database."""
        held, sent = self._held, self._monotonic()
        if self._stopped or (held and sent - self._renewed < RENEW_AFTER_S):
            return None
        with self._begin() as connection:
            if held is None:
                taken = clock.take_lead(connection, self.holder, lasts=self._lasts)
            else:
                taken = held if clock.renew_lead(connection, held, lasts=self._lasts) else None
        with self._lock:
            self._held, self._renewed = taken, sent
        if held and not taken:
            log.warning("clock.lead_lost", term=held.term)
        if not taken or held:
            return None
        log.info("clock.lead_taken", term=taken.term)
        return taken

    def lost(self, lead: Lead) -> None:
        """A statement said that this term is over: follow from now on."""
        with self._lock:
            if self._held == lead:
                self._held = None
                log.warning("clock.lead_lost", term=lead.term)

    def release(self) -> None:
        """Stop, and let another clock take over at once. Raises: errors of the database."""
        self._stopped = True
        with self._lock:
            held, self._held = self._held, None
        if held:
            with self._begin() as connection:
                clock.release_lead(connection, held)
            log.info("clock.lead_released", term=held.term)
