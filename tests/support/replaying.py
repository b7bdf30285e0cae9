"""Dead letters being replayed, in a time of the test's own: workers that try what is due, and what came of it."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from db import dead_letters
from db.dead_letters import Death
from db.replay import Filter
from ops.actions import dead_letters as actions
from ops.actions import replay_runs
from ops.actions.desk import Desk
from ops.actions.replay_runs import Watch
from tests.support.desk_rows import Parked, add_parked
from tests.support.moved_time import MovedTime

_DUE = text("""
    SELECT f.id, d.id AS letter, f.due_at FROM flows f JOIN dead_letters d ON d.flow_id = f.id
     WHERE d.status = 'replaying' AND f.due_at <= rk_now() ORDER BY f.due_at
""")
_PARK = text("UPDATE flows SET parked_at = rk_now(), parked_reason = 'again', due_at = NULL WHERE id = :id")
_MOVE_ON = text("UPDATE flows SET due_at = NULL, status = 'closed', closed_at = rk_now() WHERE id = :id")


class Replaying:
    """`hopeless`: letters that come back dead. `tried`: how often each was, `due`: when each became due, in order."""

    def __init__(self, engine: Engine) -> None:
        self.time = MovedTime(engine)
        self.desk = Desk(begin=self.time, by="ana")
        self.hopeless: set[UUID] = set()
        self.tried: Counter[UUID] = Counter()
        self.due: list[tuple[UUID, datetime]] = []

    def park(self, *customers: str | None) -> list[UUID]:
        """A dead letter of each customer named, one after the other."""
        return [self.park_one(customer).letter for customer in customers]

    def park_one(self, customer: str | None) -> Parked:
        with self.time() as connection:
            parked = add_parked(connection, customer=customer)
        self.time.passes(seconds=1)
        return parked

    def start(self, *, rate: int = 10, stop_after: int | None = None) -> Watch:
        letters = actions.find(self.desk, Filter())
        return replay_runs.start(self.desk, letters, wanted="--all", rate=rate, stop_after=stop_after)

    def work(self) -> None:
        """Workers try what is due."""
        with self.time() as connection:
            for flow, letter, due_at in connection.execute(_DUE).all():
                self.tried[letter] += 1
                self.due.append((letter, due_at))
                if letter in self.hopeless:
                    death = Death(step="fund_brokerage", error="journal_rejected", message="no", blame="provider")
                    dead_letters.open_for_flow(connection, flow, death, kind="due_deposit", attempt=uuid4(), attempts=1)
                    connection.execute(_PARK, {"id": flow})
                else:
                    dead_letters.resolve(connection, flow, by="step")
                    connection.execute(_MOVE_ON, {"id": flow})

    def rest(self, length: timedelta) -> None:
        """Time passes, and workers work."""
        self.time.passes(seconds=length.total_seconds())
        self.work()
