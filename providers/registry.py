"""Every provider there is, and those of a process, built out of plain values that entry points hand in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from requests.adapters import BaseAdapter

from funding.policy import Policy
from providers.alpaca.provider import ALPACA
from providers.breaker import GateStore
from providers.bridge.provider import BRIDGE
from providers.credentials import Credential
from providers.due.provider import DUE
from providers.gate import Gate
from providers.http import CallReport, ProviderClient
from providers.ibex.provider import IBEX
from providers.ibex.sign_in import SIGN_IN_DEADLINE
from providers.provider import Config, Connected, Interpret, Provider
from providers.rates import SharedRate
from providers.stripe.provider import STRIPE

PROVIDERS: Final[Mapping[str, Provider[Any]]] = {one.name: one for one in (DUE, ALPACA, BRIDGE, IBEX, STRIPE)}
POLICIES: Final[Mapping[str, Policy]] = {name: one.policy for name, one in PROVIDERS.items()}
INTERPRETERS: Final[Mapping[str, Interpret]] = {name: one.interpret for name, one in PROVIDERS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersConfig:
    """The providers that are configured, and what their clients share. `threads`: of this process."""

    each: Sequence[Config]
    threads: int
    redis_url: str | None
    deadline: timedelta | None = None  # None: each policy's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the clients of a process are connected to. The last three are for simulations and tests."""

    gate_store: GateStore
    live_sessions: Callable[[], int] = lambda: 1
    key_used: Callable[[str, str], None] = lambda _provider, _fingerprint: None
    report: Callable[[CallReport], None] = lambda _report: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    transports: Mapping[str, BaseAdapter] | None = None  # by provider's name, instead of sockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The providers of this process that have credentials, by name."""

    connected: Mapping[str, Connected]
    gates: Mapping[str, Gate]
    clients: Mapping[str, ProviderClient]

    def ports(self) -> Mapping[str, Any]:
        """What steps ask of each."""
        return {name: one.port for name, one in self.connected.items()}

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.close()


def build(config: ProvidersConfig, around: Surroundings) -> Providers:
    """The providers of this process, ready to be called from its threads. Connects to nothing yet."""
    gates = {one.provider: _gate(POLICIES[one.provider], config, around) for one in config.each}
    clients = {one.provider: _client(one, gates[one.provider], config, around) for one in config.each}
    connected = {
        one.provider: PROVIDERS[one.provider].connect(clients[one.provider], one, around.clock) for one in config.each
    }
    return Providers(connected=connected, gates=gates, clients=clients)


def _gate(policy: Policy, config: ProvidersConfig, around: Surroundings) -> Gate:
    rate = SharedRate(
        policy.provider,
        per_minute=policy.assumed_rate_per_minute,
        per_second=policy.assumed_rate_per_second,
        redis_url=config.redis_url,
        live_sessions=around.live_sessions,
    )
    return Gate(policy.provider, store=around.gate_store, rate=rate, threads=config.threads)


class _NoGate:
    """Lets every call out: whoever signs in does so within a call that its provider's gate has admitted."""

    def admit(self) -> None:
        """Go."""

    def settle(self, error: BaseException | None) -> None:
        """Nobody counts it."""


def _signing_in(provider: str, address: str, config: ProvidersConfig, around: Surroundings) -> ProviderClient:
    return ProviderClient(
        provider=provider,
        base_url=address,
        credentials=[Credential("nobody", {}, ())],
        gate=_NoGate(),
        threads=config.threads,
        deadline=SIGN_IN_DEADLINE,
        clock=around.clock,
        transport=(around.transports or {}).get(provider),
    )


def _client(one: Config, gate: Gate, config: ProvidersConfig, around: Surroundings) -> ProviderClient:
    provider = PROVIDERS[one.provider]
    return ProviderClient(
        provider=provider.name,
        base_url=one.base_url,
        credentials=one.credentials(lambda address: _signing_in(provider.name, address, config, around)),
        gate=gate,
        threads=config.threads,
        deadline=config.deadline or provider.policy.deadline,
        classify=provider.classify,
        key_used=lambda fingerprint: around.key_used(provider.name, fingerprint),
        report=around.report,
        clock=around.clock,
        transport=(around.transports or {}).get(provider.name),
    )
