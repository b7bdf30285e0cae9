"""Who visits the operations pages: a browser without a screen, on the real web process's application."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from tests.support.door import no_redis, settings
from web.app import create_app, stop

NAME = "ana"
PASSWORD = "correct horse battery"
# Of that password, at the least cost that is allowed: a sign-in takes a twentieth of a second.
HASH = "scrypt.14.8.1.c2l4dGVlbiBieXRlcyBvaw.Dv99HshPRG57Gr3txOmT_-Dnj9tgAKS5aTlg0-0f9ZA"
USERS = f"{NAME}:viewer:{HASH}"


@dataclass(frozen=True)
class Visitor:
    """Keeps its cookies, follows nothing by itself. Paths are below /ops."""

    client: FlaskClient

    def get(self, path: str = "/", **more: Any) -> TestResponse:
        return self.client.get(f"/ops{path}", **more)

    def post(self, path: str, form: dict[str, str], **more: Any) -> TestResponse:
        return self.client.post(f"/ops{path}", data=form, **more)

    def token(self) -> str:
        """The token of the sign-in form."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/sign-in").text)
        assert found, "the sign-in page has a token"
        return found[1]

    def try_in(
        self, name: str = NAME, password: str = PASSWORD, *, path: str = "/sign-in", **more: Any
    ) -> TestResponse:
        """Fill in the sign-in form and send it."""
        return self.post(path, {"csrf_token": self.token(), "name": name, "password": password}, **more)

    def sign_in(self) -> "Visitor":
        assert self.try_in().status_code == 303
        return self


@contextmanager
def visiting(engine: Engine, **more: str) -> Iterator[Visitor]:
    """A visitor of a web process on that database; `more` are its settings."""
    given = settings("postgresql://pages.test/x", "redis://x", **{"OPS_USERS": USERS, **more})
    app = create_app(given, engine=engine, redis=no_redis(), wake=lambda _: None)
    try:
        yield Visitor(app.test_client())
    finally:
        stop(app)
