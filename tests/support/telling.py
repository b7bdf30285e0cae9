"""What a process of ours tells outside the database: its log, and the events that Sentry would be sent."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.transport import Transport

from dispatch import logs


class Heard:
    """What this process said to its log and to Sentry."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self.sentry: list[dict[str, Any]] = []

    def to_sentry(self) -> str:
        return json.dumps(_without_source(self.sentry))

    def all(self) -> str:
        return self.log.getvalue() + self.to_sentry()


@contextmanager
def listening(level: str, *, process: str) -> Iterator[Heard]:
    """Logs and Sentry as `process` sets them up, into memory; as they were before, afterwards."""
    found = Heard()

    class Catch(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            found.sentry.extend(item.payload.json for item in envelope.items if item.type == "event")

    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    logs.configure(level, stream=found.log)
    logs.report_errors("https://key@sentry.invalid/1", process=process)
    client = sentry_sdk.get_client()
    client.transport = Catch()
    try:
        yield found
    finally:
        client.close()
        sentry_sdk.get_global_scope().set_client(None)
        root.handlers[:], root.level = handlers, before
        structlog.reset_defaults()


def _without_source(value: Any) -> Any:
    """Sentry's own excerpts of the code that failed, a test's for one, are no data."""
    if isinstance(value, dict):
        code = {"context_line", "pre_context", "post_context"}
        return {key: _without_source(item) for key, item in value.items() if key not in code}
    return [_without_source(item) for item in value] if isinstance(value, list) else value
