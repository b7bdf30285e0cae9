"""The whole system as real processes, under load: what is sent to it, what is broken in it, what must be true after."""

import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from db.engine import make_engine, unit_of_work
from embedded.postgres import PostgresServer
from embedded.supervisor import Process
from embedded.valkey import ValkeyServer
from ops.actions.customers import add_customer
from ops.actions.desk import Desk
from ops.cli.system import ROOT, System
from tests.support.depositors import HAPPY, Person

RETURNED: Final = ("funds_received", "manual_review", "refund_submitted", "refund_processed")
RETURNED_EVERY: Final = 6  # so many deposits go back to their sender
FINISH_S: Final = 150.0  # a limit for a busy machine; an idle one needs a tenth
MODULES: Final = {"web": "web", "worker": "workers", "clock": "scheduler"}
ENDS: Final = {"payment_processed": "broker_funded", "refund_processed": "returned"}


class Fleet:
    """A running system with customers. Nothing here is asked of the product but through its tables and its door."""

    def __init__(self, system: System, *, customers: int = 4) -> None:
        self.system = system
        self._sent = 0
        engine = make_engine(system.services.database_url, pool=2)
        desk = Desk(begin=unit_of_work(engine), by="test")
        self.people = [self._person(desk, f"customer-{number}") for number in range(customers)]
        engine.dispose()

    def _person(self, desk: Desk, name: str) -> Person:
        made = self.system.control("POST", "customers", {"name": name})
        person = Person(name, made["account"], made["virtual_account"], made["brokerage_account"])
        add_customer(desk, name, level=2, links=[person.due_link(), person.alpaca_link()])
        return person

    @property
    def postgres(self) -> PostgresServer:
        if self.system.services.postgres is None:
            raise RuntimeError("the fleet has servers of its own")
        return self.system.services.postgres

    @property
    def valkey(self) -> ValkeyServer:
        if self.system.services.valkey is None:
            raise RuntimeError("the fleet has servers of its own")
        return self.system.services.valkey

    # What is done to it ----------------------------------------------------------------------------------------------

    def send(self, count: int, *, step_seconds: float = 0.5) -> set[str]:
        """Deposits arrive at Due, one in six of which goes back; their transfers' ids. Each amount is another."""
        sent = set()
        for _ in range(count):
            self._sent += 1
            person = self.people[self._sent % len(self.people)]
            deposit = {
                "virtual_account_id": person.virtual_account,
                "amount": f"{10 + self._sent}.{self._sent % 100:02d}",
                "path": RETURNED if self._sent % RETURNED_EVERY == 0 else HAPPY,
                "step_seconds": step_seconds,
                "expects_account": person.brokerage,
            }
            sent.add(self.system.control("POST", "due/deposits", deposit)["id"])
        return sent

    def faults(self, *rules: dict[str, Any]) -> None:
        """Exactly these faults from now on."""
        self.system.control("DELETE", "faults")
        for rule in rules:
            self.system.control("PUT", "faults", rule)

    def kill(self, *names: str) -> None:
        """SIGKILL, all at once; the supervisor starts them again."""
        for name in names:
            self.system.supervisor.kill(name)

    def add(self, name: str, kind: str, *, enter: Sequence[str] = (), **more: str) -> None:
        """One more process of a kind of the Procfile; `retire` it by its name. `enter` leads to where it is to run."""
        environment = {**self.system.environment, **more}
        self.system.supervisor.start(
            Process(name=name, command=[*enter, sys.executable, "-m", MODULES[kind]], env=environment, cwd=ROOT)
        )

    def retire(self, name: str) -> None:
        """End that process as a platform does when it scales down."""
        self.system.supervisor.retire(name)

    # What is waited for ----------------------------------------------------------------------------------------------

    def wait(
        self,
        fact: Callable[[], object],
        what: str,
        *,
        within_s: float = FINISH_S,
        why: Callable[[], object] = lambda: "",
    ) -> None:
        """Until it holds; while Postgres is away nothing does. Fails with `why` and a picture of the whole."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                if fact():
                    return
            except psycopg.OperationalError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s:.0f} s: {what}\n{why()}\n{self.picture()}")
            time.sleep(0.1)

    def under_way(self, sent: Collection[str], at_least: int) -> None:
        """Wait until so many of these have a flow and some of them are not finished: then they are under way."""
        self.wait(lambda: len(self._flows(sent)) >= at_least, f"{at_least} deposits seen", within_s=60)

    def finished(self, sent: Collection[str]) -> None:
        """Wait until each of these is where Due's last word leads."""
        self.wait(lambda: not self._unfinished(sent), "every deposit finished", why=lambda: self._unfinished(sent))

    def _unfinished(self, sent: Collection[str]) -> dict[str, str]:
        flows = self._flows(sent)
        at_due = {one["id"]: one["status"] for one in self.system.control("GET", "due/transfers") if one["id"] in sent}
        return {
            transfer: f"{status} at Due, {flows.get(transfer, 'unseen')} here"
            for transfer, status in at_due.items()
            if status not in ENDS or ENDS[status] != flows.get(transfer)
        }

    def _flows(self, sent: Collection[str]) -> dict[str, str]:
        found = self.rows(
            """
            SELECT r.external_id, f.state FROM flow_references r JOIN flows f ON f.id = r.flow_id
             WHERE r.provider = 'due' AND r.kind = 'transfer' AND r.external_id = ANY(%s)
            """,
            list(sent),
        )
        return {row["external_id"]: row["state"] for row in found}

    # What is looked at -----------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """On a connection of its own: Postgres may have been restarted since the last."""
        with psycopg.connect(self.system.services.database_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        """The first value of the first row."""
        return next(iter(self.rows(query, *values)[0].values()))

    def picture(self) -> str:
        """What is not finished, and the last words of each process: for a person to read."""
        lines = []
        try:
            open_flows = self.rows(
                "SELECT id, state, due_at, parked_reason, snooze_reason FROM flows WHERE status = 'open' LIMIT 10"
            )
            lines += [json.dumps(row, default=str) for row in open_flows]
        except psycopg.OperationalError as error:
            lines.append(f"Postgres: {error}")
        for name in self.system.supervisor.names():
            log = self.system.supervisor.log(name)
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
            lines.append(f"--- {name}, process {self.system.supervisor.pid(name)}\n{tail}")
        return "\n".join(lines)

    def untrue(self) -> list[str]:
        """Everything that is not as it must be once all deposits are finished, in words."""
        return [*self._effects(), *self._books(), *self._accepted(), *self._left_over()]

    def _effects(self) -> Sequence[str]:
        """By the sandbox's own count."""
        counted = self.system.control("GET", "effects")
        wrong = ("duplicates", "missing", "unexpected", "wrong_amounts", "repeated_descriptions")
        found = [f"effects: {name}: {counted[name]}" for name in wrong if counted[name]]
        if counted["made"] != counted["intended"]:
            found.append(f"effects: {counted['intended']} intended, {counted['made']} made")
        return found

    def _books(self) -> Sequence[str]:
        """Our clearing accounts against the sandbox's own balances."""
        shown = self.system.control("GET", "balances")
        theirs = {
            ("due:clearing", "USDC"): Decimal(shown["due"].get("USDC", "0")).scaleb(6),
            ("alpaca:custody", "USD"): sum(map(Decimal, shown["alpaca"]["accounts"].values()), Decimal(0)).scaleb(2),
        }
        found = []
        for (name, asset), amount in theirs.items():
            ours = self.one(
                """
                SELECT coalesce(sum(p.amount), 0) FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
                 WHERE a.name = %s AND a.asset = %s AND p.layer = 'posted'
                """,
                name,
                asset,
            )
            if ours != amount:
                found.append(f"books: {name} {asset} is {ours} here and {amount} at the provider")
        off = self.rows("SELECT asset, layer FROM postings GROUP BY 1, 2 HAVING sum(amount) <> 0")
        return [*found, *(f"books: the trial balance is off: {row}" for row in off)]

    def _accepted(self) -> Sequence[str]:
        """What was answered 200 is stored, and by now dealt with."""
        deliveries = self.system.control("GET", "deliveries?limit=100000")
        named = [one for one in deliveries if one["type"] != "deposit"]  # the seed's events bear no id
        accepted = {one["id"] for one in named if one["answer"] == 200}
        stored = {row["event_id"] for row in self.rows("SELECT event_id FROM inbox_events")}
        lost = accepted - stored
        return [f"accepted and lost: {sorted(lost)}"] if lost else []

    def _left_over(self) -> Sequence[str]:
        """Rows that should have come to an end."""
        questions = {
            "events not dealt with": """
                SELECT event_id, state, reason FROM inbox_events WHERE state NOT IN ('handled', 'ignored')
            """,
            "dead letters": "SELECT error, message FROM dead_letters WHERE status IN ('open', 'replaying')",
            "flows parked": "SELECT id, parked_reason FROM flows WHERE parked_at IS NOT NULL",
            "breaks": "SELECT provider, type, subject, ours, theirs FROM breaks WHERE status = 'open'",
            "claims": "SELECT id, state FROM flows WHERE attempt_id IS NOT NULL AND claim_until < rk_now()",
        }
        return [f"{name}: {row}" for name, query in questions.items() for row in self.rows(query)]
