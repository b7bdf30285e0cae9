"""What IBEX's webhooks say: where to look, and nothing of it is believed. Pure: bytes in, facts out."""

from collections.abc import Collection
from typing import Final

from funding.chain_addresses import NoAddress, normal
from funding.facts import CannotUse, Fact, Ignored, LookDue, Reading
from providers.fields import Fields, WrongShape
from providers.ibex import exact
from providers.ibex.shapes import Shape, shapes_of

_OTHER_MONEY: Final = frozenset({1, 2, 4, 7})  # Lightning and bitcoin, in and out
_RECEIVED: Final = "crypto.received"


def interpret(body: bytes, *, source: str) -> Reading:  # noqa: ARG001 -- all providers' are called alike
    """Read one stored event; `source` is where it came from: webhook or replay.

    Amounts are not read: their unit differs from one shape to the next. A look is told where to look by a
    transaction's id, else by "<network>/<address>", both written the one way (`chain_addresses.normal`).
    Raises: CannotUse: it has no shape we know, two of them, or a field that is not what was seen.
    """
    try:
        event = exact.parse_event(body)
        return _read(Fields(event), shapes_of(event))
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def _read(event: Fields, shapes: Collection[Shape]) -> Reading:
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
