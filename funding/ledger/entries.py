"""Journal entries: balanced for each asset, or not built at all."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from funding.errors import RampkeeperError
from funding.money import Money

HOUSE: Final = "house"
POSTED: Final = "posted"
PENDING: Final = "pending"


class Unbalanced(RampkeeperError):
    """The postings of an entry do not sum to zero for each asset and layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccount:
    """A named place money can be. `owner` is "house" or "customer:<id>"; kinds as in bookkeeping."""

    owner: str
    name: str
    kind: str
    asset: str
    may_go_below_zero: bool = False

    @property
    def customer(self) -> str | None:
        """Whose account it is; None for the house's own."""
        return self.owner.removeprefix("customer:") if self.owner != HOUSE else None


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry: `minor` units of the account's asset, debit positive, credit negative."""

    account: LedgerAccount
    minor: int
    layer: str = POSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A balanced set of postings, unique by (flow, cause, purpose), so that a repeat cannot post twice.

    `cause` is the provider's fact or our own intention that made it; `reverses` names the (cause, purpose) of the
    entry of the same flow that this one mirrors.
    Raises: Unbalanced.
    """

    cause: str
    purpose: str
    postings: tuple[Posting, ...]
    effective_at: datetime | None = None
    reverses: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for posting in self.postings:
            sums[posting.account.asset, posting.layer] += posting.minor
        off = {key: total for key, total in sums.items() if total}
        if off or not self.postings:
            raise Unbalanced(f"entry {self.purpose!r} of {self.cause!r} is off by {off or 'having no postings'}")


def debit(account: LedgerAccount, amount: Money, layer: str = POSTED) -> Posting:
    """A debit of that amount."""
    return Posting(account, amount.minor, layer)


def credit(account: LedgerAccount, amount: Money, layer: str = POSTED) -> Posting:
    """A credit of that amount."""
    return Posting(account, -amount.minor, layer)


def entry(
    cause: str,
    purpose: str,
    *postings: Posting,
    effective_at: datetime | None = None,
    reverses: tuple[str, str] | None = None,
) -> Entry:
    """An entry of those postings, lines of nothing left out."""
    kept = tuple(posting for posting in postings if posting.minor)
    return Entry(cause=cause, purpose=purpose, postings=kept, effective_at=effective_at, reverses=reverses)


def reversal(original: Entry, *, cause: str, purpose: str, effective_at: datetime | None = None) -> Entry:
    """A new entry that mirrors `original`."""
    mirrored = tuple(Posting(p.account, -p.minor, p.layer) for p in original.postings)
    return Entry(
        cause=cause,
        purpose=purpose,
        postings=mirrored,
        effective_at=effective_at,
        reverses=(original.cause, original.purpose),
    )
