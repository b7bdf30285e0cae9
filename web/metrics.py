"""The web process's own counters. Each help text is the question that the metric answers."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Collects(Protocol):
    """Anything that yields metrics when asked: the fleet's figures, read from Postgres at each scrape."""

    def collect(self) -> Iterable[Metric]:
        """The metrics now."""
        ...


class DoorMetrics:
    """Counters of one process's door, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "rampkeeper_door_events",
            "How many verified events came in? result: accepted, duplicate.",
            ("provider", "result"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "rampkeeper_door_refusals",
            "How many requests were turned away, and why? provider: its name, or unknown.",
            ("provider", "reason"),
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "rampkeeper_door_batch_rows",
            "How many events does one commit take in?",
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self.trouble = Counter(
            "rampkeeper_door_trouble",
            "How often did the writer meet trouble? kind: batch, row, wake, keys, late.",
            ("kind",),
            registry=self.registry,
        )
