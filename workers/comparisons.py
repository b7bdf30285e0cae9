"""The daily comparison of each configured provider, as a job of the timetable."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from db import break_listings, reconcile_runs, report_figures
from db.engine import UnitOfWork
from dispatch import jobs
from ops.actions.reconcile.compare import Comparer, RunFailed, Wanted, balance_of, source_of
from providers.registry import Providers
from workers.polls import Chore, Keep
from workers.walks import Superseded

BACK: Final = timedelta(days=7)  # returns and corrections come late
BACK_AT_MOST: Final = timedelta(days=90)  # as long as a funded deposit is watched
SETTLED: Final = timedelta(hours=1)  # what is younger would be timing more often than not
POLLS_OF_GRACE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """The chores of this process. `poll`: how often listings are polled."""

    begin: UnitOfWork
    providers: Providers
    poll: timedelta

    def chores(self) -> dict[str, Chore]:
        """Each by its job's name: one for each provider that has credentials here."""
        return {jobs.compare_job(name): self._chore(name) for name in self.providers.gates}

    def asks(self) -> dict[str, str]:
        """Which provider each of these jobs asks."""
        return {jobs.compare_job(name): name for name in self.providers.gates}

    def _chore(self, provider: str) -> Chore:
        return lambda keep: self.compare(provider, keep)

    def compare(self, provider: str, keep: Keep) -> str:
        """Compare the last week, and further back to the oldest break that is open, so that it can close.

        Raises: Superseded; the ProviderError that ended it: the run is written down as failed.
        """
        source = source_of(self.providers, provider)
        if source is None:
            return f"{provider} is not configured"

        def still_ours() -> None:
            with self.begin() as connection:
                if not keep(connection):
                    raise Superseded

        with self.begin() as connection:
            wanted = _wanted(connection, provider)
        comparer = Comparer(begin=self.begin, grace=self.poll * POLLS_OF_GRACE, keep=still_ours)
        try:
            run = comparer.with_provider(wanted, source, balance=balance_of(self.begin, self.providers, provider))
        except RunFailed as failed:
            raise failed.error from failed
        with self.begin() as connection:
            counts = break_listings.show_run(connection, run)["counts"]
        return f"{counts['theirs']} of theirs with {counts['ours']} of ours: {counts['opened']} breaks opened"


def _wanted(connection: Connection, provider: str) -> Wanted:
    now = report_figures.now(connection)
    oldest = reconcile_runs.oldest_open(connection, provider)
    since = max(min(now - BACK, oldest or now), now - BACK_AT_MOST)
    return Wanted(provider=provider, since=since, until=now - SETTLED, by="clock")
