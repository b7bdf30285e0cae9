"""What Alpaca's stream frames and listings say. Pure: bytes in, facts out. Alpaca sends no webhooks."""

from datetime import datetime
from typing import Any, Final

from funding.facts import CannotUse, CashArrived, Changed, Fact, Ignored, Reading
from providers.alpaca.wire import USD, reference_of
from providers.fields import Fields, WrongShape, compact, parse_event

_FLOWS_OWN: Final = frozenset({"JNLC", "JNLS"})
_VOID: Final = frozenset({"canceled", "deleted", "rejected"})


def interpret(body: bytes, *, source: str) -> Reading:
    """Read one stored event; `source` is where it came from: stream, poll or replay.

    Raises: CannotUse: it has no shape we know, or a field that is not what Alpaca documents.
    """
    if source == "webhook":
        raise CannotUse("Alpaca sends no webhooks")
    try:
        event = Fields(parse_event(body))
        if event.has("poll"):
            return _polled(event.child("poll"))
        return Reading(type="journal.status", facts=(_frame(event),))
    except WrongShape as error:
        raise CannotUse(str(error)) from error


def polled(kind: str, shown: dict[str, Any]) -> bytes:
    """The body of an inbox event about a "journal" or "activity" that a listing showed (`wire.kept_...`)."""
    return compact({"poll": {"kind": kind, "object": shown}})


def _frame(event: Fields) -> Fact:
    """One status change on the journal stream."""
    if event.maybe_text("journal_id") is None and event.maybe_text("batch_error_message") is not None:
        return Ignored(reason="an entry of a batch failed: no journal was made")
    journal, status = event.id("journal_id"), event.text("status_to")
    return _journal(event, journal, status, at=event.maybe_time("at"))


def _polled(poll: Fields) -> Reading:
    kind, shown = poll.text("kind"), poll.child("object")
    match kind:
        case "journal":
            fact = _journal(shown, shown.id("id"), shown.text("status"), at=None)
        case "activity":
            fact = _activity(shown)
        case _:
            raise CannotUse("a poll of a kind we do not know")
    return Reading(type=f"poll.{kind}", facts=(fact,))


def _journal(shown: Fields, journal: str, status: str, *, at: datetime | None) -> Fact:
    if (shown.maybe_text("entry_type") or "JNLC") != "JNLC":
        return Ignored(reason="moves no cash")
    said = {"description": shown.maybe_text("description")}
    reference = reference_of(said) or None
    return Changed(kind="journal", id=journal, status=status.lower(), at=at, ours=True, reference=reference)


def _activity(shown: Fields) -> Fact:
    """A line of the firm account's history: cash that no flow moved is booked as it came."""
    kind = shown.text("activity_type").upper()
    if kind in _FLOWS_OWN:
        return Ignored(reason="a journal: its flow accounts for it")
    if (shown.maybe_text("status") or "executed").lower() in _VOID:
        return Ignored(reason="void: no cash moved")
    if not shown.has("net_amount"):
        return Ignored(reason="names no cash")
    amount, rest = shown.signed_floor("net_amount", asset=USD)
    if rest:
        raise shown.wrong("net_amount", "has parts of a cent")
    if amount.minor == 0:
        return Ignored(reason="names no cash")
    # The id holds "::"; it stands in no path, so any text will do.
    activity, said = shown.text("id"), shown.maybe_text("description")
    return CashArrived(activity=activity, amount=amount, at=_when(shown), description=f"{kind} {said or ''}".strip())


def _when(shown: Fields) -> datetime | None:
    if shown.has("created_at"):
        return shown.maybe_time("created_at")
    day = shown.maybe_text("date")
    if day is None:
        return None
    try:
        return datetime.fromisoformat(f"{day}T00:00:00+00:00")
    except ValueError:
        raise shown.wrong("date", "is not a date") from None
