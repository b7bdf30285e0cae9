"""The providers of a process, built out of plain values."""

import time
from datetime import timedelta

from funding.gate_state import GateState
from providers.alpaca.provider import AlpacaConfig
from providers.bridge.provider import BridgeConfig
from providers.credentials import basic
from providers.due.provider import DueConfig
from providers.http import CallReport
from providers.ibex.provider import IbexConfig
from providers.registry import (
    INTERPRETERS,
    POLICIES,
    PROVIDERS,
    ProvidersConfig,
    Surroundings,
    build,
)
from providers.stripe.provider import StripeConfig
from sandbox.server import SandboxServer


class NoRow:
    """A gate that is always open."""

    def read(self, provider: str) -> GateState:
        return GateState()

    def opened(self, provider: str, *, open_for: timedelta, failures: int) -> None:
        raise AssertionError("nothing has failed")

    def closed(self, provider: str) -> None:
        raise AssertionError("nothing was open")

    def probe(self, provider: str, *, lease: timedelta) -> bool:
        raise AssertionError("nothing is to be probed")

    def held(self, provider: str, *, wait: timedelta) -> None:
        raise AssertionError("nobody asked us to wait")


def config_of(server: SandboxServer) -> ProvidersConfig:
    ready = server.ready()
    return ProvidersConfig(
        each=(
            DueConfig(base_url=ready["due"], api_keys=[ready["due_api_key"]]),
            AlpacaConfig(
                base_url=ready["alpaca"],
                keys=[("CKNEW", "not yet known there"), (ready["alpaca_key_id"], ready["alpaca_secret"])],
                firm_account=ready["alpaca_firm_account_id"],
            ),
            BridgeConfig(base_url=ready["bridge"], api_keys=[ready["bridge_api_key"]]),
            IbexConfig(
                base_url=ready["ibex"],
                auth_url=ready["ibex"],
                audience=ready["ibex_audience"],
                clients=[(ready["ibex_client_id"], ready["ibex_client_secret"])],
            ),
            StripeConfig(base_url=ready["stripe"], secret_keys=[ready["stripe_secret_key"]]),
        ),
        threads=8,
        redis_url=None,
    )


class TestBuild:
    def test_makes_every_provider_ready_to_be_called(self, pretended: SandboxServer) -> None:
        used: list[tuple[str, str]] = []
        reports: list[CallReport] = []
        around = Surroundings(
            gate_store=NoRow(), key_used=lambda provider, key: used.append((provider, key)), report=reports.append
        )
        providers = build(config_of(pretended), around)
        alpaca = providers.ports()["alpaca"]
        assert alpaca.get_balances(alpaca.firm_account).cash.minor == 1000_00
        deliveries = next(one for one in providers.connected["due"].listings if one.name == "deliveries")
        assert deliveries.open("").page(since=around.clock(), cursor=None).findings == []
        ready = pretended.ready()
        customer = pretended.world.bridge.add_customer().id
        assert providers.ports()["bridge"].get_customer(customer).id == customer
        assert providers.ports()["ibex"].list_transactions(ready["ibex_account_id"], since=around.clock()) == []
        assert providers.ports()["stripe"].refunds_of("pi_none") == []
        assert used[0] == ("alpaca", basic(ready["alpaca_key_id"], ready["alpaca_secret"]).fingerprint)
        assert {one.provider for one in reports} == set(PROVIDERS)
        assert set(providers.gates) == set(POLICIES) == set(INTERPRETERS) == set(PROVIDERS)
        providers.close()

    def test_leaves_out_what_is_not_configured(self) -> None:
        config = ProvidersConfig(each=(), threads=8, redis_url=None)
        providers = build(config, Surroundings(gate_store=NoRow()))
        assert not providers.gates
        providers.close()

    def test_keeps_each_provider_to_its_rate(self, pretended: SandboxServer) -> None:
        """Due's burst is assumed to be twenty a second: the next call waits until the second is over."""
        providers = build(config_of(pretended), Surroundings(gate_store=NoRow()))
        gate = providers.gates["due"]
        began = time.monotonic()
        for _ in range(41):
            gate.admit()
            gate.settle(None)
        assert time.monotonic() - began >= 1.0
        providers.close()
