"""What `bin/up` makes of the pretended providers' first line: settings that a process can start with."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from ops.cli.system import PRETENDED, _credentials
from ops.configured import enabled, providers_config
from providers.bridge.provider import BridgeConfig
from providers.ibex.provider import IbexConfig
from providers.registry import PROVIDERS
from providers.stripe.provider import StripeConfig
from sandbox.server import SandboxServer
from settings import Settings, load
from tests.support.door import no_redis
from tests.support.signing import bridge_key
from web.app import create_app, stop

SERVERS = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}


@pytest.fixture(scope="module")
def said() -> Iterator[Mapping[str, Any]]:
    with SandboxServer(seed=3) as server:
        yield server.ready()


def read(said: Mapping[str, Any], *names: str, **more: str) -> Settings:
    return load(SERVERS | _credentials(said, list(names or PRETENDED)) | more)


def test_every_provider_there_is_can_be_pretended_and_then_takes_new_flows(said: Mapping[str, Any]) -> None:
    settings = read(said)
    assert set(PRETENDED) == set(PROVIDERS)
    assert enabled(settings) == dict.fromkeys(PROVIDERS, True)
    assert {one.provider for one in providers_config(settings, threads=2).each} == set(PROVIDERS)


@pytest.mark.parametrize("name", PRETENDED)
def test_one_alone_is_whole_and_the_others_are_left_to_their_owner(said: Mapping[str, Any], name: str) -> None:
    settings = read(said, name)
    assert [one.provider for one in providers_config(settings, threads=2).each] == [name]


def test_each_has_an_open_door(said: Mapping[str, Any], engine: Engine) -> None:
    """Alpaca sends no webhooks."""
    app: Flask = create_app(read(said), engine=engine, redis=no_redis(), wake=lambda ids: None)
    client = app.test_client()
    told = {name: client.post(f"/webhooks/{name}", data=b"{}").status_code for name in PRETENDED}
    stop(app)
    assert told == dict.fromkeys(PRETENDED, 401) | {"alpaca": 404}


class TestConfigured:
    def test_a_key_whose_window_has_ended_is_not_called_with(self, said: Mapping[str, Any]) -> None:
        rotating = {
            "BRIDGE_API_KEY": "new,old@/2020-01-01",
            "STRIPE_SECRET_KEY": "sk_new@2999-01-01/,sk_old",
            "IBEX_CLIENT_ID": "a,b",
            "IBEX_CLIENT_SECRET": "a_secret@/2020-01-01,b_secret",
        }
        settings = read(said, **rotating)
        found = {one.provider: one for one in providers_config(settings, threads=2).each}
        bridge, ibex, stripe = found["bridge"], found["ibex"], found["stripe"]
        assert isinstance(bridge, BridgeConfig)
        assert isinstance(ibex, IbexConfig)
        assert isinstance(stripe, StripeConfig)
        assert bridge.api_keys == ["new"]
        assert ibex.clients == [("b", "b_secret")]
        assert stripe.secret_keys == ["sk_new", "sk_old"]  # refused before its window, the next is tried

    def test_ibex_may_be_signed_in_at_by_e_mail_alone(self, said: Mapping[str, Any]) -> None:
        login = {"IBEX_BASE_URL": said["ibex"], "IBEX_EMAIL": "ops%40you.example", "IBEX_PASSWORD": "p%2C1"}
        (ibex,) = providers_config(load(SERVERS | login), threads=2).each
        assert isinstance(ibex, IbexConfig)
        assert (ibex.clients, ibex.logins) == ([], [("ops@you.example", "p,1")])

    def test_a_switched_off_provider_is_still_called_for_what_is_under_way(self, said: Mapping[str, Any]) -> None:
        settings = read(said, BRIDGE_ENABLED="false")
        assert not enabled(settings)["bridge"]
        assert "bridge" in {one.provider for one in providers_config(settings, threads=2).each}


def test_a_pem_without_its_first_and_last_line_is_the_key(said: Mapping[str, Any]) -> None:
    """What Bridge shows is a PEM; nothing but cutting it is needed."""
    inner = "".join(bridge_key().pem.strip().splitlines()[1:-1])
    (key,) = read(said, BRIDGE_WEBHOOK_PUBLIC_KEYS=inner).bridge.webhook_public_keys or ()
    assert key.value == base64.b64decode(bridge_key().der_base64)
