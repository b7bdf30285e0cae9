"""Every alert, in one table: what Prometheus watches, what we watch ourselves, and what the runbook explains."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ops.alerts.expressions import Expression, Level, Share

Severity = Literal["page", "ticket"]  # wake someone; see to it in working hours
RUNBOOK: Final = "docs/runbook.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert. It fires once `looks_at` has been above (or below) `threshold` for `lasting`."""

    name: str
    title: str
    question: str
    looks_at: Expression
    threshold: float
    below: bool = False
    lasting: timedelta = timedelta(0)
    severity: Severity
    unit: Literal["s", "%", ""] = ""
    ours: bool = True  # we can see it ourselves; else only Prometheus can

    @property
    def promql(self) -> str:
        """The condition in Prometheus's words."""
        return f"{self.looks_at.promql()} {'<' if self.below else '>'} {self.threshold:g}"

    @property
    def prometheus_name(self) -> str:
        """As Alertmanager shows it."""
        return "Rampkeeper" + "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def runbook(self) -> str:
        """Where a person reads on."""
        return f"{RUNBOOK}#{self.name}"

    def is_met(self, value: float) -> bool:
        """Whether a value is on the wrong side of the threshold."""
        return value < self.threshold if self.below else value > self.threshold

    def shown(self, value: float) -> str:
        """A value as people read it."""
        match self.unit:
            case "%":
                return f"{100 * value:.1f} %"
            case "s":
                return f"{value:.0f} s"
            case _:
                return f"{value:g}"


RULES: Final = (
    Rule(
        name="success-low",
        title="Too few flows succeed",
        question="Did less than 85 % of the flows begun in the last day, that are over or parked, succeed?",
        looks_at=Share(
            figure="begun_flows",
            by=("kind",),
            part={"result": ("failed", "parked")},
            whole={"result": ("succeeded", "failed", "parked")},
            enough=20,
        ),
        threshold=0.15,
        lasting=timedelta(minutes=5),
        severity="page",
        unit="%",
    ),
    Rule(
        name="events-slow",
        title="Events are handled late",
        question="Does a twentieth of a provider's events take more than 5 minutes from receipt to handled?",
        looks_at=Level(figure="event_lag_seconds", by=("provider",), where={"quantile": ("0.95",)}),
        threshold=300,
        lasting=timedelta(minutes=1),
        severity="page",
        unit="s",
    ),
    Rule(
        name="provider-errors",
        title="A provider fails",
        question="Did more than 5 % of the last attempts at a provider end in an error of its own?",
        looks_at=Share(figure="recent_steps", by=("provider",), part={"result": ("error",)}, enough=20),
        threshold=0.05,
        lasting=timedelta(minutes=5),
        severity="page",
        unit="%",
    ),
    Rule(
        name="oldest-due",
        title="Work that is due is not done",
        question="Has a row that is due been waiting for more than 2 minutes?",
        looks_at=Level(figure="oldest_due_seconds", by=("queue",)),
        threshold=120,
        lasting=timedelta(minutes=1),
        severity="page",
        unit="s",
    ),
    Rule(
        name="provider-silent",
        title="A provider's events do not reach us",
        question="Have polls found news at a provider that has sent us nothing for half an hour?",
        looks_at=Level(figure="provider_silence_seconds", by=("provider",)),
        threshold=1800,
        lasting=timedelta(minutes=5),
        severity="ticket",
        unit="s",
    ),
    Rule(
        name="clock-stopped",
        title="No clock leads",
        question="Is there no clock that dispatches work and makes ticks?",
        looks_at=Level(figure="clock_led", fold="min"),
        threshold=1,
        below=True,
        lasting=timedelta(minutes=1),
        severity="page",
    ),
    Rule(
        name="clock-late",
        title="A job has had no tick",
        question="Is a job's last tick older than two of its intervals and half a minute?",
        looks_at=Level(figure="clock_tick_late_seconds", by=("job",)),
        threshold=30,
        lasting=timedelta(minutes=1),
        severity="page",
        unit="s",
    ),
    Rule(
        name="no-workers",
        title="No worker is alive",
        question="Is there no worker process to do what is due?",
        looks_at=Level(figure="live_sessions", fold="min"),
        threshold=1,
        below=True,
        lasting=timedelta(minutes=1),
        severity="page",
    ),
    Rule(
        name="dead-letters-open",
        title="Dead letters are open",
        question="Does anything wait for a person?",
        looks_at=Level(figure="open_dead_letters", by=("kind", "step"), fold="sum"),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="breaks-open",
        title="Breaks are open",
        question="Do our records and a provider's disagree?",
        looks_at=Level(figure="open_breaks", by=("provider", "type"), fold="sum"),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="receipts-untaken",
        title="Tokens came that no flow has taken",
        question="Are there tokens at a provider, come over a day ago, that nobody here is credited for?",
        looks_at=Level(figure="untaken_receipts", by=("provider",), fold="sum"),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="customers-owe",
        title="Customers owe us money",
        question="Did a refund or a dispute take back more than the customer still had here?",
        looks_at=Level(figure="owed_by_customers", by=("asset",)),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="notifications-held",
        title="Notifications are held",
        question="Did the receiver of our notifications say that it is gone (410)?",
        looks_at=Level(figure="undelivered_notifications", by=("channel",), where={"state": ("held",)}, fold="sum"),
        threshold=0,
        severity="page",
    ),
    Rule(
        name="notifications-exhausted",
        title="Notifications were given up",
        question="Did a notification of the last week fail at every attempt over three days?",
        looks_at=Level(
            figure="undelivered_notifications", by=("channel",), where={"state": ("exhausted",)}, fold="sum"
        ),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="breaker-open",
        title="A provider's breaker is open",
        question="Has a provider failed so often that we have stopped asking it for more than 5 minutes?",
        looks_at=Level(figure="breaker_state", by=("provider",), where={"state": ("open",)}),
        threshold=0,
        lasting=timedelta(minutes=5),
        severity="ticket",
    ),
    Rule(
        name="provider-paused",
        title="A provider is paused",
        question="Do we ask a provider nothing because a person paused it or it refused our credentials?",
        looks_at=Level(figure="provider_paused", by=("provider",)),
        threshold=0,
        severity="ticket",
    ),
    Rule(
        name="figures-unreadable",
        title="The web process cannot read Postgres",
        question="Could a web process not read the fleet's figures, so that no other alert can be trusted?",
        looks_at=Level(figure="fleet_readable", fold="min"),
        threshold=1,
        below=True,
        lasting=timedelta(minutes=1),
        severity="page",
        ours=False,
    ),
)
