"""Stripe, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from providers.credentials import Credential, bearer
from providers.http import ProviderClient
from providers.provider import Clock, Connected, Look, OpenClient, Polled, Provider
from providers.stripe import listings
from providers.stripe.adapter import StripeAdapter, classify
from providers.stripe.interpret import interpret
from providers.stripe.listings import EventLog, OneCharge
from providers.stripe.policy import POLICY
from providers.stripe.records import CHECKOUT, ONRAMP, SessionRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeConfig:
    """How Stripe is reached. `secret_keys` newest first."""

    provider: ClassVar = "stripe"

    base_url: str
    secret_keys: Sequence[str]

    def credentials(self, _open_client: OpenClient) -> Sequence[Credential]:
        """A bearer token for each key."""
        return [bearer(key) for key in self.secret_keys]


def connect(client: ProviderClient, _config: StripeConfig, clock: Clock) -> Connected:
    """Sessions, and what takes a payment back: by its events, and by when each was made.

    Sessions that are open here have no listing of their own: each flow reads its own, and the one of onramp sessions
    goes back to the oldest of them.
    """
    sessions = StripeAdapter(client)
    return Connected(
        port=sessions,
        records=lambda _accounts: {kind.name: SessionRecords(sessions, kind) for kind in (ONRAMP, CHECKOUT)},
        listings=(
            Polled(name="events", open=lambda _: EventLog(sessions, clock=clock)),
            Polled(name="undelivered", open=lambda _: EventLog(sessions, clock=clock, undelivered=True), covers=None),
            Polled(name="onramp_sessions", open=lambda _: listings.onramps(sessions), from_work=True),
            Polled(name="checkout_sessions", open=lambda _: listings.checkouts(sessions), covers=listings.PAGE_LIVES),
            Polled(name="refunds", open=lambda _: listings.refunds(sessions), covers=listings.SETTLING),
            Polled(name="disputes", open=lambda _: listings.disputes(sessions), covers=listings.SETTLING),
        ),
        looks=(Look(name="stripe_charge", open=lambda charge: OneCharge(sessions, charge=charge)),),
    )


STRIPE: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
