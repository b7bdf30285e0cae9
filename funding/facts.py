"""What an inbox event says, once its provider's `interpret` has read it: facts, never orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from funding.money import Money


class CannotUse(ValueError):
    """A verified event that nothing can be made of: set aside with this reason. It never quotes the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is needed to open a flow of `flow_kind` for an object that moves a customer's money.

    The link `(provider, link_kind, link_id)` leads to the customer; `customer` is our own id of them where the object
    carries it, and then no link is looked for. `data` is the flow's first data. A link whose attribute `mode` is
    another than `mode` opens nothing: there the object is one that we make ourselves.
    """

    flow_kind: str
    link_kind: str
    link_id: str
    amount: Money | None
    data: Mapping[str, str]
    mode: str | None = None
    customer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An object of the provider changed. It wakes the flow that owns it; `status` is a hint, never evidence.

    With `opening` a flow is opened when nobody owns the object yet; without it, and `ours` true, the object is one
    that we may be creating right now: the event is deferred until its reference exists. `reference` is ours as the
    object carries it: the id of the flow that it says it was made for.
    """

    kind: str
    id: str
    status: str
    at: datetime | None
    opening: Opening | None = None
    ours: bool = False
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookDue:
    """The event names an object but not enough to judge it: have the poll `poll` read `subject` soon."""

    poll: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Money is said to have arrived, under no id of its own, and nothing at the provider could be read instead.

    Where the link `(provider, link_kind, link_id)` is in mode `opens_in`, it opens a flow of `flow_kind` under the
    event's own name; anywhere else `look` is read and nothing more. `amount` is a decimal in major units, unchecked.
    """

    flow_kind: str
    opens_in: str
    link_kind: str
    link_id: str
    amount: str | None
    look: LookDue


@dataclass(frozen=True, slots=True, kw_only=True)
class CashArrived:
    """Cash moved on the firm's own account at the provider, outside any flow: one activity, one entry.

    `amount` is signed: positive came in.
    """

    activity: str
    amount: Money
    at: datetime | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensArrived:
    """Tokens came to an account of a customer: a receipt, one row by its transaction's id.

    It opens no flow. It wakes those of the account's customer that wait for tokens; one of them takes it.
    """

    transaction: str
    account: str
    amount: Money
    status: str
    at: datetime
    address: str | None = None
    chain_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to do."""

    reason: str


Fact = Changed | LookDue | Announced | CashArrived | TokensArrived | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All an event says: its type in the provider's words, and the facts."""

    type: str
    facts: tuple[Fact, ...] = field(default=())
