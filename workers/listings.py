"""Which listings there are to poll and to look at, out of the providers that are configured."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from db import poll_turns
from db.engine import UnitOfWork
from db.poll_turns import Subject
from funding.policy import Policy
from funding.ports.listings import Listing
from providers.provider import LinkedLook, Polled
from providers.registry import POLICIES, Providers
from workers.walks import Poll

# A fresh installation must not take what somebody else has finished already for new work; `recover` reads further back.
FIRST_WORK: Final = timedelta(hours=1)
FIRST_CASH: Final = timedelta(days=30)  # cash movements are only booked
OF_DOCUMENTED: Final = 0.1  # the share of a provider's own limit that polls may spend
OF_ASSUMED: Final = 0.5

LookAt = Callable[[str], Listing | None]


def pages_a_tick(policy: Policy, every: timedelta, *, listings: int) -> int:
    """How many pages one of a provider's polls may read in one tick, all of them sharing what polls may spend."""
    share = OF_DOCUMENTED if policy.rate_documented else OF_ASSUMED
    calls = policy.assumed_rate_per_minute * share * (every / timedelta(minutes=1))
    return max(int(calls / listings), 1)


def polls_of(providers: Providers, every: timedelta) -> dict[tuple[str, str], Poll]:
    """Every poll of the configured providers, by provider and name; each is ticked every `every`."""
    return {
        (provider, listing.name): _poll(POLICIES[provider], listing, every, among=len(one.listings))
        for provider, one in providers.connected.items()
        for listing in one.listings
    }


def _poll(policy: Policy, listing: Polled, every: timedelta, *, among: int) -> Poll:
    return Poll(
        provider=policy.provider,
        name=listing.name,
        listing=listing.open,
        subjects=_subjects(policy.provider, listing),
        pages=pages_a_tick(policy, every, listings=among),
        overlap=policy.overlap,
        first=FIRST_CASH if listing.only_booked else FIRST_WORK,
        covers=listing.covers,
    )


def _subjects(provider: str, listing: Polled) -> Callable[[Connection, int], Sequence[Subject]]:
    """Whose listings are next: accounts in their turn, or the one that spans all customers."""
    of = listing.of

    def everybody(connection: Connection, _limit: int) -> Sequence[Subject]:
        return [Subject("", poll_turns.working_since(connection, provider) if listing.from_work else None)]

    if of is None:
        return everybody

    def accounts(connection: Connection, limit: int) -> Sequence[Subject]:
        return poll_turns.accounts_in_turn(
            connection,
            provider=provider,
            poll=listing.name,
            links=of.links,
            flows=of.flows,
            named=of.named,
            here=of.here,
            limit=limit,
        )

    return accounts


def looks_of(providers: Providers, begin: UnitOfWork) -> dict[tuple[str, str], LookAt]:
    """What to read for a look's subject, by provider and name; None: the subject leads nowhere."""
    return {
        (provider, look.name): _by_link(provider, look, begin) if isinstance(look, LinkedLook) else look.open
        for provider, one in providers.connected.items()
        for look in one.looks
    }


def _by_link(provider: str, look: LinkedLook, begin: UnitOfWork) -> LookAt:
    def find(subject: str) -> Listing | None:
        with begin() as connection:
            link = subject.rpartition("/")[2]
            accounts = poll_turns.accounts_of(connection, provider, look.kind, link, look.accounts)
        return look.open(subject, accounts) if accounts else None

    return find
