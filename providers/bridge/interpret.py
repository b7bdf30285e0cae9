"""What Bridge's events say. Pure: bytes in, facts out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from funding.facts import CannotUse, Changed, Fact, Ignored, LookDue, Opening, Reading
from funding.ports.bridge import Stage
from providers.bridge.wire import money_of
from providers.bridge.words import customer_word, full_type, stage_of
from providers.fields import Fields, WrongShape, compact, parse_event

_ABOUT_THE_ACCOUNT: Final = frozenset({"account_update", "deactivation", "reactivation"})
_NOT_MONEY: Final = frozenset({"external_account", "virtual_account", "liquidation_address"})
# What the first seed says of a transfer, in words of Bridge's. Its "failed" may be any of several: the flow will read.
_SEED_STATES: Final = {"completed": "payment_processed"}


def interpret(body: bytes, *, source: str) -> Reading:
    """Read one stored event; `source` is where it came from: webhook, poll or replay.

    Raises: CannotUse: it has no shape we know, two of them, or a field that is not what Bridge documents.
    """
    try:
        return _read(Fields(parse_event(body)), source)
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def polled(kind: str, shown: Mapping[str, Any]) -> bytes:
    """The body of an inbox event about what a listing showed: a "deposit_stage", "transfer", "drain" or "event"."""
    return compact({"poll": {"kind": kind, "object": shown}})


def _read(event: Fields, source: str) -> Reading:
    match _shape(event):
        case "poll":
            if source == "webhook":
                raise CannotUse("a poll's body came by webhook")
            return _polled(event.child("poll"))
        case "seed":
            return _seed(event)
        case _:
            return _envelope(event)


def _shape(event: Fields) -> str:
    """Which of the shapes it has, told by its keys. Raises: CannotUse: none, or more than one."""
    shapes = {
        "envelope": event.has("event_id") and event.has("event_category"),
        "seed": event.has("id") and event.has("type") and event.has("data"),
        "poll": event.has("poll"),
    }
    found = [name for name, there in shapes.items() if there]
    if len(found) != 1:
        raise CannotUse("the body has two shapes at once" if found else "the body has no shape we know")
    return found[0]


def _envelope(event: Fields) -> Reading:
    category = event.text("event_category")
    kind = full_type(category, event.text("event_type"))
    return Reading(type=kind, facts=(_fact(category, event),))


def _fact(category: str, event: Fields) -> Fact:
    reader = _OF_CATEGORY.get(category)
    if reader is None:
        return Ignored(reason="moves no money" if category in _NOT_MONEY else "an event category we do not follow")
    return reader(_object(event), event.maybe_time("event_created_at"))


def _object(event: Fields) -> Fields:
    """The object an envelope carries. Its id stands in two places. Raises: WrongShape: they do not agree."""
    shown = event.child("event_object")
    if event.maybe_id("event_object_id") not in {None, shown.id("id")}:
        raise event.wrong("event_object_id", "is not the object's id")
    return shown


def _polled(poll: Fields) -> Reading:
    kind, shown = poll.text("kind"), poll.child("object")
    if kind == "event":
        if _shape(shown) != "envelope":
            raise CannotUse("a polled event has no shape of Bridge's")
        return _envelope(shown)
    reader = _OF_POLL.get(kind)
    if reader is None:
        raise CannotUse("a poll of a kind we do not know")
    return Reading(type=f"poll.{kind}", facts=(reader(shown, None),))


def _seed(event: Fields) -> Reading:
    """The first seed's own envelope: no times, no states of Bridge's, and a deposit without an id."""
    kind, data = event.text("type"), event.child("data")
    group, _, what = kind.partition(".")
    fact: Fact
    match group:
        case "deposit" if what == "completed":
            fact = LookDue(poll="bridge_virtual_account", subject=data.id("virtual_account_id"))
        case "transfer" if what:
            status = _SEED_STATES.get(what, what)
            fact = Changed(kind="transfer", id=data.id("transfer_id"), status=status, at=None, ours=True)
        case "kyc" if what:
            fact = _standing(data.id("customer_id"), what, None)
        case _:
            fact = Ignored(reason="an event type we do not follow")
    return Reading(type=kind, facts=(fact,))


def _stage(shown: Fields, at: datetime | None) -> Fact:
    """One entry of a virtual account's history: it wakes its deposit's flow, or opens one."""
    raw_stage = shown.text("type").lower()
    if raw_stage in _ABOUT_THE_ACCOUNT:
        return Ignored(reason="a change of the virtual account: not money")
    stage = stage_of(raw_stage)
    if stage is Stage.MICRODEPOSIT:
        return Ignored(reason="a microdeposit: never converted, so never credited")
    account = shown.id("virtual_account_id")
    deposit = shown.maybe_id("deposit_id")
    if deposit is None:
        return LookDue(poll="bridge_virtual_account", subject=account)
    opening = Opening(
        flow_kind="bridge_on_ramp",
        link_kind="virtual_account",
        link_id=account,
        # Only here is it what came in: before it is an estimate, later what goes on, less fees and in another asset.
        amount=money_of(shown) if stage is Stage.FUNDS_RECEIVED else None,
        data={"customer": shown.id("customer_id"), "virtual_account": account},
    )
    return Changed(kind="deposit", id=deposit, status=raw_stage, at=at, opening=opening)


def _payment(kind: str, shown: Fields, at: datetime | None) -> Fact:
    """A transfer, or what came to a liquidation address; only a transfer can carry our reference."""
    return Changed(
        kind=kind,
        id=shown.id("id"),
        status=shown.text("state").lower(),
        at=at,
        ours=True,
        reference=shown.maybe_text("client_reference_id"),
    )


def _customer(shown: Fields, at: datetime | None) -> Fact:
    return _standing(shown.id("id"), shown.text("status", "kyc_status"), at)


def _kyc_link(shown: Fields, at: datetime | None) -> Fact:
    customer = shown.maybe_id("customer_id")
    if customer is None:
        return Ignored(reason="a KYC link that is no customer's yet")
    return _standing(customer, shown.text("kyc_status"), at)


def _standing(customer: str, status: str, at: datetime | None) -> Changed:
    return Changed(kind="customer", id=customer, status=customer_word(status), at=at, ours=True)


_transfer, _drain = partial(_payment, "transfer"), partial(_payment, "drain")
_Reader = Callable[[Fields, datetime | None], Fact]
_OF_CATEGORY: Final[Mapping[str, _Reader]] = {
    "virtual_account.activity": _stage,
    "transfer": _transfer,
    "liquidation_address.drain": _drain,
    "customer": _customer,
    "kyc_link": _kyc_link,
}
_OF_POLL: Final[Mapping[str, _Reader]] = {"deposit_stage": _stage, "transfer": _transfer, "drain": _drain}
