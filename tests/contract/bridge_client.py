"""Our client of Bridge, for its contract tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from providers.bridge.adapter import BridgeAdapter, classify
from providers.credentials import header
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.support.clients import a_client


@contextmanager
def speaking_to(url: str, keys: Sequence[str] = ("sk-test-one",)) -> Iterator[BridgeAdapter]:
    """An adapter of the Bridge at this address."""
    client = a_client(
        url,
        provider="bridge",
        deadline=DEADLINE_S,
        credentials=[header("Api-Key", key) for key in keys],
        classify=classify,
    )
    try:
        yield BridgeAdapter(client)
    finally:
        client.close()


@contextmanager
def pretended_with(**config: object) -> Iterator[tuple[BridgeAdapter, SandboxServer]]:
    """An adapter and a pretended Bridge of other habits."""
    with (
        SandboxServer(seed=7, config=config) as server,
        speaking_to(server.urls["bridge"], server.world.config.bridge_api_keys) as bridge,
    ):
        yield bridge, server
