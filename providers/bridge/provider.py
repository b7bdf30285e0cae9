"""Bridge, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from providers.bridge.adapter import BridgeAdapter, classify
from providers.bridge.interpret import interpret
from providers.bridge.policy import POLICY
from providers.credentials import Credential, header
from providers.http import ProviderClient
from providers.provider import Clock, Connected, OpenClient, Provider


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
    """Deposits, payouts and customers."""
    return Connected(port=BridgeAdapter(client), listings=())


BRIDGE: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
