"""Due's rules, each with where it comes from."""

from datetime import timedelta
from typing import Final

from funding.policy import Policy

POLICY: Final = Policy(
    provider="due",
    key_lifetime=None,  # Due docs: no Idempotency-Key is documented; in va_auto we create nothing there
    can_look_up=True,  # GET /v1/transfers by virtual account and amount: legacy_offramp makes equal ones one by one
    assumed_rate_per_minute=1_200,  # ours, from the bursts below: Due states none; a 429 is obeyed whatever this says
    assumed_rate_per_second=20,  # the same notes
    rate_documented=False,
    # Ours: what a listing's dates filter on (creation, presumably) is not stated, and our clock may be ahead of theirs.
    overlap=timedelta(minutes=15),
)
