"""Signing in and out, and who may pass: every page but the sign-in itself asks who is there."""

import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

import structlog
from flask import Flask, Response, abort, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import generate_csrf, validate_csrf
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response as AnyResponse
from wtforms.validators import ValidationError

from ops.actions.passwords import hash_of_nobody, password_matches
from settings.values import OpsUser
from web.body import BodyReader, CutShort, TooLarge
from web.pages import sessions
from web.pages.crowd import Busy

TRIES: Final = RateLimitItemPerMinute(10, 5)  # for a name, from an address, in five minutes
TRIES_IN_ALL: Final = RateLimitItemPerMinute(60)  # by anybody, in one process: each costs a tenth of a second
HASHES_AT_ONCE: Final = 1  # each takes 32 MiB
HASH_PATIENCE_S: Final = 3.0
MOST_FORM_BYTES: Final = 16_384
MOST_FIELDS: Final = 10
LIVE: Final = "X-Live"  # sent by a page that asks for itself again
OPEN_TO_ALL: Final = frozenset({"asset", "sign_in"})

log = structlog.get_logger()


class Doorway:
    """Stands before every page of the application it is mounted on."""

    def __init__(self, users: Sequence[OpsUser], *, bodies: BodyReader) -> None:
        self._users = {user.name: user for user in users}
        self._bodies = bodies
        self._nobody = hash_of_nobody(user.password_hash.reveal() for user in users)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)

    def mount(self, app: Flask) -> None:
        """Add the sign-in, and ask everybody else who they are."""
        app.before_request(self._admit)
        app.add_url_rule("/sign-in", "sign_in", self._sign_in, methods=["GET", "POST"])
        app.add_url_rule("/sign-out", "sign_out", self._sign_out, methods=["POST"])
        app.context_processor(lambda: {"csrf_token": generate_csrf})

    def _admit(self) -> AnyResponse | tuple[str, int] | None:
        g.user = None
        if request.endpoint == "asset":
            return None
        if not self._users:
            return render_template("closed.html"), 503
        live = LIVE in request.headers
        g.user = sessions.signed_in(self._users, by_hand=not live)
        g.form = self._read_form() if request.method == "POST" else {}
        if g.user is not None or request.endpoint in OPEN_TO_ALL:
            return None
        if live:
            return Response("Signed out.\n", 401, mimetype="text/plain")
        wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
        return redirect(url_for("sign_in", next=wanted if wanted != "/" else None), 303)

    def _read_form(self) -> dict[str, str]:
        """The form's fields, read as webhooks' bodies are read: whoever sends them slowly is cut off."""
        try:
            body = self._bodies.read(request.environ)
            if len(body) > MOST_FORM_BYTES:
                abort(413)
            return dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS))
        except TooLarge:
            abort(413)
        except (CutShort, ValueError):
            abort(400)

    def _sign_in(self) -> AnyResponse | str | tuple[str, int]:
        if request.method == "GET":
            return redirect(_wanted(), 303) if g.user else render_template("sign_in.html", problem=None, name="")
        name, password = g.form.get("name", ""), g.form.get("password", "")
        if not _ours():
            return self._again("The form was too old, or not ours. Please sign in again.", name, 400)
        if not self._may_try(name):
            return self._again("Too many tries. Please wait a few minutes.", name, 429)
        user = self._known(name, password)
        if user is None:
            log.warning("ops.sign_in_refused", known=name in self._users)
            return self._again("This name and password do not fit together.", name, 401)
        self._limiter.clear(TRIES, *self._counted(name))
        sessions.sign_in(user)
        log.info("ops.signed_in", user=user.name)
        return redirect(_wanted(), 303)

    def _sign_out(self) -> AnyResponse:
        if _ours():
            session.clear()
        return redirect(url_for("sign_in"), 303)

    def _may_try(self, name: str) -> bool:
        """Counted before the password is looked at, so that tries made side by side count too."""
        return self._limiter.hit(TRIES, *self._counted(name)) and self._limiter.hit(TRIES_IN_ALL, "all")

    def _counted(self, name: str) -> tuple[str, str]:
        """Under what tries are counted: whence, and for whom; names that nobody has are one."""
        return request.remote_addr or "unknown", name if name in self._users else "?"

    def _known(self, name: str, password: str) -> OpsUser | None:
        """The user of that name and password. A name that nobody has takes as long as a wrong password."""
        user = self._users.get(name)
        if not self._hashing.acquire(timeout=HASH_PATIENCE_S):
            raise Busy
        try:
            fits = password_matches(password, user.password_hash.reveal() if user else self._nobody)
        finally:
            self._hashing.release()
        return user if fits else None

    @staticmethod
    def _again(problem: str, name: str, status: int) -> tuple[str, int]:
        return render_template("sign_in.html", problem=problem, name=name), status


def _ours() -> bool:
    """Whether the form carries the token of this session."""
    try:
        validate_csrf(g.form.get("csrf_token"))
    except ValidationError:
        return False
    return True


def _wanted() -> str:
    """The page that was asked for before signing in: a path below ours, never another place."""
    wanted = request.args.get("next", "/")
    fits = wanted.startswith("/") and not wanted.startswith("//") and wanted.isprintable() and "\\" not in wanted
    return request.root_path + (wanted if fits else "/")
