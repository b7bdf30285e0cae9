"""The web process's whole application on a real database: whatever is sent, the answer and the inbox agree."""

from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.fuzz.at_the_door import LEGACY, SIGNER, check_answer
from tests.fuzz.seeds_of import seeds_of
from tests.fuzz.test_targets import nearly
from tests.support.door import no_redis
from tests.support.door import settings as door_settings
from tests.support.signing import IBEX_SECRET, STRIPE_SECRET, bridge_key
from web.app import create_app, stop

PATHS = [
    "/",
    "/healthz",
    "/metrics",
    "/ops",
    "/ops/",
    "/ops/flows",
    "/webhooks/due/",
    "//webhooks/due",
    "/webhook/",
    "/%00",
]


@pytest.fixture
def app(engine: Engine) -> Iterator[Flask]:
    keys = {
        "DUE_WEBHOOK_PUBLIC_KEYS": SIGNER.setting,
        "DUE_LEGACY_WEBHOOK_SECRET": LEGACY,
        "BRIDGE_WEBHOOK_PUBLIC_KEYS": bridge_key().der_base64,
        "IBEX_WEBHOOK_SECRETS": IBEX_SECRET,
        "STRIPE_WEBHOOK_SECRETS": STRIPE_SECRET,
    }
    read = door_settings("postgresql://nobody:none@127.0.0.1:1/none", "redis://127.0.0.1:1", **keys)
    app = create_app(read, engine=engine, redis=no_redis(), wake=lambda ids: None)
    yield app
    stop(app)


def test_it_answers_and_stores_as_promised(app: Flask, engine: Engine) -> None:
    def stored() -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one())

    requests = nearly([seed.read_bytes() for seed in seeds_of("door")])
    elsewhere = st.builds(
        lambda method, path, more: f"{method} {path}{more} HTTP/1.1\n\n".encode("latin-1", "replace"),
        st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "", "get"]),
        st.sampled_from(PATHS),
        st.text(max_size=10),
    )

    @settings(max_examples=100)
    @given(requests | elsewhere)
    def holds(request: bytes) -> None:
        check_answer(app, request, stored)

    holds()


@pytest.mark.parametrize(
    "odd", ["\0", "\x01", "\x7f", "\xff", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_odd_letters_in_what_is_kept_beside_the_body_keep_nothing_out(app: Flask, odd: str) -> None:
    """A header is text of any kind; a signed event is stored whatever stands in it."""
    request = f'POST /webhooks/due HTTP/1.1\nUser-Agent: a{odd}b\nX-Webhook-Signature: *\n\n{{"id":"evt"}}'
    assert check_answer(app, request.encode("latin-1"), lambda: 0) == 200
