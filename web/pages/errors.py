"""What pages say when something is wrong, each with what to do about it."""

import structlog
from flask import Flask, g, render_template, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from web.pages.crowd import Busy

Answer = tuple[str, int, dict[str, str]]

log = structlog.get_logger()

_AWAY = (
    "Postgres cannot be reached",
    "Webhooks are answered 503 meanwhile, so their senders keep them; nothing is lost. This page comes back by itself.",
)
_SLOW = (
    "Postgres took too long",
    "This page gave up so as not to hold up the rest. It tries again by itself; if it stays so, ask Postgres why.",
)
_BEHIND = (
    "The database is not of this version",
    "Run rampkeeper migrate; rampkeeper doctor says more.",
)
_BUSY = ("Too many pages at once", "Webhooks come first. This page tries again by itself.")
_SAID = {
    400: ("That made no sense", "Part of the address or the form is not what this page understands."),
    404: ("There is nothing here", "It may be gone, or the address was cut short. Search finds things by any id."),
    405: ("Not like that", "This address takes other methods only."),
    413: ("That was too much", "The form sent more than it should."),
}


def mount(app: Flask) -> None:
    """Tell every error of the application as a page."""
    app.register_error_handler(Busy, lambda _: _tell(*_BUSY, 503, retry_s=2))
    app.register_error_handler(DBAPIError, _of_database)
    app.register_error_handler(PoolTimeout, lambda _: _tell(*_AWAY, 503, retry_s=5))
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _bug)


def _of_database(error: DBAPIError) -> Answer:
    state = getattr(error.orig, "sqlstate", None) or ""
    log.warning("ops.database_trouble", path=request.path, error=type(error.orig).__name__, sqlstate=state)
    if state == "57014":  # query_canceled: our own limit
        return _tell(*_SLOW, 503, retry_s=10)
    if isinstance(error, ProgrammingError) and state.startswith("42"):
        return _tell(*_BEHIND, 503, retry_s=10)
    if isinstance(error, OperationalError | InterfaceError):
        return _tell(*_AWAY, 503, retry_s=5)
    return _bug(error)


def _of_http(error: HTTPException) -> Answer:
    status = error.code or 500
    title, says = _SAID.get(status, (error.name, "Please go back and try again."))
    body, status, headers = _tell(title, says, status)
    return body, status, headers | {name: value for name, value in error.get_headers() if name == "Allow"}


def _bug(error: Exception) -> Answer:
    log.error("ops.failed", path=request.path, error=type(error).__name__, exc_info=error)
    return _tell("Something failed on our side", "It is in the log. Other pages may work.", 500)


def _tell(title: str, says: str, status: int, *, retry_s: int | None = None) -> Answer:
    g.setdefault("user", None)
    body = render_template("trouble.html", title=title, says=says, status=status, retry_s=retry_s)
    return body, status, {"Retry-After": str(retry_s)} if retry_s else {}
