"""The timetable: every job that the clock ticks, how often, and nothing of what it does."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from db.clock import Slots
from dispatch import jobs

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)


def timetable(*, poll: timedelta, providers: Collection[str]) -> tuple[Slots, ...]:
    """What is ticked when the listings of `providers` are polled every `poll`.

    Slots are whole multiples of the interval since the epoch, whoever leads; a daily job has its hour as `offset`.
    """
    return (
        *(
            Slots(jobs.poll_job(provider, listing), poll)
            for provider, listings in jobs.POLLS.items()
            if provider in providers
            for listing in listings
        ),
        *(
            Slots(jobs.compare_job(provider), DAY, offset=timedelta(hours=2, minutes=17))
            for provider in jobs.POLLS
            if provider in providers
        ),
        Slots(jobs.SWEEP_STUCK, MINUTE),
        Slots(jobs.ALERTS, MINUTE),
        Slots(jobs.INVARIANTS, 5 * MINUTE),
        Slots(jobs.SILENT_PROVIDERS, 5 * MINUTE),
        Slots(jobs.RETENTION, DAY, offset=timedelta(hours=3, minutes=17)),
    )
