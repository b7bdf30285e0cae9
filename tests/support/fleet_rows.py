"""Rows of a fleet at work, each with only what the test is about."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from db import ledger
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from tests.support.moved_clock import MovedClock


class FleetRows:
    """Writes rows at the moved clock's time; `ago` is how long before now."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock

    def _add(self, table: str, **columns: Any) -> None:
        names, bound = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        with self.clock.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({bound})"), columns)  # noqa: S608 (ours)

    def _at(self, ago: timedelta) -> datetime:
        return self.clock.now - ago

    def event(
        self,
        *,
        provider: str = "due",
        source: str = "webhook",
        state: str = "handled",
        ago: timedelta = timedelta(minutes=1),
        took: timedelta | None = timedelta(seconds=1),
    ) -> None:
        received = self._at(ago)
        waits = state in {"received", "deferred"}
        self._add(
            "inbox_events",
            provider=provider,
            event_id=str(uuid4()),
            route=provider,
            source=source,
            body_digest=b"",
            state=state,
            received_at=received,
            due_at=received if waits else None,
            handled_at=received + took if took and not waits else None,
        )

    def flow(
        self,
        *,
        state: str = "received",
        status: str = "open",
        parked: bool = False,
        ago: timedelta = timedelta(hours=1),
        due_ago: timedelta | None = None,
    ) -> UUID:
        flow = uuid4()
        due = None if parked or status != "open" else self._at(due_ago or timedelta(seconds=-60))
        self._add(
            "flows",
            id=flow,
            kind="due_deposit",
            state=state,
            status=status,
            created_at=self._at(ago),
            closed_at=None if status == "open" else self.clock.now,
            parked_at=self.clock.now if parked else None,
            due_at=due,
        )
        return flow

    def attempt(
        self, *, outcome: str = "advanced", provider: str = "due", step: str = "follow_transfer", ago: int = 60
    ) -> None:
        self._add(
            "attempts",
            id=uuid4(),
            flow_id=self.flow(),
            step=step,
            visit=1,
            number=1,
            fence=1,
            session_id=uuid4(),
            finished_at=self._at(timedelta(seconds=ago)),
            outcome=outcome,
            provider=provider,
        )

    def letter(self, *, status: str = "open", of_event: bool = False) -> None:
        event = None
        if of_event:
            self.event(state="dead")
            with self.clock.begin() as connection:
                event = connection.execute(text("SELECT max(id) FROM inbox_events")).scalar_one()
        self._add(
            "dead_letters",
            id=uuid4(),
            flow_id=None if of_event else self.flow(parked=True),
            event_id=event,
            kind="event" if of_event else "due_deposit",
            step="ingest" if of_event else "fund_brokerage",
            error="rejected",
            message="",
            blame="provider",
            fingerprint="f",
            attempts=1,
            status=status,
        )

    def a_break(
        self,
        *,
        amount: int | None = None,
        asset: str | None = None,
        status: str = "open",
        type_: str = "stuck",
        provider: str = "due",
        about: str = "",
    ) -> None:
        self._add(
            "breaks",
            id=uuid4(),
            provider=provider,
            type=type_,
            subject=f"{about}{uuid4()}",
            status=status,
            found_by="sweep",
            amount_at_risk=amount,
            asset=asset,
        )

    def owes(self, customer: str, minor: int) -> None:
        """A customer whose spent money was taken back."""
        amount = Money(minor, "USD")
        taken = entry(
            f"test/{uuid4()}",
            "taken",
            debit(accounts.receivable(customer, "USD"), amount),
            credit(accounts.clearing("stripe", "USD"), amount),
        )
        with self.clock.begin() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": customer})
            ledger.post(connection, None, (taken,))

    def paid_back(self, customer: str, minor: int) -> None:
        """What they owed is there again."""
        amount = Money(minor, "USD")
        back = entry(
            f"test/{uuid4()}",
            "given_back",
            debit(accounts.clearing("stripe", "USD"), amount),
            credit(accounts.receivable(customer, "USD"), amount),
        )
        with self.clock.begin() as connection:
            ledger.post(connection, None, (back,))

    def notification(self, *, state: str, channel: str = "webhook", ago: timedelta = timedelta(days=1)) -> None:
        self._add(
            "notifications",
            id=uuid4(),
            type="deposit.funded",
            cause=str(uuid4()),
            channel=channel,
            data="{}",
            state=state,
            due_at=self.clock.now if state == "due" else None,
            happened_at=self._at(ago),
        )

    def gate(self, *, provider: str = "due", paused: bool = False, breaker: str = "closed") -> None:
        self._add("provider_gates", provider=provider, paused=paused, breaker=breaker)

    def session(self, *, dead: bool = False) -> None:
        self._add("worker_sessions", id=uuid4(), host="h", pid=1, dead_at=self.clock.now if dead else None)

    def lease(self, *, left: timedelta) -> None:
        self._add(
            "clock_leases",
            name="clock",
            holder=uuid4(),
            term=1,
            renewed_at=self.clock.now,
            expires_at=self.clock.now + left,
        )

    def job(self, *, job: str, every: timedelta, last_slot_ago: timedelta | None) -> None:
        declared = self._at(timedelta(days=1))
        self._add("clock_jobs", job=job, every=every, term=1, declared_at=declared)
        if last_slot_ago is not None:
            self._add("ticks", job=job, slot=self._at(last_slot_ago), term=1, due_at=None, finished_at=self.clock.now)

    def heard(self, *, provider: str = "due", ago: timedelta) -> None:
        self._add("receiver_keys", provider=provider, fingerprint="f", last_used_at=self._at(ago))


def samples(connection: Connection) -> dict[str, dict[tuple[str, ...], float]]:
    """Every figure now: by name without its prefix, by label values."""
    from ops.reports.metrics import FIGURES, fleet_metrics  # noqa: PLC0415 - what is under test, not this module's need

    found = {}
    for figure, family in zip(FIGURES, fleet_metrics(connection), strict=True):
        found[figure.name] = {tuple(s.labels[label] for label in figure.labels): s.value for s in family.samples}
    return found
