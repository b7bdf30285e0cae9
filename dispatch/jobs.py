"""The names of the timetable's jobs: the clock ticks them, workers do them."""

from typing import Final

SWEEP_STUCK: Final = "sweep_stuck"
INVARIANTS: Final = "invariants"
RETENTION: Final = "retention"
SILENT_PROVIDERS: Final = "silent_providers"
UNCLAIMED_RECEIPTS: Final = "unclaimed_receipts"
ALERTS: Final = "alerts"
REPORTS: Final = "reports"


def poll_job(provider: str, poll: str) -> str:
    """The job that walks that listing, such as "poll_due_transfers"."""
    return f"poll_{provider}_{poll}"


def compare_job(provider: str) -> str:
    """The job that compares that provider's records with ours, such as "compare_due"."""
    return f"compare_{provider}"
