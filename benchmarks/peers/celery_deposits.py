"""Deposits on Celery 5: a task that goes on from the state in Postgres, acknowledged late, and one for the message.

The door stores the event, commits, and sends the task. Run with `prepare` (once), `door` or `worker`.
"""

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import requests
from celery import Celery  # type: ignore[import-not-found]  # an environment of their own
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from benchmarks.peers import door, providers, rows
from benchmarks.peers.engine import make_engine, threads
from benchmarks.peers.providers import EXECUTED

LOOK_S: Final = 2

F = TypeVar("F", bound=Callable[..., Any])

app = Celery("deposits", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


def task(function: F) -> F:
    """A task that is tried again, backing off, when a provider or the database fails it."""
    made = app.task(
        name=f"deposits.{function.__name__}",
        autoretry_for=(requests.RequestException, DBAPIError),
        retry_backoff=True,
        retry_jitter=True,
        max_retries=10,
    )
    return cast("F", made(function))


@lru_cache(maxsize=1)
def engine() -> Engine:
    """Of this process."""
    return make_engine(threads())


def deposit(event: int, transfer_id: str, account: str) -> None:
    """From where it stands to its end; each record is one transaction, so a repeat finds what is done."""
    flow = rows.flow_of(transfer_id)
    with engine().begin() as connection:
        known = rows.load(connection, flow)
    if known is None:
        transfer = providers.get_transfer(transfer_id, account)
        if transfer.status != "payment_processed":
            raise deposit_task.retry(countdown=LOOK_S, max_retries=None)
        with engine().begin() as connection:
            rows.followed(connection, event, transfer)
            known = rows.load(connection, flow)
        if known is None:
            raise LookupError(f"nobody has the virtual account {transfer.virtual_account}")
    if known.journal is None:
        journal = providers.fund(flow, transfer_id, account, known.brokerage, known.amount_out)
    else:
        journal = providers.get_journal(known.journal)
    if journal.status != EXECUTED:
        with engine().begin() as connection:
            rows.journal_made(connection, flow, journal)
        raise deposit_task.retry(countdown=LOOK_S, max_retries=None)
    with engine().begin() as connection:
        rows.funded(connection, known, journal)
    tell_task.delay(str(flow))
    balances = providers.get_balances(known.brokerage)
    with engine().begin() as connection:
        rows.watched(connection, flow, balances)


def tell(flow_id: str) -> None:
    """Deliver the message of a deposit that is funded."""
    flow = UUID(flow_id)
    with engine().begin() as connection:
        known = rows.load(connection, flow)
    if known is None:
        raise LookupError(f"no deposit {flow}")
    status = providers.tell(rows.notification_of(flow), rows.FUNDED, rows.message(known))
    with engine().begin() as connection:
        rows.told(connection, flow, status)


deposit_task: Any = task(deposit)
tell_task: Any = task(tell)


def build() -> door.Application:
    """The door, in its serving process."""
    stored_in = make_engine(door.THREADS)

    def take(event: str, kind: str, body: bytes, transfer: str, account: str) -> bool:
        with stored_in.begin() as connection:
            row = rows.store_event(connection, event, kind, body)
        if row is None:
            return False
        deposit_task.delay(row, transfer, account)
        return True

    return door.application(take)


def prepare() -> None:
    """Make the ledger's accounts."""
    with make_engine(1).begin() as connection:
        rows.provision(connection)


def work() -> None:
    """Work at deposits until told to stop."""
    name = f"--hostname=worker-{os.getpid()}@%h"
    pool = ["--pool=threads", f"--concurrency={threads()}"]
    app.worker_main(["worker", *pool, name, "--loglevel=WARNING", "--without-gossip", "--without-mingle"])


def main() -> None:
    """Play the part named by the one argument."""
    parts: dict[str, Callable[[], None]] = {
        "prepare": prepare,
        "door": lambda: door.serve(build),
        "worker": work,
    }
    parts[sys.argv[1]]()


if __name__ == "__main__":
    main()
