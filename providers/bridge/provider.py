"""Bridge, whole: what this folder offers to everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from providers.bridge.adapter import BridgeAdapter, classify
from providers.bridge.event_log import EventLog
from providers.bridge.interpret import interpret
from providers.bridge.listings import AccountHistory, DepositHistory, Drains, Transfers
from providers.bridge.policy import POLICY
from providers.bridge.records import DepositRecords, TransferRecords
from providers.credentials import Credential, header
from providers.http import ProviderClient
from providers.provider import Clock, Connected, LinkedLook, OpenClient, Polled, Provider

EVENTS: Final[Mapping[str, str]] = {  # each category of past events that is followed, by its poll's name
    "deposit_events": "virtual_account.activity",
    "transfer_events": "transfer",
    "drain_events": "liquidation_address.drain",
    "customer_events": "customer",
    "kyc_events": "kyc_link",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeConfig:
    """How Bridge is reached. `api_keys` newest first."""

    provider: ClassVar = "bridge"

    base_url: str
    api_keys: Sequence[str]

    def credentials(self, _open_client: OpenClient) -> Sequence[Credential]:
        """Its own header for each key."""
        return [header("Api-Key", key) for key in self.api_keys]


def connect(client: ProviderClient, _config: BridgeConfig, _clock: Clock) -> Connected:
    """Deposits, payouts and customers. Past events tell what webhooks lost; the listings, what neither told."""
    bridge = BridgeAdapter(client)
    return Connected(
        port=bridge,
        records=lambda _accounts: {"deposit": DepositRecords(bridge), "transfer": TransferRecords(bridge)},
        listings=(
            Polled(name="deposits", open=lambda _: DepositHistory(bridge)),
            Polled(name="transfers", open=lambda _: Transfers(bridge)),
            Polled(name="drains", open=lambda _: Drains(bridge)),
            *(_events(bridge, name, category) for name, category in EVENTS.items()),
        ),
        looks=(
            LinkedLook(
                name="bridge_virtual_account",
                kind="virtual_account",
                accounts=("virtual_account.customer", "customer"),
                open=lambda account, customers: AccountHistory(bridge, customers=customers, virtual_account=account),
            ),
        ),
    )


def _events(bridge: BridgeAdapter, name: str, category: str) -> Polled:
    return Polled(name=name, open=lambda _: EventLog(bridge, category=category))


BRIDGE: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
