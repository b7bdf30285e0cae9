"""Our worker process as in the Procfile, but for the rates we assume of providers: it would be measured at waiting.

Each call is still counted, in Valkey, against limits that are never reached.
"""

from dataclasses import replace
from typing import Final
from unittest.mock import patch

from funding.policy import Policy
from providers.registry import POLICIES
from workers.__main__ import main

NEVER_REACHED: Final = 10_000_000


def unlimited() -> None:
    """Work until told to stop."""
    with patch.dict("providers.registry.POLICIES", {name: _free(policy) for name, policy in POLICIES.items()}):
        main()


def _free(policy: Policy) -> Policy:
    burst = None if policy.assumed_rate_per_second is None else NEVER_REACHED
    return replace(policy, assumed_rate_per_minute=NEVER_REACHED, assumed_rate_per_second=burst)


if __name__ == "__main__":
    unlimited()
