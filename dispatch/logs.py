"""How every process speaks of itself: one line an event, fixed names, ids as fields, nothing personal or secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import sentry_sdk
import structlog
from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint
from structlog.types import Processor

SCRUBBED: Final = "[scrubbed]"
_UNSPEAKABLE: Final = re.compile(
    r"body|payload|secret|token|authorization|cookie|password|signature|api_?key|email|account_?number|routing|iban",
    re.IGNORECASE,
)
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/@\s]+@")


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
        structlog.processors.format_exc_info,
        scrub,
    ]
    structlog.configure(
        processors=[*shared, renderer],
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
    """Send errors of this process (web, worker, clock) to Sentry, if there is an address: the traceback, no data."""
    if dsn is None:
        return
    sentry_sdk.init(
        dsn,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_strip_event,
        before_breadcrumb=_strip_breadcrumb,
        server_name=process,
    )


def _strip_event(event: Event, _hint: Hint) -> Event:
    """Where it failed and how, without the request, the variables and the people."""
    event.pop("request", None)
    event.pop("user", None)
    event.pop("extra", None)
    for failure in event.get("exception", {}).get("values", []):
        failure["value"] = _scrubbed(failure.get("value"))
        for frame in (failure.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    return event


def _strip_breadcrumb(crumb: Breadcrumb, _hint: BreadcrumbHint) -> Breadcrumb:
    crumb.pop("data", None)
    return crumb
