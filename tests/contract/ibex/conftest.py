"""The pretended IBEX with money in it, and our port to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from funding.ports.ibex import SendOrder
from providers.ibex.adapter import IbexAdapter
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.contract.ibex.client import CONFIG, ETHEREUM, ORDER, an_adapter, by_client


@pytest.fixture
def config() -> dict[str, Any]:
    return {}


@pytest.fixture
def pretended(config: dict[str, Any]) -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, config=CONFIG | config) as server:
        yield server


@pytest.fixture
def ibex(pretended: SandboxServer) -> Iterator[IbexAdapter]:
    with an_adapter(pretended.urls["ibex"], by_client(pretended), deadline=DEADLINE_S) as adapter:
        yield adapter


@pytest.fixture
def account(pretended: SandboxServer) -> str:
    return pretended.world.ibex.first_account_id


@pytest.fixture
def deposit(pretended: SandboxServer) -> Callable[..., str]:
    state = pretended.world.ibex
    address = state.add_receive_info(network="tron").address
    return lambda amount="100.00", **more: state.deposit(address, amount, **more)


@pytest.fixture
def order(account: str) -> SendOrder:
    return SendOrder(account=account, address=ETHEREUM, network="ethereum", amount=ORDER.amount, name="p_1")
