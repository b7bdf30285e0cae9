"""Stripe, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from providers.credentials import Credential, bearer
from providers.http import ProviderClient
from providers.provider import Clock, Connected, OpenClient, Provider
from providers.stripe.adapter import StripeAdapter, classify
from providers.stripe.interpret import interpret
from providers.stripe.policy import POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeConfig:
    """How Stripe is reached. `secret_keys` newest first."""

    provider: ClassVar = "stripe"

    base_url: str
    secret_keys: Sequence[str]

    def credentials(self, _open_client: OpenClient) -> Sequence[Credential]:
        """A bearer token for each key."""
        return [bearer(key) for key in self.secret_keys]


def connect(client: ProviderClient, _config: StripeConfig, _clock: Clock) -> Connected:
    """Sessions, and what takes a payment back."""
    return Connected(port=StripeAdapter(client), listings=())


STRIPE: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
