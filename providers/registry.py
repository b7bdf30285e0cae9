"""Builds the providers out of plain values. Entry points read the settings and hand them in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from requests.adapters import BaseAdapter

from funding.facts import Reading
from funding.policy import Policy
from funding.ports import Listing
from funding.reconcile.records import RecordSource
from providers.alpaca import adapter as alpaca_adapter
from providers.alpaca import interpret as alpaca_interpret
from providers.alpaca import policy as alpaca_policy
from providers.alpaca.adapter import AlpacaAdapter
from providers.alpaca.listings import FirmActivities, JournalDays
from providers.alpaca.records import JournalRecords
from providers.alpaca.stream import JournalStream
from providers.answers import Classify
from providers.breaker import GateStore
from providers.credentials import Credential, basic, bearer
from providers.due import adapter as due_adapter
from providers.due import interpret as due_interpret
from providers.due import policy as due_policy
from providers.due.adapter import DueAdapter
from providers.due.listings import AccountTransfers, DeliveryLog, OneTransfer
from providers.due.records import TransferRecords
from providers.gate import Gate
from providers.http import CallReport, ProviderClient
from providers.rates import SharedRate

Interpret = Callable[..., Reading]  # (body, *, source)

POLICIES: Final[Mapping[str, Policy]] = {"due": due_policy.POLICY, "alpaca": alpaca_policy.POLICY}
INTERPRETERS: Final[Mapping[str, Interpret]] = {
    "due": due_interpret.interpret,
    "alpaca": alpaca_interpret.interpret,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DueConfig:
    """How Due is reached. `api_keys` newest first; without `webhook_endpoint` all of the firm's are read."""

    base_url: str
    api_keys: Sequence[str]
    webhook_endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaConfig:
    """How Alpaca is reached. `keys` are (key id, secret) pairs, newest first."""

    base_url: str
    keys: Sequence[tuple[str, str]]
    firm_account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersConfig:
    """The providers that are configured, and what their clients share. `threads`: of this process."""

    due: DueConfig | None
    alpaca: AlpacaConfig | None
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


class Due:
    """Due: its port, its listings."""

    def __init__(self, client: ProviderClient, gate: Gate, config: DueConfig) -> None:
        self.client = client
        self.gate = gate
        self.transfers = DueAdapter(client)
        self._endpoint = config.webhook_endpoint

    def deliveries(self) -> Listing:
        """What Due sent to our webhook endpoints, all customers in one listing."""
        return DeliveryLog(self.transfers, endpoint=self._endpoint)

    def transfers_of(self, account: str) -> Listing:
        """The deposits of one account."""
        return AccountTransfers(self.transfers, account=account)

    def records(self, accounts: Sequence[str]) -> RecordSource:
        """Every deposit, for a comparison; `accounts` are those we know of."""
        return TransferRecords(self.transfers, accounts=accounts)

    def one_transfer(self, account: str, transfer: str) -> Listing:
        """A single transfer."""
        return OneTransfer(self.transfers, account=account, transfer=transfer)


class Alpaca:
    """Alpaca: its port, its listings, its stream."""

    def __init__(self, client: ProviderClient, gate: Gate, config: AlpacaConfig, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.gate = gate
        self.journals = AlpacaAdapter(client, firm_account=config.firm_account, clock=clock)
        self._clock = clock

    def journal_days(self) -> Listing:
        """Cash journals, day by day."""
        return JournalDays(self.journals)

    def firm_activities(self) -> Listing:
        """Cash of the firm's own account outside journals."""
        return FirmActivities(self.journals)

    def records(self, _accounts: Sequence[str]) -> RecordSource:
        """Every cash journal, for a comparison."""
        return JournalRecords(self.journals)

    def journal_stream(self) -> JournalStream:
        """Changes of journals as they happen: a new reader each time."""
        return JournalStream(self.client, clock=self._clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """Every provider of this process; None for one without credentials."""

    due: Due | None
    alpaca: Alpaca | None

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The gate of each configured provider, by name."""
        both = {"due": self.due, "alpaca": self.alpaca}
        return {name: one.gate for name, one in both.items() if one is not None}

    def close(self) -> None:
        """Close every connection."""
        for one in (self.due, self.alpaca):
            if one is not None:
                one.client.close()


def build(config: ProvidersConfig, around: Surroundings) -> Providers:
    """The providers of this process, ready to be called from its threads. Connects to nothing yet."""
    due = alpaca = None
    if config.due is not None:
        keys = [bearer(key) for key in config.due.api_keys]
        gate = _gate("due", config, around, per_second=due_policy.PER_SECOND)
        client = _client("due", config.due.base_url, keys, due_adapter.classify, gate, config, around)
        due = Due(client, gate, config.due)
    if config.alpaca is not None:
        keys = [basic(user, secret) for user, secret in config.alpaca.keys]
        gate = _gate("alpaca", config, around, per_second=None)
        client = _client("alpaca", config.alpaca.base_url, keys, alpaca_adapter.classify, gate, config, around)
        alpaca = Alpaca(client, gate, config.alpaca, around.clock)
    return Providers(due=due, alpaca=alpaca)


def _gate(provider: str, config: ProvidersConfig, around: Surroundings, *, per_second: int | None) -> Gate:
    rate = SharedRate(
        provider,
        per_minute=POLICIES[provider].assumed_rate_per_minute,
        per_second=per_second,
        redis_url=config.redis_url,
        live_sessions=around.live_sessions,
    )
    return Gate(provider, store=around.gate_store, rate=rate, threads=config.threads)


def _client(
    provider: str,
    base_url: str,
    credentials: Sequence[Credential],
    classify: Classify,
    gate: Gate,
    config: ProvidersConfig,
    around: Surroundings,
) -> ProviderClient:
    return ProviderClient(
        provider=provider,
        base_url=base_url,
        credentials=credentials,
        gate=gate,
        threads=config.threads,
        deadline=config.deadline or POLICIES[provider].deadline,
        classify=classify,
        key_used=lambda fingerprint: around.key_used(provider, fingerprint),
        report=around.report,
        clock=around.clock,
        transport=(around.transports or {}).get(provider),
    )
