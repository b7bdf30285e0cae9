"""Operations that a customer asks for: whether they may, and the wait for what becomes of them."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from db import asked, customers
from db.asked import Asked
from db.engine import UnitOfWork
from funding.refusals import NEEDED_LEVEL, ApiError, CustomerMissing, LevelTooLow, ProviderDisabled, Refusal, TimedOut

LOOK_EVERY_S: Final = 0.2
_BY_CODE: Final = {kind.code: kind for kind in Refusal.__subclasses__()}


def must_be_allowed(connection: Connection, customer: str, *, enabled: bool) -> None:
    """Refuse what may not be begun: first the flag, then the level. Locks the customer, so that one is begun at a time.

    Raises: ProviderDisabled, CustomerMissing, LevelTooLow.
    """
    if not enabled:
        raise ProviderDisabled
    level = customers.lock_customers(connection, [customer]).get(customer)
    if level is None:
        raise CustomerMissing(detail=f"there is no customer {customer!r}")
    if level < NEEDED_LEVEL:
        raise LevelTooLow(detail=f"customer {customer} has level {level}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How a command waits for workers to do what it has begun: at most `patience`, looking at the row."""

    begin: UnitOfWork
    patience: timedelta
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until_left(self, flow: UUID, states: Collection[str]) -> Asked:
        """The flow once it is in none of `states`.

        Raises: TimedOut: it goes on by itself; ApiError: it waits for a person; the refusal that it has come to.
        """
        deadline = self.monotonic() + self.patience.total_seconds()
        while True:
            with self.begin() as connection:
                found = asked.by_id(connection, flow)
            if found is None:
                raise ApiError(detail=f"flow {flow} is gone")
            if found.state not in states:
                return _not_refused(found)
            if found.parked_reason is not None:
                raise ApiError(detail=f"flow {flow} waits for a person: {found.parked_reason}")
            if self.monotonic() >= deadline:
                raise TimedOut(detail=f"flow {flow} is still {found.state}")
            self.sleep(LOOK_EVERY_S)


def _not_refused(found: Asked) -> Asked:
    code = found.data.get("refused")
    if code is not None:
        raise _BY_CODE.get(code, ApiError)(detail=f"flow {found.id} is {found.state}")
    return found
