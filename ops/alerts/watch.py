"""Alerts without Prometheus: the same rules on the same figures, looked at once a minute, told to people once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import structlog
from prometheus_client.metrics_core import Metric
from sqlalchemy import Connection

from db import alerts
from db.alerts import Firing
from db.notifications import Channel, NewNotification, insert
from ops.alerts.rules import RULES, RUNBOOK, Rule
from ops.reports.metrics import PREFIX, fleet_metrics

log = structlog.get_logger()

FIRING: Final = "alert.firing"
RESOLVED: Final = "alert.resolved"
_RULES: Final = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that is met now. `subject` says of what: "provider due", "queue flows", or nothing."""

    rule: Rule
    subject: str
    value: float

    @property
    def text(self) -> str:
        """What people read."""
        rule = self.rule
        about = f" ({self.subject})" if self.subject else ""
        limit = f"{'below' if rule.below else 'above'} {rule.shown(rule.threshold)}"
        return f"[{rule.severity}] {rule.title}{about}: {rule.shown(self.value)}, {limit}. What to do: {rule.runbook}"


def firing(connection: Connection) -> list[Alert]:
    """Every rule that is met now, whatever its time, in the order of the table. Reads only.

    Raises: errors of the database.
    """
    readings = {metric.name.removeprefix(PREFIX): _samples(metric) for metric in fleet_metrics(connection)}
    return [
        Alert(rule, " ".join(f"{label} {value}" for label, value in zip(rule.looks_at.by, group, strict=True)), value)
        for rule in RULES
        if rule.ours
        for group, value in sorted(rule.looks_at.values(readings).items())
        if rule.is_met(value)
    ]


def watch(connection: Connection, channels: Sequence[Channel] = ("apprise",)) -> list[UUID]:
    """One look: tell people of what has lasted its time, and of what has been over for a while. New notifications' ids.

    Everything in the caller's transaction. Without channels it is only logged. Raises: errors of the database.
    """
    met = {(alert.rule.name, alert.subject): alert for alert in firing(connection)}
    told: list[NewNotification] = []
    for one in alerts.see(connection, list(met)):
        alert = met[one.key]
        if not one.told and one.lasted >= alert.rule.lasting:
            alerts.note_told(connection, one.key)
            log.warning(FIRING, alert=one.name, subject=one.subject, value=alert.value, severity=alert.rule.severity)
            told += _messages(FIRING, one, alert.text, channels)
    for one in alerts.forget(connection, list(met)):
        if one.told:
            log.info(RESOLVED, alert=one.name, subject=one.subject, lasted_s=int(one.lasted.total_seconds()))
            told += _messages(RESOLVED, one, _over(one), channels)
    return insert(connection, told)


def _over(one: Firing) -> str:
    rule = _RULES.get(one.name)
    title = rule.title if rule else one.name
    return f"[over] {title}{f' ({one.subject})' if one.subject else ''}. It was: {RUNBOOK}#{one.name}"


def _messages(kind: str, one: Firing, text: str, channels: Sequence[Channel]) -> list[NewNotification]:
    return [
        NewNotification(
            id=uuid4(),
            flow_id=None,
            type=kind,
            cause=f"{one.name}/{one.subject}/{one.since.isoformat()}",
            channel=channel,
            data={"flow": None, "customer": None, "amount": None, "asset": None, "text": text},
        )
        for channel in channels
    ]


def _samples(metric: Metric) -> list[tuple[dict[str, str], float]]:
    return [(dict(sample.labels), sample.value) for sample in metric.samples]
