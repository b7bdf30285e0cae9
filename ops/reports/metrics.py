"""The fleet's figures for Prometheus and for our own alerts, each with the question it answers.

`FIGURES` is the one table: what is scraped, what alerts look at and `docs/metrics.md` are made from it. Values of
Prometheus are floating-point by its own rule; no amount is ever computed from them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, TextClause

from db import fleet
from funding.flow import OPEN
from funding.flows.table import FLOWS

PREFIX: Final = "rampkeeper_"
Values = Iterable[tuple[Any, ...]]

# Outcomes of attempts in which the provider let us down; a refusal of one request or a wish to slow down is an answer.
_LET_DOWN: Final = frozenset({"unavailable", "unknown", "misconfigured", "error"})
_NOT_DONE: Final = frozenset({"throttled", "rejected", "not_found", "parked", "listening", "settling", "lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric. `read` gives (label values..., value); `labels` maps each label to what it can be.

    `cost` says what is read, so that nobody need fear the scrape.
    """

    name: str
    question: str
    labels: dict[str, str]
    read: Callable[[Connection], Values]
    cost: str

    @property
    def full_name(self) -> str:
        """As Prometheus knows it."""
        return PREFIX + self.name


def _rows(query: TextClause) -> Callable[[Connection], Values]:
    return lambda connection: fleet.read(connection, query)


def _steps(connection: Connection) -> Iterator[tuple[str, str, str, str, int]]:
    for provider, step, outcome, count in fleet.read(connection, fleet.STEPS):
        result = "error" if outcome in _LET_DOWN else "refused" if outcome in _NOT_DONE else "ok"
        yield provider, step, outcome, result, count


