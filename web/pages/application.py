"""The pages put together, as an application of their own: sessions, errors and headers of theirs reach no webhook."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from jinja2 import StrictUndefined
from sqlalchemy import Engine

from settings.values import OpsUser
from web.body import BodyReader
from web.pages import assets, checks, desk, errors, headers, outside, reading, words
from web.pages.crowd import Crowd
from web.pages.doorway import Doorway
from web.pages.sessions import LASTS, Sessions, session_key

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesConfig:
    """`users` may sign in; none: the pages are closed and say so. `secrets` are what all web processes share.

    `providers` names them, and says whether each takes new flows. `at_once`: pages read at a time, each on a
    connection of its own; `in_all` counts those that wait as well.
    """

    users: tuple[OpsUser, ...]
    secrets: tuple[str, ...]
    providers: Mapping[str, bool]
    at_once: int
    in_all: int


def create_pages(config: PagesConfig, *, engine: Engine, bodies: BodyReader) -> Application:
    """The WSGI application to be mounted at /ops. `engine` and `bodies` are the door's own, and stay the caller's."""
    app = Flask("web.pages", static_folder=None, template_folder="templates")
    app.secret_key = session_key(config.secrets, config.users)
    app.permanent_session_lifetime = LASTS
    app.session_interface = Sessions()
    app.jinja_env.undefined = StrictUndefined
    words.teach(app.jinja_env)
    assets.mount(app)
    headers.mount(app)
    errors.mount(app)
    crowd = Crowd(at_once=config.at_once, in_all=config.in_all)
    Doorway(config.users, bodies=bodies).mount(app)
    reading.mount(app, engine, crowd)
    desk.mount(app, config.providers)
    app.register_blueprint(outside.pages)
    app.register_blueprint(checks.pages)
    return _at_its_root(app)


def _at_its_root(app: Flask) -> Application:
    """/ops is /ops/: a redirect would name a host and a scheme that only a proxy in front of us knows."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("PATH_INFO"):
            environ = {**environ, "PATH_INFO": "/"}
        return app(environ, start_response)

    return application
