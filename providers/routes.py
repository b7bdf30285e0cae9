"""Every route of the door that is open, out of the keys that are configured. As light as `receiving`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from providers.bridge import door as bridge
from providers.bridge.signature import TOLERANCE as BRIDGE_TOLERANCE
from providers.due import door as due
from providers.ibex import door as ibex
from providers.receiving import Route
from providers.rotation import Secret, Windowed
from providers.sources import Source
from providers.stripe import door as stripe
from providers.stripe.signature import TOLERANCE as STRIPE_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingKeys:
    """The keys of every provider as configured, and what else its checks go by; without a key its routes are closed."""

    due_public_keys: Sequence[Windowed[bytes]] = ()
    due_legacy_secrets: Sequence[Windowed[Secret]] = ()
    bridge_public_keys: Sequence[Windowed[bytes]] = ()
    bridge_kyc_keys: Sequence[Windowed[bytes]] = ()
    bridge_deposit_keys: Sequence[Windowed[bytes]] = ()
    bridge_transfer_keys: Sequence[Windowed[bytes]] = ()
    bridge_tolerance: timedelta = BRIDGE_TOLERANCE
    ibex_secrets: Sequence[Windowed[Secret]] = ()
    ibex_sources: Sequence[Source] = ()
    stripe_secrets: Sequence[Windowed[Secret]] = ()
    stripe_tolerance: timedelta = STRIPE_TOLERANCE


def routes(keys: ReceivingKeys) -> Mapping[str, Route]:
    """Each open route, by its exact path. A provider without a receiving key has none."""
    return {
        **due.routes(keys.due_public_keys, keys.due_legacy_secrets),
        **bridge.routes(
            keys.bridge_public_keys,
            kyc_keys=keys.bridge_kyc_keys,
            deposit_keys=keys.bridge_deposit_keys,
            transfer_keys=keys.bridge_transfer_keys,
            tolerance=keys.bridge_tolerance,
        ),
        **ibex.routes(keys.ibex_secrets, sources=keys.ibex_sources),
        **stripe.routes(keys.stripe_secrets, tolerance=keys.stripe_tolerance),
    }
