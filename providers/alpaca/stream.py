"""Alpaca's stream of journal changes, read for as long as it holds."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from funding.errors import ProviderUnavailable
from funding.ports.listings import EventStream, StreamFrame
from providers.alpaca.sse import Comment, Frame, FrameTooLarge, Parser
from providers.event_names import storable_id
from providers.fields import Fields, WrongShape, parse_json
from providers.http import ProviderClient, Request, Stream

SILENCE: Final = timedelta(seconds=60)  # assumed: the heartbeat's interval is not documented
PATH: Final = "/v2/events/journals/status"


class JournalStream(EventStream):
    """One reader of the stream; `close` ends it from another thread.

    Order is promised for each account only and ids within a millisecond are random, so the caller starts some minutes
    back (`Policy.overlap`) and drops what it has stored. Frame ids are "stream:journals:<event id>".
    Source: Alpaca Broker API docs, "SSE Events", read 2026-11.
    """

    def __init__(
        self,
        client: ProviderClient,
        *,
        silence: timedelta = SILENCE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._silence = silence
        self._clock = clock
        self._lock = threading.Lock()
        self._open: Stream | None = None
        self._closed = False

    def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
        """Frames since then, repeats included; None on each heartbeat.

        Raises: ProviderUnavailable: its end, silence, frames dropped, a failure there, or closed by us: connect again
        from a while back. ProviderThrottled, Misconfigured: as any read, on connecting.
        """
        request = Request(
            operation="alpaca.journal_stream",
            method="GET",
            path=PATH,
            params={"since": since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")},
            headers={"Accept": "text/event-stream", "Cache-Control": "no-cache"},
        )
        with self._client.stream(request, silence=self._silence) as stream:
            self._hold(stream)
            parser = Parser()
            try:
                for chunk in stream.chunks():
                    for found in parser.feed(chunk):
                        yield self._heard(found)
            except FrameTooLarge as error:
                raise self._ended(str(error)) from error
            finally:
                self._let_go(stream)
        raise self._ended("it was ended by the server")

    def close(self) -> None:
        """End the stream for good, from any thread: its reader gets ProviderUnavailable."""
        with self._lock:
            self._closed = True
            stream = self._open
        if stream is not None:
            stream.close()

    def _hold(self, stream: Stream) -> None:
        with self._lock:
            self._open = stream
            closed = self._closed
        if closed:
            stream.close()

    def _let_go(self, stream: Stream) -> None:
        with self._lock:
            if self._open is stream:
                self._open = None

    def _heard(self, found: Comment | Frame) -> StreamFrame | None:
        if isinstance(found, Comment):
            said = found.text.lower()
            if "too slowly" in said or "dropped" in said:
                raise self._ended("frames were dropped")
            if "internal server error" in said:
                raise self._ended("the server failed")
            return None  # a heartbeat, or a remark: either way it lives
        return self._frame(found)

    def _frame(self, frame: Frame) -> StreamFrame:
        """A frame under the stream's name and its own id. An odd one is passed on too: ingest judges it."""
        name: str | None = None
        at: datetime | None = None
        try:
            fields = Fields(parse_json(frame.data))
            name = fields.maybe_text("event_id")
            at = fields.maybe_time("at")
        except WrongShape:
            name = name or frame.id
        name = name or f"sha256-{hashlib.sha256(frame.data).hexdigest()}"
        return StreamFrame(id=f"stream:journals:{storable_id(name)}", at=at or self._clock(), body=frame.data)

    def _ended(self, why: str) -> ProviderUnavailable:
        return ProviderUnavailable(f"Alpaca's journal stream: {why}", provider="alpaca")
