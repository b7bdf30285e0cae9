"""Every route of the door that is open, out of the keys that are configured. As light as `receiving`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from providers.due import door as due
from providers.receiving import Receiving
from providers.rotation import Secret, Windowed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingKeys:
    """The keys of every provider as configured; an empty one closes its routes."""

    due_public_keys: Sequence[Windowed[bytes]] = ()
    due_legacy_secrets: Sequence[Windowed[Secret]] = ()


def routes(keys: ReceivingKeys) -> Mapping[str, Receiving]:
    """Each open route, by its exact path. A provider without a receiving key has none."""
    return {**due.routes(keys.due_public_keys, keys.due_legacy_secrets)}
