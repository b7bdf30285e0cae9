"""What would leave for Sentry, to the last byte: where it failed and of what kind, and nothing of what it met."""

import ast
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sentry_sdk
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sqlalchemy.exc import IntegrityError

from db.engine import make_engine
from funding.errors import ProviderRejected
from providers.receiving import Receiving
from tests.support.door import Signer, event, no_redis, settings
from tests.support.telling import Heard, listening
from tests.support.visitor import visiting
from web.app import create_app, stop
from workers.actors import _contained

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "postgresql://127.0.0.1:1/nowhere"
CODE = ("db", "dispatch", "funding", "ops", "providers", "scheduler", "settings", "web", "workers")


@dataclass
class Planted:
    """Made up anew for each test, so that they stand in no source file that Sentry quotes."""

    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def all(self) -> dict[str, str]:
        digits = str(int(self.mark, 16))
        return {
            "secret": f"whsec_{self.mark[:16]}",
            "token": f"Bearer {self.mark[16:]}",
            "person": f"Ximena {self.mark[:6].translate(str.maketrans('0123456789', 'ghijklmnop'))}",
            "email": f"x{self.mark[6:12]}@planted.example",
            "account": digits[:12],
            "body": f'{{"iban": "{digits[12:30]}"}}',
        }

    def __str__(self) -> str:
        return " ".join(self.all.values())

    def found_in(self, text: str) -> set[str]:
        """Which of them, whole or the part that makes it recognisable."""
        pieces = {kind: (word, word.split()[-1].strip('"{}')) for kind, word in self.all.items()}
        return {kind for kind, words in pieces.items() if any(word in text for word in words)}


@dataclass
class Sent:
    """Everything that was handed over to be sent, not events alone."""

    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"\n".join(envelope.serialize() for envelope in self.envelopes).decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for envelope in self.envelopes if (event := envelope.get_event()) is not None]  # type: ignore[misc]


@pytest.fixture
def planted() -> Planted:
    return Planted()


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening("info", process="web") as found:
        yield found


