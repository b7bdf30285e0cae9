"""What Stripe's events and listings say. Pure: bytes in, facts out."""

from datetime import datetime
from typing import Any, Final

from funding.facts import CannotUse, Changed, Fact, Ignored, LookDue, Opening, Reading
from funding.money import Money
from funding.ports.stripe import OnrampStatus
from providers.fields import Fields, WrongShape, compact, parse_event
from providers.stripe import wire

# Stripe's guide has the second, most who listen have the first, the official package has neither.
ONRAMP_UPDATED: Final = frozenset({"crypto.onramp_session.updated", "crypto.onramp_session_updated"})
SEED_SUCCEEDED: Final = "onramp.session.succeeded"  # of the first seed, whose objects have a simpler shape
SUCCEEDED: Final = "succeeded"  # that shape's word for a complete session
ONRAMP_OBJECT: Final = "crypto.onramp_session"


def interpret(body: bytes, *, source: str) -> Reading:
    """Read one stored event; `source` is where it came from: webhook, poll or replay.

    Raises: CannotUse: it has no shape we know, two that disagree, or a field that is not what Stripe documents.
    """
    try:
        return _read(Fields(parse_event(body)), source)
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def polled(kind: str, shown: dict[str, Any]) -> bytes:
    """The body of an inbox event about an object that a listing showed, as `kept.kept` leaves it.

    `kind`: "onramp_session", "checkout_session", "refund", "dispute", or a "charge" that was looked at. An "event"
    (`kept.kept_event`) reads as the webhook does, so it is stored under its own id.
    """
    return compact({"poll": {"kind": kind, "object": shown}})


def _read(event: Fields, source: str) -> Reading:
    if event.has("type") == event.has("poll"):
        raise CannotUse("the body has two shapes at once" if event.has("poll") else "the body has no shape we know")
    if event.has("type"):
        return _event(event)
    if source == "webhook":
        raise CannotUse("a poll's body came by webhook")
    return _polled(event.child("poll"))


def _polled(poll: Fields) -> Reading:
    kind, shown = poll.text("kind"), poll.child("object")
    match kind:
        case "event":
            return _event(shown)
        case "onramp_session":
            fact: Fact = _onramp(shown, None)
        case "checkout_session":
            fact = _checkout(shown, None)
        case "charge":
            fact = _payment(shown, kind, "charge looked at", None)
        case "refund" | "dispute":
            fact = _payment(shown, kind, f"{kind} {shown.text('status').lower()}", None)
        case _:
            raise CannotUse("a poll of a kind we do not know")
    return Reading(type=f"poll.{kind}", facts=(fact,))


def _event(event: Fields) -> Reading:
    kind = event.text("type")
    return Reading(type=kind, facts=(_fact(event, kind),))


def _fact(event: Fields, kind: str) -> Fact:
    about = _object_of(kind)
    if about is None:
        return Ignored(reason="an event type we do not follow")
    at = wire.moment(event, "created") if event.has("created") else None
    shown = event.child("data").child("object")
    if about == ONRAMP_OBJECT:
        return _onramp(shown, at, seed=kind == SEED_SUCCEEDED)
    return _checkout(shown, at) if about == "checkout.session" else _payment(shown, about, kind, at)


def _object_of(kind: str) -> str | None:
    """What kind of object an event of this type tells of; None for one that nobody asked about."""
    if kind in ONRAMP_UPDATED or kind == SEED_SUCCEEDED:
        return ONRAMP_OBJECT
    if kind == "charge.refunded":
        return "charge"
    starts = {
        "checkout.session.": "checkout.session",
        "charge.dispute.": "dispute",
        "charge.refund.": "refund",
        "refund.": "refund",
    }
    return next((about for start, about in starts.items() if kind.startswith(start)), None)


def _onramp(shown: Fields, at: datetime | None, *, seed: bool = False) -> Changed:
    """A session, real or in the seed's shape, or in both where they agree."""
    _check_object(shown, ONRAMP_OBJECT)
    details, simple = shown.maybe_child("transaction_details"), shown.maybe_child("destination")
    if details is not None and simple is not None:
        _check_agree(details, simple)
    said = shown.maybe_text("status")
    status = (SUCCEEDED if seed and said is None else shown.text("status")).lower()
    if status == SUCCEEDED and (seed or simple is not None):
        status = OnrampStatus.FULFILLMENT_COMPLETE.value
    if seed and status != OnrampStatus.FULFILLMENT_COMPLETE:
        raise shown.wrong("status", "is another than the event's type says")
    return Changed(
        kind="onramp_session", id=shown.id("id"), status=status, at=at, ours=True, reference=wire.flow_named(shown)
    )


def _check_agree(details: Fields, simple: Fields) -> None:
    """The seed's whole minor units say the same as the real decimal text. Raises: WrongShape."""
    for name in ("currency", "network"):
        one, other = details.maybe_text(f"destination_{name}"), simple.maybe_text(name)
        if one is not None and other is not None and one.lower() != other.lower():
            raise simple.wrong(name, "is another than transaction_details says")
    if details.has("destination_amount") and simple.has("amount"):
        real = wire.coins(details)
        if Money(wire.whole(simple, "amount"), real.asset) != real:
            raise simple.wrong("amount", "is another than transaction_details says")


def _checkout(shown: Fields, at: datetime | None) -> Changed:
    """A Checkout session: nobody here makes one, so it opens its top-up, for the customer whose id of ours it names.

    One that names nobody opens it too: what is paid there is somebody's. One that has expired will never be paid.
    """
    _check_object(shown, "checkout.session")
    session, named = shown.id("id"), shown.maybe_text("client_reference_id")
    if shown.has("currency"):
        wire.fiat(shown, "currency")
    expired = (shown.maybe_text("status") or "").lower() == "expired"
    opening = Opening(
        flow_kind="stripe_top_up",
        link_kind="client_reference",
        link_id=named or "",
        amount=None,
        data={"way": "checkout", "named": named or ""},
        customer=named,
    )
    return Changed(
        kind="checkout_session",
        id=session,
        status=shown.text("payment_status").lower(),
        at=at,
        opening=None if expired else opening,
    )


def _payment(shown: Fields, about: str, word: str, at: datetime | None) -> Changed | LookDue:
    """Money of a payment went back: whoever owns the payment reads its refunds and disputes."""
    _check_object(shown, about)
    intent = wire.maybe_ref(shown, "payment_intent")
    if intent is not None:
        return Changed(kind="payment_intent", id=intent, status=word, at=at, ours=True)
    charge = shown.id("id") if about == "charge" else wire.maybe_ref(shown, "charge")
    if charge is None:
        raise shown.wrong("payment_intent", "is missing, and so is the charge")
    return LookDue(poll="stripe_charge", subject=charge)


def _check_object(shown: Fields, about: str) -> None:
    """An object of another kind has another kind of id. Raises: WrongShape."""
    if (shown.maybe_text("object") or about) != about:
        raise shown.wrong("object", "is another than the event tells of")
