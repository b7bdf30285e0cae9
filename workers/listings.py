"""Which listings there are to poll and to look at, out of the providers that are configured."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from db import polls
from db.engine import UnitOfWork
from db.polls import Subject
from dispatch.jobs import POLLS
from funding.policy import Policy
from funding.ports import Listing
from providers.registry import POLICIES, Alpaca, Due, Providers
from workers.walks import Poll

# A fresh installation must not take what somebody else has finished already for new work; `recover` reads further back.
FIRST_WORK: Final = timedelta(hours=1)
FIRST_CASH: Final = timedelta(days=30)  # cash movements are only booked
OF_DOCUMENTED: Final = 0.1  # the share of a provider's own limit that polls may spend
OF_ASSUMED: Final = 0.5
DAY: Final = timedelta(days=1)


def pages_a_tick(policy: Policy, every: timedelta) -> int:
    """How many pages one of a provider's polls may read in one tick, all of them sharing what polls may spend."""
    share = OF_DOCUMENTED if policy.rate_documented else OF_ASSUMED
    calls = policy.assumed_rate_per_minute * share * (every / timedelta(minutes=1))
    return max(int(calls / len(POLLS[policy.provider])), 1)


def polls_of(providers: Providers, every: timedelta) -> dict[tuple[str, str], Poll]:
    """Every poll of the configured providers, by provider and name; each is ticked every `every`."""
    found: list[Poll] = []
    if providers.due is not None:
        found += _due(providers.due, POLICIES["due"], every)
    if providers.alpaca is not None:
        found += _alpaca(providers.alpaca, POLICIES["alpaca"], every)
    return {(poll.provider, poll.name): poll for poll in found}


def _due(due: Due, policy: Policy, every: timedelta) -> Iterator[Poll]:
    pages = pages_a_tick(policy, every)
    yield Poll(
        provider="due",
        name="deliveries",
        listing=lambda _: due.deliveries(),
        subjects=_one,
        pages=pages,
        overlap=policy.overlap,
        first=FIRST_WORK,
    )
    yield Poll(
        provider="due",
        name="transfers",
        listing=due.transfers_of,
        subjects=lambda connection, limit: polls.accounts_in_turn(
            connection, provider="due", poll="transfers", flow_kind="due_deposit", limit=limit
        ),
        pages=pages,
        overlap=policy.overlap,
        first=FIRST_WORK,
    )


def _alpaca(alpaca: Alpaca, policy: Policy, every: timedelta) -> Iterator[Poll]:
    pages = pages_a_tick(policy, every)
    yield Poll(
        provider="alpaca",
        name="journals",
        listing=lambda _: alpaca.journal_days(),
        subjects=lambda connection, _: [Subject("", polls.working_since(connection, "alpaca"))],
        pages=pages,
        overlap=policy.overlap,
        first=FIRST_WORK,
        covers=DAY,  # it lists whole days, and a journal bears a date only
    )
    yield Poll(
        provider="alpaca",
        name="activities",
        listing=lambda _: alpaca.firm_activities(),
        subjects=_one,
        pages=pages,
        overlap=policy.overlap,
        first=FIRST_CASH,
    )


def _one(_connection: Connection, _limit: int) -> Sequence[Subject]:
    return [Subject("", None)]


LookAt = Callable[[str], Listing | None]


def looks_of(providers: Providers, begin: UnitOfWork) -> dict[tuple[str, str], LookAt]:
    """What to read for a look's subject, by provider and poll; None: the subject leads nowhere."""
    due = providers.due
    if due is None:
        return {}

    def transfer(subject: str) -> Listing | None:
        account, _, one = subject.partition("/")
        return due.one_transfer(account, one) if account and one else None

    def virtual_account(subject: str) -> Listing | None:
        with begin() as connection:
            account = polls.account_of(connection, "due", subject)
        return due.transfers_of(account) if account else None

    return {("due", "due_transfer"): transfer, ("due", "due_virtual_account"): virtual_account}
