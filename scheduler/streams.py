"""Read a provider's event stream, in a thread of the leader's: each frame becomes an inbox event.

Event and cursor are written in one transaction, fenced by the term; reading begins again a few minutes before the
cursor, and what the inbox has already is a duplicate there. So a frame is lost in no crash and doubled in none.
"""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db import inbox, streams
from db.clock import Lead, LostLead
from db.engine import UnitOfWork
from db.inbox import Arrival
from db.sealing import Sealer
from db.streams import SetBack
from funding.errors import ProviderError
from funding.ports.listings import EventStream, StreamFrame
from scheduler.metrics import ClockMetrics

OVERLAP: Final = timedelta(minutes=5)  # frames are in order for each account only
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0

log = structlog.get_logger()


class StreamReader:
    """Reads one stream while this process leads. `run` is for a thread of its own, `stop` for any.

    `connect` gives a new reader each time. `lead` gives the lease to act on, or None. `wake` announces events, and
    never raises.
    """

    def __init__(
        self,
        connect: Callable[[], EventStream],
        *,
        provider: str,
        name: str,
        lead: Callable[[], Lead | None],
        begin: UnitOfWork,
        wake: Callable[[Sequence[int]], None],
        sealer: Sealer,
        metrics: ClockMetrics,
        draw: random.Random | None = None,
    ) -> None:
        self._connect = connect
        self._provider = provider
        self._name = name
        self._lead = lead
        self._begin = begin
        self._wake = wake
        self._sealer = sealer
        self._metrics = metrics
        self._draw = draw or random.Random()
        self._stopping = threading.Event()
        self._open: EventStream | None = None
        self._heard = False
        self._cursor = datetime.max.replace(tzinfo=UTC)  # read anew each time

    def run(self) -> None:
        """Read, and after any end wait 1 s, doubling to 60 s, and read again, until `stop`."""
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            lead = self._lead()
            if lead is None:
                self._stopping.wait(FIRST_WAIT_S)
                continue
            self._heard = False
            self._read_once(lead)
            wait_s = FIRST_WAIT_S if self._heard else wait_s
            self._stopping.wait(wait_s * self._draw.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def stop(self) -> None:
        """End `run` soon, also while it waits for a frame."""
        self._stopping.set()
        if self._open is not None:
            self._open.close()

    def read(self, lead: Lead) -> None:
        """Read until the stream ends, the lease is gone or `stop` is called.

        Raises: ProviderError (however the stream ended), LostLead, SetBack, errors of the database.
        """
        with self._begin() as connection:
            self._cursor = streams.start(connection, lead, provider=self._provider, stream=self._name)
        since = self._cursor - OVERLAP
        log.info("stream.opened", since=since.isoformat(), provider=self._provider, stream=self._name)
        self._open = self._connect()
        with closing(self._open):
            for frame in self._open.frames(since=since):
                self._heard = True
                self._metrics.streams_open.labels(self._provider, self._name).set(1)
                if self._stopping.is_set() or self._lead() != lead:
                    return
                if frame is None:
                    self._check()
                else:
                    self._take(frame, lead)

    def _read_once(self, lead: Lead) -> None:
        try:
            self.read(lead)
        except (ProviderError, SQLAlchemyError, LostLead, SetBack) as error:
            log.warning("stream.ended", provider=self._provider, stream=self._name, error=type(error).__name__)
        except Exception:
            log.exception("stream.failed", provider=self._provider, stream=self._name)
        finally:
            self._metrics.streams_open.labels(self._provider, self._name).set(0)
            self._metrics.stream_breaks.labels(self._provider, self._name).inc()

    def _check(self) -> None:
        with self._begin() as connection:
            streams.check(connection, provider=self._provider, stream=self._name, left_at=self._cursor)

    def _take(self, frame: StreamFrame, lead: Lead) -> None:
        arrival = Arrival(
            provider=self._provider,
            event_id=frame.id,
            route=self._provider,
            type=None,
            source="stream",
            body=frame.body,
        )
        with self._begin() as connection:
            cursor = streams.move(
                connection,
                lead,
                provider=self._provider,
                stream=self._name,
                at=frame.at,
                event_id=arrival.event_id,
                left_at=self._cursor,
            )
            (stored,) = inbox.insert_events(connection, [arrival], sealer=self._sealer)
        self._cursor = cursor
        self._metrics.frames.labels(self._provider, self._name, "duplicate" if stored.duplicate else "accepted").inc()
        if not stored.duplicate:
            self._wake([stored.id])
