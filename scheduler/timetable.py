"""The timetable: every job that the clock ticks, how often, and nothing of what it does."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from db.clock import Slots
from dispatch import jobs

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)


def timetable(*, poll: timedelta, listings: Mapping[str, Sequence[str]]) -> tuple[Slots, ...]:
    """What is ticked when each provider's `listings` are polled every `poll`.

    Slots are whole multiples of the interval since the epoch, whoever leads; a daily job has its hour as `offset`.
    """
    return (
        *(Slots(jobs.poll_job(provider, listing), poll) for provider, names in listings.items() for listing in names),
        *(Slots(jobs.compare_job(provider), DAY, offset=timedelta(hours=2, minutes=17)) for provider in listings),
        Slots(jobs.SWEEP_STUCK, MINUTE),
        Slots(jobs.ALERTS, MINUTE),
        Slots(jobs.INVARIANTS, 5 * MINUTE),
        Slots(jobs.SILENT_PROVIDERS, 5 * MINUTE),
        Slots(jobs.UNCLAIMED_RECEIPTS, 5 * MINUTE),
        Slots(jobs.REPORTS, DAY, offset=timedelta(minutes=7)),
        Slots(jobs.RETENTION, DAY, offset=timedelta(hours=3, minutes=17)),
    )
