"""What each provider's words mean beside our states: which agree, which are on the way, which mean nothing happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from funding.flows.due_deposit import State

ON_THE_WAY: Final = (State.RECEIVED, State.OFF_RAMP_INITIATED)
PAID_ON: Final = (State.OFF_RAMP_COMPLETED, State.BROKER_FUNDING_INITIATED, State.BROKER_FUNDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """How one kind of object is compared with flows of one kind.

    `agreed`: their status and those of our states that say the same. `behind`: states from which a flow gets there by
    itself. `quiet`: statuses in which no money moved or will move, so that nobody misses the object. A status that is
    not listed counts as `unknown_as`. `made_by_us`: nobody else makes such objects, and each names its flow.
    `whole_days`: its objects bear a date and no time, and stand in one listing for all accounts.
    """

    provider: str
    kind: str
    flow_kind: str
    agreed: Mapping[str, frozenset[str]]
    behind: Mapping[str, frozenset[str]]
    quiet: frozenset[str]
    unknown_as: str
    made_by_us: bool
    whole_days: bool

    def listing_of(self, account: str | None) -> str | None:
        """Whose listing shows an object of that account; None: there is one listing for all."""
        return None if self.whole_days else account

    def known(self, status: str) -> str:
        """The status itself, or what an unknown one counts as."""
        return status if status in self.agreed else self.unknown_as

    def agreements(self) -> list[str]:
        """Every "status/state" that needs no second look."""
        return sorted(f"{status}/{state}" for status, states in self.agreed.items() for state in states)


def _states(*states: State) -> frozenset[str]:
    return frozenset(map(str, states))


_MOVING = ("funds_received", "approved", "payment_submitted", "manual_review", "action_required")
_RETURNED = ("refund_submitted", "refund_processed", "canceled")

DUE: Final = Book(
    provider="due",
    kind="transfer",
    flow_kind="due_deposit",
    agreed={
        "awaiting_funds": _states(State.RECEIVED),
        **dict.fromkeys(_MOVING, _states(*ON_THE_WAY)),
        "payment_processed": _states(*PAID_ON),
        **dict.fromkeys(_RETURNED, _states(State.RETURNED)),
        "failed": _states(State.FAILED),
    },
    behind=dict.fromkeys(("payment_processed", *_RETURNED, "failed"), _states(*ON_THE_WAY)),
    quiet=frozenset({"awaiting_funds"}),
    unknown_as="funds_received",
    made_by_us=False,
    whole_days=False,
)

_GONE = ("rejected", "refused", "canceled", "deleted")

ALPACA: Final = Book(
    provider="alpaca",
    kind="journal",
    flow_kind="due_deposit",
    agreed={
        **dict.fromkeys(("queued", "sent_to_clearing", "pending"), _states(State.BROKER_FUNDING_INITIATED)),
        "executed": _states(State.BROKER_FUNDED),
        **dict.fromkeys(_GONE, _states(State.OFF_RAMP_COMPLETED)),
        "correct": frozenset(),  # its replacement stands for it, and is the newest
    },
    behind={
        **dict.fromkeys(("executed", *_GONE), _states(State.BROKER_FUNDING_INITIATED)),
        "correct": _states(State.BROKER_FUNDING_INITIATED, State.BROKER_FUNDED),
    },
    quiet=frozenset({*_GONE, "correct"}),
    unknown_as="pending",
    made_by_us=True,
    whole_days=True,
)

BOOKS: Final[Mapping[str, Book]] = {book.provider: book for book in (DUE, ALPACA)}
