"""Deposits on DBOS 3: one durable workflow a transfer, a step for each group of calls, a transaction for each record.

The door stores the event and enqueues the workflow in one transaction; its id is the transfer's, so a second event
begins nothing. Run with `prepare` (once), `door` or `worker`.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from dbos import DBOS, DBOSClient, SQLAlchemyDatasource  # type: ignore[import-not-found]  # an environment of their own
from sqlalchemy import Connection

from benchmarks.peers import door, providers, rows
from benchmarks.peers.engine import make_engine, threads
from benchmarks.peers.providers import EXECUTED, Balances, Journal, Transfer
from benchmarks.peers.rows import Deposit

APPLICATION: Final = "deposits"
QUEUE: Final = "deposits"
WORKFLOW: Final = "deposit"
JOURNAL_LOOK_S: Final = 2.0
POLL_S: Final = 0.1  # of the queue, a tenth of the default: deposits should not wait for a second
AHEAD: Final = 4  # deposits taken from the queue for each thread, so that none waits for the next poll

F = TypeVar("F", bound=Callable[..., Any])


def step(function: F) -> F:
    """A step that is tried again, backing off."""
    made = DBOS.step(retries_allowed=True, max_attempts=10, interval_seconds=1.0, backoff_rate=2.0)
    return cast("F", made(function))


get_transfer = step(providers.get_transfer)
fund = step(providers.fund)
get_journal = step(providers.get_journal)
get_balances = step(providers.get_balances)
tell = step(providers.tell)


class Rows:
    """The records, each a transaction that commits with its step's checkpoint."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def followed(self, event: int, transfer: Transfer) -> Deposit:
        """The deposit once Due has paid out."""

        def write() -> Deposit:
            rows.followed(self._connection, event, transfer)
            deposit = rows.load(self._connection, rows.flow_of(transfer.id))
            if deposit is None:
                raise LookupError(f"nobody has the virtual account {transfer.virtual_account}")
            return deposit

        return cast("Deposit", self._run("followed", write))

    def funded(self, deposit: Deposit, journal: Journal) -> None:
        """The deposit once Alpaca has executed its journal."""
        self._run("funded", lambda: rows.funded(self._connection, deposit, journal))

    def watched(self, deposit: Deposit, balances: Balances) -> None:
        """The balances read back."""
        self._run("watched", lambda: rows.watched(self._connection, deposit.flow, balances))

    def told(self, deposit: Deposit, status: int) -> None:
        """The message taken."""
        self._run("told", lambda: rows.told(self._connection, deposit.flow, status))

    @property
    def _connection(self) -> Connection:
        return cast("Connection", self._source.sql_session().connection())

    def _run(self, name: str, write: Callable[[], Any]) -> Any:
        return self._source.run_tx_step({"name": name, "isolation_level": "READ COMMITTED"}, write)


def make_workflow(kept: Rows) -> None:
    """Declare the workflow, under the name that the door enqueues."""

    def deposit(event: int, transfer_id: str, account: str) -> None:
        transfer = get_transfer(transfer_id, account)
        while transfer.status != "payment_processed":
            DBOS.sleep(JOURNAL_LOOK_S)
            transfer = get_transfer(transfer_id, account)
        followed = kept.followed(event, transfer)
        journal = fund(followed.flow, transfer_id, account, followed.brokerage, followed.amount_out)
        while journal.status != EXECUTED:
            DBOS.sleep(JOURNAL_LOOK_S)
            journal = get_journal(journal.id)
        kept.funded(followed, journal)
        kept.watched(followed, get_balances(followed.brokerage))
        message = rows.message(followed)
        kept.told(followed, tell(rows.notification_of(followed.flow), rows.FUNDED, message))

    DBOS.workflow(name=WORKFLOW)(deposit)


def work(*, until_told: bool) -> None:
    """Make what is missing and, `until_told` to stop, work at deposits."""
    url = os.environ["DATABASE_URL"]
    config = {
        "name": APPLICATION,
        "system_database_url": url,
        "sys_db_pool_size": threads() + 4,
        "max_executor_threads": threads(),
        "executor_id": f"worker-{os.getpid()}",
        "application_version": "1",
        "log_level": "WARNING",
    }
    make: Any = DBOS
    make(config=config)
    source = SQLAlchemyDatasource.create(url, engine_kwargs={"pool_size": threads(), "max_overflow": 0})
    make_workflow(Rows(source))
    DBOS.launch()
    if until_told:
        DBOS.register_queue(QUEUE, worker_concurrency=AHEAD * threads(), polling_interval_sec=POLL_S)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()
    DBOS.destroy()


def prepare() -> None:
    """Make DBOS's tables and the ledger's accounts."""
    work(until_told=False)
    with make_engine(1).begin() as connection:
        rows.provision(connection)


def build() -> door.Application:
    """The door, in its serving process."""
    engine = make_engine(door.THREADS)
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)

    def take(event: str, kind: str, body: bytes, transfer: str, account: str) -> bool:
        with engine.begin() as connection:
            row = rows.store_event(connection, event, kind, body)
            if row is None:
                return False
            options = {"workflow_name": WORKFLOW, "queue_name": QUEUE, "workflow_id": transfer}
            client.enqueue_in_transaction(connection, options, row, transfer, account)
        return True

    return door.application(take)


def main() -> None:
    """Play the part named by the one argument."""
    parts: dict[str, Callable[[], None]] = {
        "prepare": prepare,
        "door": lambda: door.serve(build),
        "worker": lambda: work(until_told=True),
    }
    parts[sys.argv[1]]()


if __name__ == "__main__":
    main()
