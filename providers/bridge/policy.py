"""Bridge's rules, each with where it comes from."""

from datetime import timedelta
from typing import Final

from funding.policy import Policy

POLICY: Final = Policy(
    provider="bridge",
    key_lifetime=timedelta(hours=24),  # Bridge API docs, "Idempotence", read 2026-11: a dead key is answered 422
    can_look_up=True,  # GET /customers/{id}/transfers, newest first, matched on our client_reference_id
    assumed_rate_per_minute=1_200,  # ours: Bridge publishes none; a 429 is obeyed whatever this says
    rate_documented=False,
    # Ours: whether a listing's times are those of the event or of the row is not stated, and our clock may be ahead.
    overlap=timedelta(minutes=15),
)
