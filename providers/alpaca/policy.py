"""Alpaca's rules, each with where it comes from."""

from datetime import timedelta
from typing import Final

from funding.policy import Policy

POLICY: Final = Policy(
    provider="alpaca",
    key_lifetime=timedelta(hours=24),  # assumed: Broker API docs, "Idempotency-Key" on journals, state no lifetime
    can_look_up=True,  # GET /v1/journals by day and account, matched on our description
    # Ours: unpublished, per correspondent (docs, "Rate limits"); a 429 is obeyed whatever this says.
    assumed_rate_per_minute=1_200,
    rate_documented=False,
    # Ids inside a millisecond are random (Broker API docs, "SSE"), and our clock may be ten minutes ahead of theirs.
    overlap=timedelta(minutes=15),
)
