"""The reader of event streams: each frame is in the inbox once, whatever breaks, and only the leader writes."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from db import recovery
from db.clock import Lead, LostLead
from db.engine import unit_of_work
from db.sealing import EncryptionKey, Sealer
from db.streams import SetBack
from funding.errors import ProviderUnavailable
from funding.ports.listings import StreamFrame
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics
from scheduler.streams import StreamReader
from tests.support.moved_time import MovedTime

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
GONE = ProviderUnavailable("the stream ended", provider="alpaca")


class Stream:
    """A provider's stream: each connection gets the next script, a list of frames, heartbeats and an error at last."""

    def __init__(self, *scripts: list[StreamFrame | None]) -> None:
        self.scripts = list(scripts)
        self.asked: list[datetime] = []
        self.closed = 0

    def connect(self) -> "Stream":
        return self

    def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
        self.asked.append(since)
        yield from self.scripts.pop(0)
        raise GONE

    def close(self) -> None:
        self.closed += 1


def frame(number: int, *, at: datetime = NOON) -> StreamFrame:
    return StreamFrame(id=f"stream:journals:{number}", at=at, body=b'{"n":%d}' % number)


class Reading:
    """A leader that reads a stream once."""

    def __init__(self, time: MovedTime, stream: Stream, sealer: Sealer | None = None) -> None:
        self.time = time
        self.leadership = Leadership(time, monotonic=time.monotonic)
        self.leadership.step()
        self.woken: list[int] = []
        self.metrics = ClockMetrics()
        self.reader = StreamReader(
            stream.connect,
            provider="alpaca",
            name="journals",
            lead=lambda: self.leadership.lead,
            begin=time,
            wake=self.woken.extend,
            sealer=sealer or Sealer(),
            metrics=self.metrics,
            draw=random.Random(1),
        )

    @property
    def lead(self) -> Lead:
        lead = self.leadership.lead
        assert lead
        return lead

    def once(self) -> None:
        with pytest.raises(ProviderUnavailable):
            self.reader.read(self.lead)

    def inbox(self) -> list[str]:
        with self.time() as connection:
            rows = connection.execute(text("SELECT event_id FROM inbox_events WHERE source = 'stream' ORDER BY id"))
            return list(rows.scalars())


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, NOON + timedelta(seconds=30))


class TestReading:
    def test_takes_each_frame_in_and_announces_it(self, time: MovedTime) -> None:
        reading = Reading(time, Stream([None, frame(1), None, frame(2)]))
        reading.once()

        assert reading.inbox() == ["stream:journals:1", "stream:journals:2"]
        assert len(reading.woken) == 2

    def test_begins_again_five_minutes_before_the_cursor(self, time: MovedTime) -> None:
        """After a gap everything since then comes again, and is known already."""
        heard = frame(1, at=NOON + timedelta(minutes=8))
        stream = Stream([], [heard], [heard, frame(2)])
        reading = Reading(time, stream)
        began = time.now
        for pause in (10, 20, 0):
            reading.once()
            time.passes(minutes=pause)
            reading.leadership.step()
            reading.leadership.step()

        back = timedelta(minutes=5)
        assert stream.asked == [began - back, began - back, heard.at - back]
        assert reading.inbox() == ["stream:journals:1", "stream:journals:2"]
        assert len(reading.woken) == 2
        assert stream.closed == 3

    def test_never_moves_the_cursor_back_or_into_the_future(self, time: MovedTime) -> None:
        """Frames of two accounts come out of order, and a provider's clock may be wrong."""
        late, early = frame(1, at=NOON + timedelta(seconds=20)), frame(2, at=NOON)
        far = frame(3, at=NOON + timedelta(days=400))
        stream = Stream([late, early, far], [])
        reading = Reading(time, stream)
        reading.once()
        reading.once()

        assert stream.asked[1] == time.now - timedelta(minutes=5)

    def test_keeps_bodies_sealed(self, time: MovedTime) -> None:
        reading = Reading(time, Stream([frame(1)]), Sealer([EncryptionKey("k", bytes(32))]))
        reading.once()
        with time() as connection:
            row = connection.execute(text("SELECT body, body_key FROM inbox_events")).one()
        assert (row.body_key, b'"n"' in bytes(row.body)) == ("k", False)

    @pytest.mark.parametrize("next_frame", [None, frame(9)])
    def test_begins_anew_where_recovery_set_it_back_to(self, time: MovedTime, next_frame: StreamFrame | None) -> None:
        """After a restore the stream is read again from before it, also while it is quiet."""
        lost_since = NOON - timedelta(hours=2)

        class SetBackMeanwhile(Stream):
            def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
                self.asked.append(since)
                yield frame(1)
                with time() as connection:
                    recovery.read_again(connection, lost_since)
                yield next_frame
                raise GONE

        stream = SetBackMeanwhile()
        reading = Reading(time, stream)
        for _ in range(2):
            with pytest.raises(SetBack):
                reading.reader.read(reading.lead)

        assert stream.asked[1] == lost_since - timedelta(minutes=5)
        assert reading.inbox() == ["stream:journals:1"], "nothing is taken in ahead of what is read again"


class TestTerm:
    def test_of_another_leader_refuses_the_frame_and_the_cursor(self, time: MovedTime) -> None:
        """Stopped in mid-stream, replaced, and going on: nothing is written, so nothing is skipped either."""
        stale = Reading(time, Stream([frame(1)]))
        lead = stale.lead
        time.passes(seconds=8)
        stale.leadership._renewed = time.monotonic()  # it does not know yet
        other = Reading(time, Stream([]))
        assert other.leadership.lead

        with pytest.raises(LostLead):
            stale.reader.read(lead)
        assert stale.inbox() == []

    def test_of_another_leader_refuses_a_frame_that_was_under_way(self, time: MovedTime) -> None:
        stale = Reading(time, Stream([frame(1)]))
        held = stale.lead
        stream = Stream([frame(2)])
        stale.reader._connect = stream.connect
        with time() as connection:
            connection.execute(text("SELECT 1"))

        def taken_over() -> Lead | None:
            with time() as connection:
                connection.execute(text("UPDATE clock_leases SET term = term + 1"))
            return held

        stale.reader._lead = taken_over
        with pytest.raises(LostLead):
            stale.reader.read(held)
        assert stale.inbox() == []
        with time() as connection:
            cursor = connection.execute(text("SELECT last_event_id FROM stream_cursors")).scalar_one()
        assert cursor is None


def test_it_waits_longer_after_each_failure_and_ends_when_asked(engine: Engine) -> None:
    begin = unit_of_work(engine)
    leadership = Leadership(begin)
    leadership.step()

    class Refusing(Stream):
        def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
            self.asked.append(since)
            raise GONE

    stream = Refusing()
    reader = StreamReader(
        stream.connect,
        provider="alpaca",
        name="journals",
        lead=lambda: leadership.lead,
        begin=begin,
        wake=lambda ids: None,
        sealer=Sealer(),
        metrics=ClockMetrics(),
    )
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            leadership.step()
            if len(waits) == 8:
                self.set()
            return self.is_set()

    reader._stopping = Stop()
    reader.run()

    assert len(stream.asked) == 8
    bounds = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
