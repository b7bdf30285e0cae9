"""What each provider's words mean beside our states: which agree, which are on the way, which mean nothing happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Side = Literal["amount", "amount_out"]  # of a flow: what it began with, and what went on


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Flows of one kind that own a book's objects, and what of theirs such an object shows.

    `came` and `went`: which of the flow's amounts is what came in by the object, and what went on; None: neither.
    `corrected`: where its data keeps what really went on, if that is something else. `account`: the parts of its data
    that name the object's account, as its records do: joined by a slash.
    """

    flow_kind: str
    came: Side | None
    went: Side | None
    corrected: str | None = None
    account: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """How one kind of object is compared with the flows that own such objects.

    `agreed`: their status and those of our states that say the same. `behind`: states from which a flow gets there by
    itself. `quiet`: statuses in which no money moved or will move, so that nobody misses the object. A status that is
    not listed counts as `unknown_as`. `made_by_us`: nobody else makes such objects, and each names its flow.
    `whole_days`: its objects bear a date and no time. `one_listing`: one shows those of all accounts. `fees`: the
    ledger's names of what the provider keeps of a conversion.
    """

    provider: str
    kind: str
    followers: tuple[Follower, ...]
    agreed: Mapping[str, frozenset[str]]
    behind: Mapping[str, frozenset[str]]
    quiet: frozenset[str]
    unknown_as: str
    made_by_us: bool = False
    whole_days: bool = False
    one_listing: bool = False
    fees: tuple[str, ...] = ()

    @property
    def flow_kinds(self) -> list[str]:
        """The kinds of flow that own such objects."""
        return [one.flow_kind for one in self.followers]

    def listing_of(self, account: str | None) -> str | None:
        """Whose listing shows an object of that account; None: there is one listing for all."""
        return None if self.one_listing else account

    def known(self, status: str) -> str:
        """The status itself, or what an unknown one counts as."""
        return status if status in self.agreed else self.unknown_as

    def agreements(self) -> list[str]:
        """Every "status/state" that needs no second look."""
        return sorted(f"{status}/{state}" for status, states in self.agreed.items() for state in states)


def _states(*states: str) -> frozenset[str]:
    return frozenset(states)


# Due and Alpaca -------------------------------------------------------------------------------------------------------

_DUE_DEPOSIT: Final = Follower(flow_kind="due_deposit", came="amount", went="amount_out", account=("account",))
_OFF_RAMPED: Final = ("off_ramp_completed", "broker_funding_initiated", "broker_funded")
_OFF_RAMPING: Final = _states("received", "off_ramp_initiated")
_DUE_MOVING: Final = ("funds_received", "approved", "payment_submitted", "manual_review", "action_required")
_DUE_RETURNED: Final = ("refund_submitted", "refund_processed", "canceled")

DUE: Final = Book(
    provider="due",
    kind="transfer",
    followers=(_DUE_DEPOSIT,),
    agreed={
        "awaiting_funds": _states("received"),
        **dict.fromkeys(_DUE_MOVING, _OFF_RAMPING),
        "payment_processed": _states(*_OFF_RAMPED),
        **dict.fromkeys(_DUE_RETURNED, _states("returned")),
        "failed": _states("failed"),
    },
    behind=dict.fromkeys(("payment_processed", *_DUE_RETURNED, "failed"), _OFF_RAMPING),
    quiet=frozenset({"awaiting_funds"}),
    unknown_as="funds_received",
    fees=("due:fees",),
)

_GONE: Final = ("rejected", "refused", "canceled", "deleted")

ALPACA: Final = Book(
    provider="alpaca",
    kind="journal",
    # A flow whose journal was corrected keeps what really was funded beside what was ordered.
    followers=(
        Follower(
            flow_kind="due_deposit", came="amount", went="amount_out", corrected="funded_minor", account=("account",)
        ),
    ),
    agreed={
        **dict.fromkeys(("queued", "sent_to_clearing", "pending"), _states("broker_funding_initiated")),
        "executed": _states("broker_funded"),
        **dict.fromkeys(_GONE, _states("off_ramp_completed")),
        "correct": frozenset(),  # its replacement stands for it, and is the newest
    },
    behind={
        **dict.fromkeys(("executed", *_GONE), _states("broker_funding_initiated")),
        "correct": _states("broker_funding_initiated", "broker_funded"),
    },
    quiet=frozenset({*_GONE, "correct"}),
    unknown_as="pending",
    made_by_us=True,
    whole_days=True,
    one_listing=True,
)

# Bridge and IBEX ------------------------------------------------------------------------------------------------------

_CONVERTING: Final = _states("announced", "converting", "in_review")
_BRIDGE_DEPOSIT_MOVING: Final = ("funds_received", "in_review", "payment_submitted")

