"""Clients of ours against the pretended providers."""

from collections.abc import Iterator

import pytest

from providers.alpaca import adapter as alpaca
from providers.alpaca.adapter import AlpacaAdapter
from providers.credentials import basic, bearer
from providers.due import adapter as due
from providers.due.adapter import DueAdapter
from providers.http import ProviderClient
from sandbox.server import SandboxServer
from tests.support.clients import a_client

DEADLINE_S = 1.0


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    """A world of its own for each test, with cash at the firm's account."""
    config = {"firm_cash": "1000.00", "due_webhook_url": "http://127.0.0.1:9/webhooks/due", "heartbeat_seconds": 0.1}
    with SandboxServer(seed=7, config=config) as server:
        yield server


@pytest.fixture
def alpaca_client(pretended: SandboxServer) -> Iterator[ProviderClient]:
    key, secret = pretended.world.config.alpaca_keys[0]
    client = a_client(
        pretended.urls["alpaca"],
        provider="alpaca",
        deadline=DEADLINE_S,
        credentials=[basic(key, secret)],
        classify=alpaca.classify,
    )
    yield client
    client.close()


@pytest.fixture
def journals(alpaca_client: ProviderClient, pretended: SandboxServer) -> AlpacaAdapter:
    return AlpacaAdapter(alpaca_client, firm_account=pretended.world.alpaca.firm_account_id)


@pytest.fixture
def due_client(pretended: SandboxServer) -> Iterator[ProviderClient]:
    key = pretended.world.config.due_api_keys[0]
    client = a_client(pretended.urls["due"], deadline=DEADLINE_S, credentials=[bearer(key)], classify=due.classify)
    yield client
    client.close()


@pytest.fixture
def transfers(due_client: ProviderClient) -> DueAdapter:
    return DueAdapter(due_client)
