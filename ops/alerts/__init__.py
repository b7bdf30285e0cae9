"""What is wrong now, and who is told: one table of rules for Prometheus and for ourselves."""

from ops.alerts.rules import RULES, Rule
from ops.alerts.watch import Alert, firing, watch

__all__ = ["RULES", "Alert", "Rule", "firing", "watch"]
