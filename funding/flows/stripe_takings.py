"""What refunds and disputes have taken of a payment: kept in the flow's data, compared with readings, each move once.

A taking is one refund or one dispute. It is `gone` while its money is not with us. A refund goes once and comes back at
most once; a dispute's money may go, come back when it is won, and go again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from funding.ledger import stripe_top_up as rules
from funding.ledger.entries import Entry
from funding.money import Money
from funding.ports.stripe import Dispute, Refund, RefundStatus

_RETURNED: Final = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})
_KNOWN_DISPUTES: Final = frozenset(
    {
        *("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review"),
        *("appeal_needs_response", "appeal_under_review", "won", "lost", "prevented"),
    }
)
APPEAL: Final = "appeal_"  # how the statuses begin of a lost dispute that is fought on


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One refund or dispute. `name` is "refund/re_1"; `parts` are where its money was taken from, in minor units."""

    name: str
    amount: Money
    gone: bool = False
    closed: bool = False  # of a dispute: it is over, unless an appeal opens it again
    moves: int = 0  # how often its money went
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def cause(self) -> str:
        """The provider's fact behind the newest movement."""
        return f"stripe/{self.name}" if self.moves <= 1 else f"stripe/{self.name}/{self.moves}"

    @property
    def is_dispute(self) -> bool:
        """A dispute is open until it is closed; a refund is never."""
        return self.name.startswith("dispute/")

    def kept(self) -> dict[str, Any]:
        """As it stands in the flow's data."""
        return {
            "minor": self.amount.minor,
            "gone": self.gone,
            "closed": self.closed,
            "moves": self.moves,
            "parts": dict(self.parts),
        }

    @classmethod
    def of(cls, name: str, kept: Mapping[str, Any], asset: str) -> Self:
        """What was kept."""
        return cls(
            name=name,
            amount=Money(int(kept["minor"]), asset),
            gone=bool(kept["gone"]),
            closed=bool(kept["closed"]),
            moves=int(kept["moves"]),
            parts={place: int(minor) for place, minor in kept["parts"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """Where the money of a top-up stands: whose it is, whether they have claimed it, what they could still spend."""

    customer: str | None
    credited: Money
    claimed: bool
    cash: Money  # what their cash holds that is available; nothing before a claim

    @property
    def own(self) -> str:
        """The place it is in while nothing is taken."""
        if self.customer is None:
            return rules.SUSPENSE
        return rules.CASH if self.claimed else rules.UNCLAIMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """All takings after a reading, and the movements that it showed. `doubted`: it looks older than what is known."""

    takings: tuple[Taking, ...]
    entries: tuple[Entry, ...] = ()
    went: tuple[Taking, ...] = ()
    came_back: tuple[Taking, ...] = ()
    changed: bool = False
    doubted: bool = False
    unknown: tuple[str, ...] = ()  # statuses that nobody has documented, each as "refund re_1 is odd"
    resized: tuple[tuple[Taking, Money], ...] = ()  # those whose amount is another than when they were taken

    def kept(self) -> dict[str, Any]:
        """All of them, as the flow's data keeps them."""
        return {one.name: one.kept() for one in self.takings}


def known(data: Mapping[str, Any], asset: str) -> tuple[Taking, ...]:
    """The takings that the flow's data keeps, in the order they were met."""
    kept: Mapping[str, Any] = data.get("takings", {})
    return tuple(Taking.of(name, kept[name], asset) for name in sorted(kept))


def outstanding(takings: Sequence[Taking], *places: str) -> int:
    """Minor units that are gone, of those places, or of all."""
    return sum(
        minor for one in takings if one.gone for place, minor in one.parts.items() if not places or place in places
    )


def left_to_claim(takings: Sequence[Taking], credited: Money) -> Money:
    """What the customer can still claim of it."""
    return Money(credited.minor - outstanding(takings, rules.SUSPENSE, rules.UNCLAIMED), credited.asset)


def settle(
    before: Sequence[Taking], refunds: Sequence[Refund], disputes: Sequence[Dispute], purse: Purse, *, believe: bool
) -> Settled:
    """Compare a reading with what is known: what has gone or come back since, in entries.

    A reading that looks older than what is known changes nothing, until `believe` says that it was read often enough.
    """
    read = [*map(_of_refund, refunds), *map(_of_dispute, disputes)]
    unknown = tuple(
        [f"{_of_refund(one).name} is {one.raw_status}" for one in refunds if one.status is RefundStatus.UNKNOWN]
        + [f"{_of_dispute(one).name} is {one.raw_status}" for one in disputes if not _is_known(one)]
    )
    appealed = {f"dispute/{one.id}" for one in disputes if one.raw_status.lower().startswith(APPEAL)}
    by_name = {one.name: one for one in before}
    doubted = not believe and _is_behind(by_name, read, appealed)
    if doubted:
        return Settled(takings=tuple(before), doubted=True, unknown=unknown)
    entries: list[Entry] = []
    went: list[Taking] = []
    came_back: list[Taking] = []
    resized: list[tuple[Taking, Money]] = []
    for now in read:
        was = by_name.get(now.name, replace(now, gone=False, closed=False))
        if was.moves and now.amount != was.amount:
            resized.append((was, now.amount))
        after = replace(was, closed=now.closed, amount=now.amount if not was.moves else was.amount)
        over = not now.is_dispute and was.moves > 0 and not was.gone  # a refund that failed has failed for good
        if now.gone and not was.gone and not over:
            parts = _taken_from(after.amount, tuple(by_name.values()), purse, entries_taken=went)
            after = replace(after, gone=True, moves=was.moves + 1, parts=parts)
            entries.append(rules.taken(after.cause, parts, purse.customer, purse.credited.asset))
            went.append(after)
        elif was.gone and not now.gone:
            after = replace(after, gone=False)
            home = _belongs(after.parts, purse)
            entries.append(
                rules.given_back(after.cause, home, purse.customer, purse.credited.asset, mirrors=home == after.parts)
            )
            came_back.append(after)
        by_name[now.name] = after
    takings = tuple(by_name[name] for name in sorted(by_name))
    return Settled(
        takings=takings,
        entries=tuple(entries),
        went=tuple(went),
        came_back=tuple(came_back),
        changed=takings != tuple(before),
        unknown=unknown,
        resized=tuple(resized),
    )


def _of_refund(refund: Refund) -> Taking:
    return Taking(name=f"refund/{refund.id}", amount=refund.amount, gone=refund.status not in _RETURNED)


def _of_dispute(dispute: Dispute) -> Taking:
    return Taking(name=f"dispute/{dispute.id}", amount=dispute.amount, gone=dispute.withdrawn, closed=dispute.closed)


def _is_known(dispute: Dispute) -> bool:
    return dispute.raw_status.lower() in _KNOWN_DISPUTES


def _is_behind(known_now: Mapping[str, Taking], read: Sequence[Taking], appealed: set[str]) -> bool:
    """Whether one of them is missing, or stands where it stood before something that is known of it."""
    shown = {one.name: one for one in read}
    for was in known_now.values():
        now = shown.get(was.name)
        if now is None:
            return True
        if not was.is_dispute:
            if was.moves and not was.gone and now.gone:
                return True
            continue
        reopened = was.closed and not now.closed and was.name not in appealed
        unexplained = was.gone and not now.gone and not now.closed  # it came back while the bank still decides
        if reopened or unexplained:
            return True
    return False


def _taken_from(
    amount: Money, takings: Sequence[Taking], purse: Purse, *, entries_taken: Sequence[Taking]
) -> dict[str, int]:
    """Where that much is taken from: what this top-up still holds, or the customer's cash; else they owe it."""
    if purse.customer is None:
        return {rules.SUSPENSE: amount.minor}
    if purse.claimed:
        here = sum(one.parts.get(rules.CASH, 0) for one in entries_taken)
        held = purse.cash.minor - here
    else:
        held = left_to_claim(takings, purse.credited).minor
    own = max(min(amount.minor, held), 0)
    shared = {purse.own: own, rules.OWED: amount.minor - own}
    return {place: minor for place, minor in shared.items() if minor}


def _belongs(parts: Mapping[str, int], purse: Purse) -> dict[str, int]:
    """Where it goes when it comes back: what was owed is owed no more, the rest to where the top-up is now."""
    home: dict[str, int] = {}
    for place, minor in parts.items():
        now = place if place == rules.OWED else purse.own
        home[now] = home.get(now, 0) + minor
    return home
