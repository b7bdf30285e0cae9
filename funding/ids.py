"""Ids of flows: from the provider's own id of the money, so that a flow whose commits were lost comes back as itself.

Its keys and its references at providers are made from its id. Were that random, a restored database would meet the
same money as another flow, and pay it again.
"""

from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("b5a0f6de-0f0c-4d2e-9a43-7c1d2f6e8b90")  # ours alone


def flow_id(provider: str, kind: str, external_id: str) -> UUID:
    """The id of the flow that object opens: always the same."""
    return uuid5(_NAMESPACE, f"{provider}/{kind}/{external_id}")
