"""Intentions: what is about to be created at a provider, written down before it is sent. Table `intentions`."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from db.engine import UnitOfWork
from db.flows import Claim, intention_of
from funding.errors import StaleClaim
from funding.snapshot import Intention

_OPEN = text("""
    INSERT INTO intentions (key, flow_id, step, call, visit, generation, provider, request, sends, sent_at, settle_from)
    SELECT :key, f.id, :step, :call, f.visit, :generation, :provider, :request, 1, rk_now(), rk_now() + :deadline
      FROM flows f WHERE f.id = :flow AND f.fence = :fence AND f.attempt_id = :attempt
       FOR SHARE
    ON CONFLICT (key) DO UPDATE
       SET sends = intentions.sends + 1, sent_at = rk_now(), settle_from = rk_now() + :deadline, look_ups = 0
    RETURNING *
""")

_LOOKED = text("""
    UPDATE intentions i SET look_ups = look_ups + 1, looked_at = rk_now()
      FROM flows f
     WHERE i.key = :key AND f.id = i.flow_id AND f.fence = :fence AND f.attempt_id = :attempt
    RETURNING i.*
""")

_RESULT = text("UPDATE intentions SET outcome = :outcome WHERE key = :key")


class ClaimedIntentions:
    """The intentions of one claim: each act is a short transaction of its own that the claim must still stand for.

    Source of the shape: `funding.calls.IntentionStore`.
    """

    def __init__(self, begin: UnitOfWork, claim: Claim, *, step: str, provider: str, deadline: timedelta) -> None:
        self._begin = begin
        self._claim = claim
        self._step = step
        self._provider = provider
        self._deadline = deadline

    def open(self, *, call: str, generation: int, key: UUID, request: str) -> Intention:
        """Write down what is about to be sent; the commit waits for the disk. Raises: StaleClaim."""
        return self._act(
            _OPEN,
            key=key,
            call=call,
            generation=generation,
            request=request,
            step=self._step,
            provider=self._provider,
            flow=self._claim.flow.id,
            deadline=self._deadline,
        )

    def looked(self, key: UUID) -> Intention:
        """Note a complete look-up that found nothing. Raises: StaleClaim."""
        return self._act(_LOOKED, key=key)

    def _act(self, statement: TextClause, **values: object) -> Intention:
        held = {"fence": self._claim.fence, "attempt": self._claim.attempt}
        with self._begin() as connection:
            row = connection.execute(statement, {**values, **held}).mappings().first()
        if row is None:
            raise StaleClaim("the claim was freed before the call was sent")
        return intention_of(row)


def note_results(connection: Connection, results: Sequence[tuple[UUID, str]]) -> None:
    """Write what became of sent intentions; part of the record, which holds the flow's lock."""
    if results:
        connection.execute(_RESULT, [{"key": key, "outcome": outcome} for key, outcome in results])
