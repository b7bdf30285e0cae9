"""What IBEX's events say. Of a webhook nothing is believed: it says where to look. Pure: bytes in, facts out."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from funding.chain_addresses import NoAddress, normal
from funding.facts import CannotUse, Changed, Fact, Ignored, LookDue, Reading, TokensArrived
from providers.fields import Fields, WrongShape
from providers.ibex import exact, wire
from providers.ibex.shapes import Shape, shapes_of

_OTHER_MONEY: Final = frozenset({1, 2, 4, 7})  # Lightning and bitcoin, in and out
_OTHER_CURRENCIES: Final = frozenset({0, 3})  # bitcoin, dollars
_RECEIVED: Final = "crypto.received"


def interpret(body: bytes, *, source: str) -> Reading:
    """Read one stored event; `source` is where it came from: webhook, poll or replay.

    A webhook's amounts are not read: their unit differs from one shape to the next. A look is told where to look by a
    transaction's id, else by "<network>/<address>", both written the one way (`chain_addresses.normal`).
    Raises: CannotUse: it has no shape we know, two of them, or a field that is not what was seen.
    """
    try:
        event = exact.parse_event(body)
        return _read(Fields(event), shapes_of(event), source)
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def polled(transaction: Mapping[str, Any]) -> bytes:
    """The body of an inbox event about a transaction that a listing showed (`Shown.kept`)."""
    return exact.dump({"poll": {"kind": "transaction", "object": dict(transaction)}}).encode()


def _read(event: Fields, shapes: Collection[Shape], source: str) -> Reading:
    if len(shapes) != 1:
        raise CannotUse("the body has two shapes at once" if shapes else "the body has no shape we know")
    (shape,) = shapes
    match shape:
        case Shape.INVOICE | Shape.BITCOIN:
            return Reading(type=shape, facts=(Ignored(reason="Lightning or bitcoin: no tokens"),))
        case Shape.ACCOUNT:
            return Reading(type=shape, facts=(_transaction(event.child("transaction")),))
        case Shape.FLAT:
            return Reading(type=shape, facts=(_arrival(event),))
        case Shape.ENVELOPE:
            kind = event.text("event")
            if kind != _RECEIVED:
                return Reading(type=kind, facts=(Ignored(reason="an event type we do not follow"),))
            return Reading(type=kind, facts=(_arrival(event.child("data")),))
        case Shape.POLL:
            if source == "webhook":
                raise CannotUse("a poll's body came by webhook")
            return Reading(type="poll.transaction", facts=(_listed(event.child("poll")),))


def _transaction(shown: Fields) -> Fact:
    made = shown.id("id")
    if exact.whole(shown, "transactionTypeId") in _OTHER_MONEY:
        return Ignored(reason="Lightning or bitcoin: no tokens")
    return LookDue(poll="ibex_transaction", subject=made)


def _arrival(shown: Fields) -> Fact:
    network, address = shown.text("network"), shown.text("address")
    shown.text("tx_hash")
    try:
        return LookDue(poll="ibex_address", subject=f"{network.lower()}/{normal(network, address)}")
    except NoAddress as error:
        raise shown.wrong("address", f"cannot be looked for: {error}") from None


def _listed(poll: Fields) -> Fact:
    """A transaction shown whole. What came in is a receipt; of a type nobody documented it may be a send of ours."""
    if poll.text("kind") != "transaction":
        raise CannotUse("a poll of a kind we do not know")
    value = poll.raw("object")
    shown = Fields(value, "poll.object.")
    if exact.whole(shown, "currencyId", "currencyID") in _OTHER_CURRENCIES:
        return Ignored(reason="Lightning, bitcoin or dollars: no tokens")
    one = wire.load_transaction(value)
    status = one.raw_status.lower() or one.status
    if one.incoming is not True:
        return Changed(kind="transaction", id=one.id, status=status, at=None, ours=True)
    return TokensArrived(
        transaction=one.id,
        account=one.account,
        amount=one.amount,
        status=status,
        at=one.created_at,
        address=one.address,
        chain_hash=wire.load_chain_hash(value),
    )
