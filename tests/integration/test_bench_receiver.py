"""The handlers that the door is measured beside do what is said of them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from benchmarks import _webhooks as webhooks
from benchmarks._doors import Handle, ordinary_handler, verify_handler
from benchmarks.receiver import count_missing
from providers.due.signature import HEADER, load_keys
from providers.rotation import rotation
from providers.webhook_keys import SignatureRefused
from settings.values import ed25519_public


@pytest.fixture
def announced() -> list[int]:
    return []


@pytest.fixture(params=["verify_only", "ordinary"])
def handle(request: Any, engine: Engine, announced: list[int]) -> Handle:
    """Each of the two."""
    keys = load_keys(rotation(ed25519_public)(webhooks.public_key()))
    return verify_handler(keys) if request.param == "verify_only" else ordinary_handler(keys, engine, announced.extend)


def headers(number: int) -> dict[str, str]:
    """Those that prove the event of that number."""
    signature = webhooks.request(number).partition(b"X-Webhook-Signature: ")[2].partition(b"\r\n")[0]
    return {HEADER: signature.decode()}


def test_they_take_what_is_signed_and_refuse_the_rest(handle: Callable[..., str]) -> None:
    assert handle(webhooks.body(1), headers(1)) == "accepted"
    with pytest.raises(SignatureRefused):
        handle(webhooks.body(1), headers(2))


@pytest.mark.parametrize("handle", ["ordinary"], indirect=True)
def test_the_ordinary_one_stores_once_and_tells_the_queue(
    handle: Handle, announced: list[int], engine: Engine, database_url: str
) -> None:
    """And what was never sent counts as missing, so that a loss would be seen."""
    assert [handle(webhooks.body(n), headers(n)) for n in (1, 2, 2)] == ["accepted", "accepted", "duplicate"]

    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id FROM inbox_events WHERE state = 'received' ORDER BY id")).scalars()
        assert list(stored) == announced
    assert len(announced) == 2
    assert count_missing(database_url, [1, 2]) == 0
    assert count_missing(database_url, [1, 2, 3, 4]) == 2
