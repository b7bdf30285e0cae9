"""What Due's events say. Pure: bytes in, facts out."""

from datetime import datetime
from typing import Any, Final

from funding.facts import Announced, CannotUse, Changed, Ignored, LookDue, Opening, Reading
from funding.ports.due import TransferStatus
from providers.due import wire
from providers.fields import Fields, WrongShape, compact, parse_event

TRANSFER_CHANGED: Final = "transfer.status_changed"
VA_AUTO: Final = "va_auto"  # the virtual account converts by itself
LEGACY_OFFRAMP: Final = "legacy_offramp"  # it waits for our call
_NOT_MONEY: Final = frozenset(
    {
        "virtual_account.updated",
        "bp.kyc.status_changed",
        "bp.tos_accepted",
        "transfers.kyc.submission.status_changed",
        "transfers.kyc.sumsub.status_changed",
    }
)


def interpret(body: bytes, *, source: str) -> Reading:
    """Read one stored event; `source` is where it came from: webhook, poll or replay.

    Raises: CannotUse: it has no shape we know, two of them, or a field that is not what Due documents.
    """
    try:
        return _read(Fields(parse_event(body)), source)
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def polled(transfer: dict[str, Any]) -> bytes:
    """The body of an inbox event about a transfer that a listing showed (`wire.kept`)."""
    return compact({"poll": {"kind": "transfer", "object": transfer}})


def _read(event: Fields, source: str) -> Reading:
    shapes = {
        "webhook": event.has("type") and event.has("data"),
        "seed": event.has("event") and event.has("virtualAccountId"),
        "poll": event.has("poll"),
    }
    if sum(shapes.values()) != 1:
        raise CannotUse("the body has two shapes at once" if any(shapes.values()) else "the body has no shape we know")
    if shapes["poll"]:
        if source == "webhook":
            raise CannotUse("a poll's body came by webhook")
        return _polled(event.child("poll"))
    return _seed(event) if shapes["seed"] else _webhook(event)


def _webhook(event: Fields) -> Reading:
    kind = event.text("type")
    if kind in _NOT_MONEY:
        return Reading(type=kind, facts=(Ignored(reason="moves no money"),))
    if kind != TRANSFER_CHANGED:
        return Reading(type=kind, facts=(Ignored(reason="an event type we do not follow"),))
    at = event.maybe_time("occurredAt")
    data = event.child("data")
    if not data.has("source"):
        return Reading(type=kind, facts=(_look(data),))
    return Reading(type=kind, facts=(_transfer(data, at),))


def _polled(poll: Fields) -> Reading:
    kind = poll.text("kind")
    if kind != "transfer":
        raise CannotUse("a poll of a kind we do not know")
    return Reading(type="poll.transfer", facts=(_transfer(poll.child("object"), None),))


def _seed(event: Fields) -> Reading:
    """The first seed's body has no id, currency or status: something arrived. The account's mode says what follows."""
    kind = event.text("event")
    if kind != "deposit":
        return Reading(type=kind, facts=(Ignored(reason="an event type we do not follow"),))
    account = event.id("virtualAccountId")
    amount = event.raw("amount")  # judged where it is acted on: a look needs none
    announced = Announced(
        flow_kind="due_deposit",
        opens_in=LEGACY_OFFRAMP,
        link_kind="virtual_account",
        link_id=account,
        amount=amount if isinstance(amount, str) else None,
        look=LookDue(poll="due_virtual_account", subject=account),
    )
    return Reading(type=kind, facts=(announced,))


def _look(data: Fields) -> LookDue:
    return LookDue(poll="due_transfer", subject=f"{data.id('ownerId')}/{data.id('id')}")


def _transfer(data: Fields, at: datetime | None) -> Changed | Ignored:
    """A transfer shown whole: it wakes its flow, or opens one when a virtual account's money has really come in."""
    transfer, owner, raw_status = data.id("id"), data.id("ownerId"), data.text("status")
    side = data.child("source")
    account = side.maybe_id("virtualAccountId")
    if account is None:
        return Ignored(reason="no virtual account: not a deposit")
    status = wire.status_of(raw_status)
    if status is TransferStatus.AWAITING_FUNDS:
        return Ignored(reason="not funded yet")
    opening = Opening(
        flow_kind="due_deposit",
        link_kind="virtual_account",
        link_id=account,
        amount=side.money("amount", asset=wire.side_asset(side)),
        data={"account": owner, "virtual_account": account},
        mode=VA_AUTO,
    )
    return Changed(kind="transfer", id=transfer, status=raw_status.lower(), at=at, opening=opening)
