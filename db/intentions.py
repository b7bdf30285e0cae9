"""Intentions: what is about to be created at a provider, written down before it is sent. Table `intentions`."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import TextClause, text

from db.claims import Claim, intention_of
from db.direct import run
from db.engine import UnitOfWork
from funding.errors import StaleClaim
from funding.snapshot import Intention

# The claim is proved and prolonged in the same statement: whoever frees claims past their limit leaves this call alone.
# Columns are named one by one: a prepared statement that gives them all is refused once a newer release has added one.
_OPEN = text("""
    WITH held AS (
      UPDATE flows SET claim_until = rk_now() + :limit
       WHERE id = :flow AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt RETURNING id, visit
    )
    INSERT INTO intentions (key, flow_id, step, call, visit, generation, provider, request, sends, sent_at, settle_from)
    SELECT :key, h.id, :step, :call, h.visit, :generation, :provider, :request, 1, rk_now(), rk_now() + :limit
      FROM held h
    ON CONFLICT (key) DO UPDATE
       SET sends = intentions.sends + 1, sent_at = rk_now(), settle_from = rk_now() + :limit, look_ups = 0,
           request = CASE WHEN intentions.outcome = 'unsent' THEN excluded.request ELSE intentions.request END,
           born_at = CASE WHEN intentions.outcome = 'unsent' THEN rk_now() ELSE intentions.born_at END,
           outcome = CASE WHEN intentions.outcome = 'unsent' THEN 'sent' ELSE intentions.outcome END
    RETURNING key, call, generation, request, born_at, sends, settle_from, outcome, look_ups, looked_at
""")

_LOOKED = text("""
    UPDATE intentions i SET look_ups = look_ups + 1, looked_at = rk_now()
      FROM flows f
     WHERE i.key = :key AND f.id = i.flow_id AND f.fence = :fence AND f.attempt_id IS NOT DISTINCT FROM :attempt
    RETURNING i.key, i.call, i.generation, i.request, i.born_at, i.sends, i.settle_from, i.outcome, i.look_ups,
              i.looked_at
""")


class ClaimedIntentions:
    """The intentions of one claim: each act is one statement, for which the claim must still stand.

    `limit` is how long a call may take, from its intention to its last trace. Shape: `funding.calls.IntentionStore`.
    """

    def __init__(self, at_once: UnitOfWork, claim: Claim, *, step: str, provider: str, limit: timedelta) -> None:
        self._at_once = at_once
        self._claim = claim
        self._step = step
        self._provider = provider
        self._limit = limit

    def open(self, *, call: str, generation: int, key: UUID, request: str) -> Intention:
        """Write down what is about to be sent; the commit waits for the disk. By primary key. Raises: StaleClaim."""
        return self._act(
            _OPEN,
            key=key,
            call=call,
            generation=generation,
            request=request,
            step=self._step,
            provider=self._provider,
            flow=self._claim.flow.id,
            limit=self._limit,
        )

    def looked(self, key: UUID) -> Intention:
        """Note a complete look-up that found nothing. Raises: StaleClaim."""
        return self._act(_LOOKED, key=key)

    def _act(self, statement: TextClause, **values: object) -> Intention:
        held = {"fence": self._claim.fence, "attempt": self._claim.attempt}
        with self._at_once() as connection:
            row = run(connection, statement, {**values, **held}).fetchone()
        if row is None:
            raise StaleClaim("the claim was freed before the call was sent")
        return intention_of(row._asdict())