BRIDGE_DEPOSIT: Final = Book(
    provider="bridge",
    kind="deposit",
    followers=(
        Follower(flow_kind="bridge_on_ramp", came="amount", went="amount_out", account=("customer", "virtual_account")),
    ),
    agreed={
        "funds_scheduled": _states("announced"),
        **dict.fromkeys(_BRIDGE_DEPOSIT_MOVING, _CONVERTING),
        "payment_processed": _states("sent_on_chain", "credited"),
        "refunded": _states("refunded"),
        "microdeposit": _states("failed"),
    },
    behind=dict.fromkeys(("payment_processed", "refunded", "microdeposit"), _CONVERTING),
    quiet=frozenset({"funds_scheduled", "microdeposit"}),
    unknown_as="in_review",
    one_listing=True,
    fees=("bridge:fees", "bridge:markup_kept"),
)

_UNPAID: Final = _states("held", "sent_to_bridge", "paying_out")
_BRIDGE_MOVING: Final = ("in_review", "funds_received", "payment_submitted")
_NOT_PAID: Final = (
    "undeliverable",
    "returned",
    "missing_return_policy",
    "refund_in_flight",
    "refund_failed",
    "refunded",
)
_MAYBE_UNFUNDED: Final = ("canceled", "error")

BRIDGE_TRANSFER: Final = Book(
    provider="bridge",
    kind="transfer",
    followers=(
        Follower(flow_kind="bridge_withdrawal", came="amount", went="amount_out", account=("bridge_customer",)),
    ),
    agreed={
        # One that is never funded stays so: its withdrawal may long have failed.
        "awaiting_funds": _states("requested", "held", "sent_to_bridge", "failed"),
        **dict.fromkeys(_BRIDGE_MOVING, _UNPAID),
        "payment_processed": _states("paid_out"),
        **dict.fromkeys(_NOT_PAID, _states("returned", "released")),
        **dict.fromkeys(_MAYBE_UNFUNDED, _states("returned", "released", "failed")),
    },
    behind={
        "payment_processed": _states("held", "sent_to_bridge", "paying_out", "returned"),
        **dict.fromkeys((*_NOT_PAID, *_MAYBE_UNFUNDED), _states("held", "sent_to_bridge", "paying_out", "paid_out")),
    },
    quiet=frozenset({"awaiting_funds", "canceled"}),
    unknown_as="in_review",
    made_by_us=True,
    one_listing=True,
)

_SENT: Final = _states("sent_to_bridge", "paying_out", "paid_out", "returned", "released")

IBEX: Final = Book(
    provider="ibex",
    kind="transaction",
    # An on-ramp takes what Bridge sent on; a withdrawal sends what it began with, and may get it back.
    followers=(
        Follower(flow_kind="bridge_on_ramp", came=None, went="amount_out"),
        Follower(flow_kind="bridge_withdrawal", came="amount", went="amount", account=("account",)),
    ),
    agreed={
        "pending": _SENT,
        "completed": _SENT | _states("credited"),
        "failed": _states("failed"),
    },
    behind={"failed": _states("held", "sent_to_bridge")},
    quiet=frozenset({"failed"}),
    unknown_as="pending",
)

# Stripe ---------------------------------------------------------------------------------------------------------------

_TAKEN_BACK: Final = ("disputed", "reversed")
_DONE: Final = _states("claimable", "claimed", *_TAKEN_BACK)
_WAITING: Final = _states("created", "abandoned")

ONRAMP: Final = Book(
    provider="stripe",
    kind="onramp_session",
    followers=(Follower(flow_kind="stripe_top_up", came="amount", went=None),),
    agreed={
        **dict.fromkeys(("initialized", "requires_payment"), _WAITING),
        "fulfillment_processing": _states("paid"),
        "fulfillment_complete": _DONE,
        "rejected": _states("rejected", "abandoned"),
    },
    behind={
        "fulfillment_processing": _WAITING,
        "fulfillment_complete": _WAITING | _states("paid"),
        "rejected": _states("created", "paid"),
    },
    quiet=frozenset({"initialized", "requires_payment", "rejected"}),
    unknown_as="requires_payment",
    made_by_us=True,
    one_listing=True,
)

CHECKOUT: Final = Book(
    provider="stripe",
    kind="checkout_session",
    followers=(Follower(flow_kind="stripe_top_up", came="amount", went=None),),
    agreed={
        "unpaid": _WAITING | _states("rejected"),
        "paid": _DONE | _states("paid"),
        "no_payment_required": _WAITING | _states("rejected"),
    },
    behind={"paid": _WAITING},
    quiet=frozenset({"unpaid", "no_payment_required"}),
    unknown_as="unpaid",
    one_listing=True,
)

_ALL: Final = (ALPACA, BRIDGE_DEPOSIT, BRIDGE_TRANSFER, DUE, IBEX, ONRAMP, CHECKOUT)
BOOKS: Final[Mapping[str, tuple[Book, ...]]] = {
    name: tuple(book for book in _ALL if book.provider == name) for name in sorted({book.provider for book in _ALL})
}