def _begun_flows(connection: Connection) -> Iterator[tuple[str, str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for kind, state, status, parked, count in fleet.read(connection, fleet.BEGUN_FLOWS):
        counts[kind, _result(kind, state, status, parked=parked)] += count
    for (kind, result), count in sorted(counts.items()):
        yield kind, result, count


def _result(kind: str, state: str, status: str, *, parked: bool) -> str:
    """How a flow fares. One at the end of its way reached what it was for, also when its watch is over.

    One that rests elsewhere ended as somebody decided: a customer who never paid, a bank that took it back.
    """
    machine = FLOWS.get(kind)
    if status == OPEN:
        return "parked" if parked else "under_way"
    if machine is not None and state == machine.way[-1]:
        return "succeeded"
    return "declined" if machine is not None and state in machine.resting else "failed"


_PROVIDER: Final = "due, alpaca, bridge, ibex, stripe"
_KIND: Final = ", ".join(FLOWS)
_QUEUES: Final = "flows, events, ticks, looks, notifications"

FIGURES: Final = (
    Figure(
        name="recent_events",
        question="What became of the events of the last hour (the newest 10,000)?",
        labels={
            "provider": _PROVIDER,
            "source": "webhook, poll, stream, replay",
            "state": "received, handled, ignored, deferred, dead",
        },
        read=_rows(fleet.EVENTS),
        cost="the newest entries of ix_inbox_events_received_at",
    ),
    Figure(
        name="event_lag_seconds",
        question="How long from receipt to handled, for events of the last 15 minutes? Unhandled ones count their age.",
        labels={"provider": _PROVIDER, "quantile": "0.5, 0.95, 1"},
        read=_rows(fleet.LAG),
        cost="the newest entries of ix_inbox_events_received_at",
    ),
    Figure(
        name="provider_silence_seconds",
        question="For how long has a provider sent nothing, although polls found at least three changes there since?",
        labels={"provider": _PROVIDER},
        read=_rows(fleet.SILENCE),
        cost="receiver_keys, stream_cursors and the newest entries of ix_inbox_events_received_at",
    ),
    Figure(
        name="recent_steps",
        question="How did attempts of the last 15 minutes end (the newest 10,000), and did the provider let us down?",
        labels={
            "provider": _PROVIDER,
            "step": "each step's name",
            "outcome": "advanced, snoozed, closed, unavailable, unknown, throttled, rejected, parked, ...",
            "result": "ok, error (the provider let us down), refused",
        },
        read=_steps,
        cost="the newest entries of ix_attempts_finished_at",
    ),
    Figure(
        name="oldest_due_seconds",
        question="For how long has the oldest row that is due been waiting to be worked on?",
        labels={"queue": _QUEUES},
        read=_rows(fleet.OLDEST_DUE),
        cost="the first entry of ix_flows_due, ix_inbox_events_due, ix_ticks_due, ix_looks_due, ix_notifications_due",
    ),
    Figure(
        name="due_rows",
        question="How much is due now? Counted up to 10,000.",
        labels={"queue": _QUEUES},
        read=_rows(fleet.DUE),
        cost="at most 10,000 entries of each index on due_at",
    ),
    Figure(
        name="open_flows",
        question="Where is the money that is on its way, and how much of it waits for a person?",
        labels={"kind": _KIND, "state": "each open state", "parked": "true, false"},
        read=_rows(fleet.OPEN_FLOWS),
        cost="ix_flows_open_moved_at, which holds open flows only",
    ),
    Figure(
        name="begun_flows",
        question="How do the flows begun in the last 24 hours fare (the newest 10,000)?",
        labels={"kind": _KIND, "result": "succeeded, failed, declined, parked, under_way"},
        read=_begun_flows,
        cost="the newest entries of ix_flows_created_at",
    ),
    Figure(
        name="open_dead_letters",
        question="What waits for a person, and who must act first?",
        labels={"kind": f"{_KIND}, event", "step": "each step's name", "blame": "us, provider, customer"},
        read=_rows(fleet.DEAD_LETTERS),
        cost="uq_dead_letters_flow and uq_dead_letters_event, which hold open letters only",
    ),
    Figure(
        name="open_breaks",
        question="Where do our records and a provider's disagree?",
        labels={"provider": f"{_PROVIDER}, rampkeeper", "type": "each type of break"},
        read=_rows(fleet.BREAKS),
        cost="ix_breaks_open, which holds open breaks only",
    ),
    Figure(
        name="amount_at_risk",
        question="How much money do open breaks speak of, in minor units of its asset?",
        labels={"asset": "USD, USDC, USDT"},
        read=_rows(fleet.AT_RISK),
        cost="ix_breaks_open, which holds open breaks only",
    ),
    Figure(
        name="untaken_receipts",
        question="How many receipts of tokens did no flow take within a day of their coming?",
        labels={"provider": "ibex"},
        read=_rows(fleet.UNTAKEN_RECEIPTS),
        cost="ix_breaks_open, which holds open breaks only",
    ),
    Figure(
        name="owed_by_customers",
        question="How much was taken back that customers had spent already, in minor units of its asset?",
        labels={"asset": "USD"},
        read=_rows(fleet.OWED),
        cost="ix_ledger_accounts_receivable: accounts of those who ever owed, and their balances",
    ),
    Figure(
        name="undelivered_notifications",
        question="What did the team's backend or its people not hear of? Exhausted ones of the last 7 days.",
        labels={"channel": "webhook, apprise", "state": "held, exhausted"},
        read=_rows(fleet.UNDELIVERED),
        cost="ix_notifications_undelivered, which holds only these",
    ),
    Figure(
        name="breaker_state",
        question="Is a provider's circuit breaker closed, open or probing (1 for the state it is in)?",
        labels={"provider": _PROVIDER, "state": "closed, open, probing"},
        read=_rows(fleet.BREAKERS),
        cost="provider_gates, one row a provider",
    ),
    Figure(
        name="provider_paused",
        question="Is a provider paused (1), by a person or because it refused our credentials?",
        labels={"provider": _PROVIDER},
        read=_rows(fleet.PAUSED),
        cost="provider_gates, one row a provider",
    ),
    Figure(
        name="live_sessions",
        question="How many worker processes are alive?",
        labels={},
        read=_rows(fleet.SESSIONS),
        cost="ix_worker_sessions_live, which holds live sessions only",
    ),
    Figure(
        name="clock_led",
        question="Does any clock lead (1)?",
        labels={},
        read=_rows(fleet.CLOCK_LED),
        cost="clock_leases, one row",
    ),
    Figure(
        name="clock_tick_age_seconds",
        question="How long ago was the slot of each job's last tick?",
        labels={"job": "each job of the timetable"},
        read=_rows(fleet.TICK_AGE),
        cost="clock_jobs, one row a job, and the last entry of each in the primary key of ticks",
    ),
    Figure(
        name="clock_tick_late_seconds",
        question="By how much is each job's last tick older than two of its intervals?",
        labels={"job": "each job of the timetable"},
        read=_rows(fleet.TICK_LATE),
        cost="clock_jobs, one row a job, and the last entry of each in the primary key of ticks",
    ),
)


def fleet_metrics(connection: Connection) -> Iterator[Metric]:
    """Every figure as it is now, in the order of the table. Raises: errors of the database."""
    for figure in FIGURES:
        family = GaugeMetricFamily(figure.full_name, figure.question, labels=list(figure.labels))
        for *labels, value in figure.read(connection):
            family.add_metric(labels, float(value))
        yield family
