"""IBEX's rules, each with where it comes from."""

from datetime import timedelta
from typing import Final

from funding.policy import Policy

POLICY: Final = Policy(
    provider="ibex",
    key_lifetime=None,  # no idempotency key in the API description (ibex-client 2.2.0), nor in those who use it
    can_look_up=True,  # GET /v2/transaction/account/{id}/all; no reference of ours in it: by account, amount and time
    assumed_rate_per_minute=300,  # ours: no limit is published; a 429 is obeyed whatever this says
    assumed_rate_per_second=5,  # the same
    rate_documented=False,
    # Ours: what settled late stands in the listing by its settling, and how late that may be is not stated.
    overlap=timedelta(hours=1),
)
