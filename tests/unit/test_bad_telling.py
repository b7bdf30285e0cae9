"""Whatever fails, and however a library words it, logs and Sentry tell where and what kind, and quote nothing."""

import json
import logging
from collections.abc import Callable, Iterator

import psycopg
import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from funding.errors import ProviderRejected
from tests.support.telling import Heard, listening

PRIVATE = "Ana Pires 900100200300"


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening("info", process="web") as found:
        yield found


def _row_quoted() -> None:
    raise IntegrityError(f"INSERT ... {PRIVATE}", {"body": PRIVATE}, psycopg.errors.CheckViolation(PRIVATE))


def _provider_quoted() -> None:
    raise ProviderRejected(f"alpaca answered 422: {PRIVATE}", provider="alpaca", status=422, code="40010001")


def _value_quoted() -> None:
    int(PRIVATE)


def _key_quoted() -> None:
    dict[str, str]()[PRIVATE]


def _cause_quoted() -> None:
    try:
        _row_quoted()
    except IntegrityError as error:
        raise RuntimeError(PRIVATE) from error


WAYS = [_row_quoted, _provider_quoted, _value_quoted, _key_quoted, _cause_quoted]


@pytest.mark.parametrize("fail", WAYS)
@pytest.mark.parametrize("speaker", ["ours", "a library's"])
def test_an_error_is_told_to_log_and_sentry_without_what_it_quotes(
    heard: Heard, fail: Callable[[], None], speaker: str
) -> None:
    try:
        fail()
    except Exception as error:
        if speaker == "ours":
            structlog.get_logger().exception("actor.failed", error=type(error).__name__)
        else:
            logging.getLogger("dramatiq").exception("Failed to process message %r", PRIVATE)
        kind = type(error).__name__

    line = json.loads(heard.log.getvalue())
    assert kind in line["exception"]
    assert fail.__name__ in line["exception"]
    assert len(heard.sentry) == 1
    assert heard.sentry[0]["exception"]["values"][-1]["type"] == kind
    assert PRIVATE not in (heard.all() if speaker == "ours" else heard.to_sentry())


def test_an_error_keeps_what_helps_to_mend_it(heard: Heard) -> None:
    try:
        _provider_quoted()
    except ProviderRejected:
        structlog.get_logger().exception("actor.failed")

    assert "ProviderRejected: alpaca 422 40010001" in json.loads(heard.log.getvalue())["exception"]
    assert heard.sentry[0]["exception"]["values"][0]["value"] == "alpaca 422 40010001"
    assert heard.sentry[0]["tags"] == {"event": "actor.failed"}


def test_an_alarm_without_an_exception_reaches_sentry_by_its_name(heard: Heard) -> None:
    structlog.get_logger().error("clock.silent", job="dispatch", body=PRIVATE)
    structlog.get_logger().warning("redis.unreachable")

    assert [event["message"] for event in heard.sentry] == ["clock.silent"]
    assert PRIVATE not in heard.all()
