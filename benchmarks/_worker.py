"""Our worker process as in the Procfile, but for the rates we assume of providers: it would be measured at waiting.

Each call is still counted, in Valkey, against a limit that is never reached.
"""

from dataclasses import replace
from typing import Final
from unittest.mock import patch

from providers.due import policy as due_policy
from providers.registry import POLICIES
from workers.__main__ import main

NEVER_REACHED: Final = 10_000_000  # calls a minute


def unlimited() -> None:
    """Work until told to stop."""
    policies = {name: replace(policy, assumed_rate_per_minute=NEVER_REACHED) for name, policy in POLICIES.items()}
    with patch.dict("providers.registry.POLICIES", policies), patch.object(due_policy, "PER_SECOND", NEVER_REACHED):
        main()


if __name__ == "__main__":
    unlimited()
