"""The clock process of the simulation: the product's own leadership, ticks, dispatcher, sweep and stream reader."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from db.clock import Lead, LostLead
from db.engine import UnitOfWork
from db.sealing import Sealer
from db.streams import SetBack
from dispatch.dispatcher import Dispatcher
from funding.errors import ProviderError
from funding.ports.listings import EventStream
from scheduler import clock as product
from scheduler.beats import Beats
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics
from scheduler.streams import StreamReader
from scheduler.timetable import timetable
from tests.simulation.clock import Clock
from tests.simulation.heard import Heard
from tests.simulation.worker import POLLED_EVERY

LASTS: Final = timedelta(days=1)  # the lease of a leader that is well, which would renew it all the time
FOLLOWED_AFTER: Final = timedelta(seconds=7)  # when it is not
METRICS: Final = ClockMetrics()
_LEASE_ENDS = text("UPDATE clock_leases SET expires_at = rk_now() + :within WHERE holder = :holder")


class SimulatedLeader:
    """One clock process, driven by hand. `alive` turns false when it crashes; `frozen` while it stands still."""

    def __init__(
        self,
        begin: UnitOfWork,
        clock: Clock,
        *,
        connect: Callable[[], EventStream],
        listings: Mapping[str, Sequence[str]],
        wake: Heard,
        draw: random.Random,
    ) -> None:
        self.alive = True
        self.frozen = False
        self._time = clock
        self._polls = bool(listings)
        self._leadership = Leadership(begin, lasts=LASTS, monotonic=clock.monotonic)
        self._ticked: int | None = None  # the slot of every poll, which all have the same
        self._clock = product.Clock(
            begin,
            leadership=self._leadership,
            dispatcher=Dispatcher(begin, wake),
            beats=Beats(begin, monotonic=clock.monotonic),
            wake=wake,
            timetable=[
                slots for slots in timetable(poll=POLLED_EVERY, listings=listings) if slots.job.startswith("poll_")
            ],
            metrics=METRICS,
        )
        self._reader = StreamReader(
            connect,
            provider="alpaca",
            name="journals",
            lead=lambda: self._leadership.lead,
            begin=begin,
            wake=wake.events,
            sealer=Sealer(),
            metrics=METRICS,
            draw=draw,
        )

    @property
    def leads(self) -> bool:
        """Whether it believes so."""
        return self._leadership.lead is not None

    def announce(self) -> None:
        """Make the ticks of a new slot, and announce all that is due."""

        def act(lead: Lead) -> None:
            if not self.has_ticked():
                self._clock.tick(lead)
                self._ticked = self._slot()
            self._clock.dispatch(lead)

        self._leading(act)

    def has_ticked(self) -> bool:
        """Whether it has made the ticks of the newest slot, if it is to make any."""
        return not self._polls or self._ticked == self._slot()

    def _slot(self) -> int:
        return int(self._time.database.timestamp() // POLLED_EVERY.total_seconds())

    def sweep(self) -> None:
        """Free what workers that are gone hold."""
        self._leading(self._clock.sweep_sessions)

    def listen(self) -> None:
        """Read Alpaca's stream from a while before its cursor until it would have to wait."""

        def act(lead: Lead) -> None:
            with suppress(ProviderError, SetBack):
                self._reader.read(lead)

        self._leading(act)

    def falls_silent(self, quiet: UnitOfWork) -> None:
        """It renews no more: its lease lasts as long as after any renewal, by the database's clock and by its own."""
        with quiet() as connection:
            connection.execute(_LEASE_ENDS, {"within": FOLLOWED_AFTER, "holder": self._leadership.holder})
        self._leadership._renewed = self._time.monotonic() - (LASTS - FOLLOWED_AFTER).total_seconds()

    def _leading(self, act: Callable[[Lead], None]) -> None:
        lead = self._lead()
        if lead is None:
            return
        try:
            act(lead)
        except LostLead:
            self._leadership.lost(lead)

    def _lead(self) -> Lead | None:
        """The lease; or take it when nobody has it. One that ran out is found lost first."""
        for _ in range(2):
            if lead := self._leadership.lead:
                return lead
            self._clock.keep_lead()
        return self._leadership.lead
