"""How every process speaks of itself: one line an event, fixed names, ids as fields, nothing personal or secret."""

import linecache
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import sentry_sdk
import structlog
from sentry_sdk.types import Event, Hint
from structlog.types import ExcInfo, Processor

from dispatch.speakable import causes, speakable, told

SCRUBBED: Final = "[scrubbed]"
_UNSPEAKABLE: Final = re.compile(
    r"body|payload|secret|token|authorization|cookie|password|signature|api_?key|email|account_?number|routing|iban",
    re.IGNORECASE,
)
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/@\s]+@")
# What an event for Sentry may consist of; all else (request, user, extra, contexts, breadcrumbs, what a later release
# of its client adds) is left out.
_SENT: Final = frozenset(
    {"event_id", "timestamp", "level", "platform", "server_name", "release", "environment", "sdk", "modules"}
    | {"logger", "message", "logentry", "exception", "tags"}
)


def configure(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Set up logging for this process, ours and the libraries': to standard error, as JSON unless it is a terminal.

    `level` is debug, info, warning or error.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    renderer: Processor = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_told),
        scrub,
    ]
    structlog.configure(
        processors=[_report, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak of their own workings: from warnings up, and of more only when debugging.
    root.setLevel(max(least, logging.WARNING) if least > logging.DEBUG else logging.INFO)


def _told(exc_info: ExcInfo) -> str:
    return told(exc_info[1])


def scrub(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field whose name speaks of bodies, secrets or people, at any depth, and passwords in addresses."""
    for key in event:
        event[key] = SCRUBBED if _UNSPEAKABLE.search(key) else _scrubbed(event[key])
    return event


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD_IN_ADDRESS.sub(f"{SCRUBBED}@", value)
    if isinstance(value, Mapping):
        return {key: SCRUBBED if _UNSPEAKABLE.search(str(key)) else _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return value


def report_errors(dsn: str | None, *, process: str) -> None:
    """Send errors of this process (web, worker, clock) to Sentry, if there is an address: the traceback, no data.

    Whatever is logged as an error goes there, by ourselves or by a library.
    """
    if dsn is None:
        return
    sentry_sdk.init(
        dsn,
        auto_enabling_integrations=False,  # they gather requests, queries and messages; our log says what matters
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        before_send=_strip_event,
        server_name=process,
    )


def _report(_logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Pass on to Sentry what is logged as an error: our lines do not go through the standard library's logging."""
    if method in {"error", "exception", "critical"} and sentry_sdk.is_initialized():
        raised = event.get("exc_info")
        error = raised if isinstance(raised, BaseException) else sys.exc_info()[1] if raised else None
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("event", str(event.get("event")))
            if error is not None:
                scope.capture_exception(error)
            else:
                scope.capture_message(str(event.get("event")), level="error")
    return event


def _strip_event(event: Event, hint: Hint) -> Event:
    """Where it failed and of what kind, without the request, the variables, the people and what errors quote."""
    for part in set(event) - _SENT:
        event.pop(part)  # type: ignore[misc]  # the names are keys of the event
    if "tags" in event:
        event["tags"] = {name: value for name, value in event["tags"].items() if name == "event"}
    if "logentry" in event:
        event["logentry"] = {"message": _line(hint.get("log_record"))}
    raised = hint.get("exc_info")
    known = {str(error): speakable(error) for error in causes(raised[1])} if raised and raised[1] else {}
    for failure in event.get("exception", {}).get("values", []):
        failure["value"] = _scrubbed(known.get(str(failure.get("value")), ""))
        for frame in (failure.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    return event


def _line(record: logging.LogRecord | None) -> str:
    """A library's line without its data: as it stands in quotes in the library's code, or only where it was said."""
    if record is None:
        return ""
    code, words = "".join(linecache.getlines(record.pathname)), str(record.msg)
    if f'"{words}"' in code or f"'{words}'" in code:
        return words
    return f"{record.module}.{record.funcName}:{record.lineno}"
