"""What a process says is one JSON line an event, without bodies, secrets or people."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from sentry_sdk.transport import Transport

from dispatch import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging belongs to the whole process: put back what the test changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def fail(message: str) -> None:
    raise ConnectionError(message)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_ours_and_the_libraries_lines_have_one_form() -> None:
    out = io.StringIO()
    logs.configure("info", stream=out)

    structlog.get_logger().info("deposit.advanced", deposit_id="d1", to="broker_funded")
    logging.getLogger("apscheduler").warning("missed %s", "a run")
    logging.getLogger("apscheduler").info("chatter")
    structlog.get_logger().debug("not this")

    ours, theirs = lines(out)
    assert (ours["event"], ours["deposit_id"], ours["level"]) == ("deposit.advanced", "d1", "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("missed a run", "apscheduler", "warning")
    assert ours["timestamp"].endswith("Z")


def test_what_must_not_be_said_is_blanked_at_any_depth() -> None:
    out = io.StringIO()
    logs.configure("info", stream=out)

    structlog.get_logger().info(
        "odd",
        body="private",
        request={"headers": [{"Authorization": "private"}], "email": "private", "id": "ev_1"},
        url="postgresql://user:private@host/db",
        account_number="private",
    )

    (line,) = lines(out)
    assert "private" not in out.getvalue()
    assert line["request"]["id"] == "ev_1"
    assert line["url"] == "postgresql://[scrubbed]@host/db"


def test_an_exception_is_told_without_the_password_in_its_message() -> None:
    out = io.StringIO()
    logs.configure("info", stream=out)

    try:
        fail("cannot reach redis://:private@host/0")
    except ConnectionError:
        structlog.get_logger().exception("redis.away")

    assert "ConnectionError" in lines(out)[0]["exception"]
    assert "private" not in out.getvalue()


def test_sentry_gets_the_traceback_and_no_data() -> None:
    sent: list[dict[str, Any]] = []

    class Catch(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.extend(item.payload.json for item in envelope.items if item.type == "event")

    logs.report_errors("https://key@sentry.invalid/1", process="web")
    client = sentry_sdk.get_client()
    try:
        client.transport = Catch()
        private = "private"
        sentry_sdk.set_user({"email": private})
        sentry_sdk.add_breadcrumb(message="call", data={"body": private})
        try:
            fail("redis://:private@host is away")
        except ConnectionError as error:
            sentry_sdk.capture_exception(error)
    finally:
        client.close()
        sentry_sdk.get_global_scope().set_client(None)

    (event,) = sent
    assert event["exception"]["values"][0]["type"] == "ConnectionError"
    source = {"context_line", "pre_context", "post_context"}
    for frame in event["exception"]["values"][0]["stacktrace"]["frames"]:
        assert "vars" not in frame
        for lines_of_code in source:
            frame.pop(lines_of_code, None)
    assert "private" not in json.dumps(event)