@pytest.fixture
def sent(heard: Heard, planted: Planted) -> Sent:
    """The process's own set-up, with everything that Sentry's client gathers by itself planted as well."""
    found = Sent()

    class Keep(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            found.envelopes.append(envelope)

    sentry_sdk.get_client().transport = Keep()
    scope = sentry_sdk.get_isolation_scope()
    scope.set_user({"email": planted.all["email"], "username": planted.all["person"]})
    scope.set_extra("headers", {"Authorization": planted.all["token"]})
    scope.set_tag("customer", planted.all["person"])
    scope.set_context("row", dict(planted.all))
    scope.set_transaction_name(f"/webhooks?{planted}")
    scope.add_breadcrumb(category="query", message=str(planted), data=planted.all)
    logging.getLogger("urllib3").warning("asked %s", planted)
    return found


@pytest.fixture(autouse=True)
def _nobody_on_the_scope() -> Iterator[None]:
    yield
    sentry_sdk.get_isolation_scope().clear()


def _own_words(planted: Planted) -> None:
    raise RuntimeError(f"cannot do it for {planted}")


def _row(planted: Planted) -> None:
    refused = psycopg.errors.UniqueViolation(f"Key (email)=({planted}) already exists.")
    raise IntegrityError(f"INSERT INTO customers VALUES ('{planted}')", planted.all, refused)  # noqa: S608 - no statement: an error's text


def _provider(planted: Planted) -> None:
    raise ProviderRejected(f"due answered 422: {planted}", provider="due", status=422, code="bad")


def _noted(planted: Planted) -> None:
    error = ValueError(str(planted))
    error.add_note(str(planted))
    raise error


def _several(planted: Planted) -> None:
    raise ExceptionGroup(str(planted), [KeyError(str(planted)), OSError(5, "I/O", str(planted))])


def _caused(planted: Planted) -> None:
    try:
        _row(planted)
    except IntegrityError as error:
        raise LookupError(str(planted)) from error


WAYS = [_own_words, _row, _provider, _noted, _several, _caused]


def fail(how: Callable[[Planted], None], planted: Planted) -> None:
    """With everything in the variables of the frame that fails, under harmless names too."""
    held = dict(planted.all)
    row, said = list(held.values()), str(planted)
    how(planted)
    assert held, (row, said)


def prove(sent: Sent, planted: Planted, how: Callable[[Planted], None]) -> dict[str, Any]:
    """One event, which names the place and holds nothing planted."""
    (event,) = sent.events
    assert how.__name__ in sent.text
    assert planted.found_in(sent.text) == set()
    return event


@pytest.mark.parametrize("how", WAYS)
class TestAFailure:
    def test_in_the_door_tells_nothing_of_the_request(
        self,
        how: Callable[[Planted], None],
        sent: Sent,
        planted: Planted,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def verify(_body: bytes, _headers: Mapping[str, str], _now: object) -> Any:
            fail(how, planted)

        broken = Receiving("due", verify, lambda _body, _event: None)  # type: ignore[arg-type, return-value]
        monkeypatch.setattr("web.app.routes", lambda _keys: {"/webhooks/due": broken})
        given = settings("postgresql://door.test/x", "redis://x", DUE_WEBHOOK_PUBLIC_KEYS=Signer().setting)
        app = create_app(given, engine=make_engine(NOWHERE), redis=no_redis(), wake=lambda _: None)
        try:
            body = event(**planted.all)
            headers = Signer().headers(body) | {"Authorization": planted.all["token"], "X-Name": planted.all["person"]}
            answer = app.test_client().post(f"/webhooks/due?email={planted.all['email']}", data=body, headers=headers)
        finally:
            stop(app)

        assert answer.status_code == 500
        assert prove(sent, planted, how)["tags"] == {"event": "web.failed"}

    def test_in_a_page_tells_nothing_of_who_looked_at_what(
        self,
        how: Callable[[Planted], None],
        sent: Sent,
        planted: Planted,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with visiting(make_engine(NOWHERE)) as ana:
            ana.sign_in()
            monkeypatch.setattr("web.pages.desk.looking", lambda: fail(how, planted))
            answer = ana.get("/", query_string=planted.all, headers={"X-Forwarded-For": planted.all["account"]})

        assert answer.status_code == 500
        assert prove(sent, planted, how)["tags"] == {"event": "ops.failed"}

    def test_of_a_thread_that_nobody_watches_tells_nothing(
        self, how: Callable[[Planted], None], sent: Sent, planted: Planted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(threading, "excepthook", lambda _args: None)
        thread = threading.Thread(target=fail, args=(how, planted), name=str(planted))
        thread.start()
        thread.join()

        prove(sent, planted, how)


@pytest.mark.parametrize("how", [how for how in WAYS if how is not _row])  # the database's own is only warned of
def test_a_failure_in_a_step_tells_nothing_of_the_flow(
    how: Callable[[Planted], None], sent: Sent, planted: Planted
) -> None:
    _contained("due_deposit.follow_transfer", lambda _flow: fail(how, planted))(str(planted))

    assert prove(sent, planted, how)["tags"] == {"event": "actor.failed"}


class TestALine:
    def test_of_a_library_keeps_its_own_words_and_drops_what_it_fills_in(self, sent: Sent, planted: Planted) -> None:
        logging.getLogger("pool").error("lost %s at %s", planted.all["person"], planted, extra=planted.all)

        (event,) = sent.events
        assert event["logentry"] == {"message": "lost %s at %s"}
        assert planted.found_in(sent.text) == set()

    @pytest.mark.parametrize("filled", ["at once", "half of it"])
    def test_of_a_library_that_was_put_together_with_data_tells_only_where(
        self, sent: Sent, planted: Planted, filled: str
    ) -> None:
        """Libraries word their lines as they please: an f-string has no places left to tell data from words."""
        if filled == "at once":
            logging.getLogger("server").error(f"cannot answer {planted}")  # noqa: G004 - as libraries do
        else:
            logging.getLogger("server").critical(f"cannot answer {planted} in %s s", 5)  # noqa: G004

        (event,) = sent.events
        assert event["logger"] == "server"
        assert event["logentry"]["message"].startswith("test_sentry.test_of_a_library_that_was_put_together")
        assert planted.found_in(sent.text) == set()

    def test_of_ours_is_known_by_its_name_alone(self, sent: Sent, planted: Planted) -> None:
        structlog.get_logger().error("clock.silent", job="poll", customer=str(planted), **planted.all)

        (event,) = sent.events
        assert event["message"] == "clock.silent"
        assert planted.found_in(sent.text) == set()

    def test_of_ours_has_a_fixed_name(self) -> None:
        """The name is what Sentry is told, so no data may be part of it."""
        calls = [
            (f"{path.relative_to(ROOT)}:{call.lineno}", call)
            for folder in CODE
            for path in (ROOT / folder).rglob("*.py")
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in {"error", "exception", "critical"}
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in {"log", "logger"}
        ]
        assert len(calls) > 5
        assert [at for at, call in calls if not (call.args and isinstance(call.args[0], ast.Constant))] == []
