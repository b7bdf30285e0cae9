"""The timetable names no job that no worker does, and spends no more of a provider's limit than it may."""

from datetime import timedelta
from typing import ClassVar
from unittest.mock import Mock

import pytest

from dispatch import jobs
from funding.flows.table import FLOWS
from funding.policy import Policy
from providers.registry import PROVIDERS
from scheduler.timetable import timetable
from workers.comparisons import Comparisons
from workers.listings import pages_a_tick, polls_of
from workers.sweeps import Sweeps, limits_of

MINUTE = timedelta(minutes=1)


class Configured:
    """Stands for providers that all have credentials: nothing is asked of them here."""

    connected: ClassVar = {name: one.connect(Mock(), Mock(), Mock()) for name, one in PROVIDERS.items()}
    gates = connected


def test_every_job_is_done_by_some_worker() -> None:
    polls = polls_of(Configured(), MINUTE)  # type: ignore[arg-type]
    sweeps = Sweeps(begin=lambda: None, limits={}, enabled=(), alpaca=None)  # type: ignore[arg-type,return-value]
    comparisons = Comparisons(begin=sweeps.begin, providers=Configured(), poll=MINUTE)  # type: ignore[arg-type]
    done = {jobs.poll_job(provider, name) for provider, name in polls}
    listings = {name: [each.name for each in one.listings] for name, one in Configured.connected.items()}
    done |= {*sweeps.chores(), *comparisons.chores(), jobs.ALERTS, jobs.REPORTS}

    assert {slots.job for slots in timetable(poll=MINUTE, listings=listings)} == done


def test_providers_without_credentials_are_not_polled() -> None:
    names = [slots.job for slots in timetable(poll=MINUTE, listings={"alpaca": ["journals"]})]
    assert "poll_alpaca_journals" in names
    assert not [name for name in names if name.startswith("poll_due")]


@pytest.mark.parametrize(
    ("documented", "rate", "every", "pages"),
    [
        (True, 100, MINUTE, 5),  # a tenth of 100 a minute, shared by two polls
        (False, 100, MINUTE, 25),  # half of what is only assumed
        (False, 100, 2 * MINUTE, 50),
        (True, 5, MINUTE, 1),  # never none
    ],
)
def test_polls_share_what_they_may_spend(documented: bool, rate: int, every: timedelta, pages: int) -> None:  # noqa: FBT001 -- a row of the table above
    policy = Policy(
        provider="due", key_lifetime=None, can_look_up=False, assumed_rate_per_minute=rate, rate_documented=documented
    )
    assert pages_a_tick(policy, every, listings=2) == pages


def test_a_states_limit_can_be_chosen() -> None:
    limits = limits_of(FLOWS, {"due_deposit.received": timedelta(hours=9)})

    assert limits["due_deposit", "received"] == timedelta(hours=9)
    assert limits["due_deposit", "off_ramp_initiated"] == FLOWS["due_deposit"].limits["off_ramp_initiated"]
