"""Stripe's listings, as polls walk them. Every finding enters by the one door, in a body `interpret` reads.

All are newest first and filter on creation alone, in whole seconds. A cursor is the last id of the page before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from funding.errors import NotFound
from funding.ports.listings import Finding, Page
from providers.event_names import digest_of, storable_id
from providers.fields import Fields, WrongShape, compact
from providers.stripe import wire
from providers.stripe.adapter import CHECKOUTS, ONRAMPS, StripeAdapter
from providers.stripe.interpret import ONRAMP_UPDATED, polled
from providers.stripe.kept import kept, kept_event

KEPT: Final = timedelta(days=30)  # how long /v1/events knows an event
# How far behind a poll's window each listing is read again, because what it shows changes after it was made.
RETRIED: Final = timedelta(days=3)  # Stripe docs, "Webhooks", read 2026-11: so long it tries to deliver an event
PAGE_LIVES: Final = timedelta(days=1)  # Stripe API reference, "Checkout sessions", read 2026-11: then a page expires
SETTLING: Final = timedelta(days=7)  # ours, for nobody says: how long a bank may take to refuse a refund
CLASSIC: Final = (
    *("checkout.session.completed", "checkout.session.expired"),
    *("checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"),
    *("charge.refunded", "charge.refund.updated", "refund.created", "refund.updated", "refund.failed"),
    *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
    *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of /v1/events at once: at most 20 names, or one pattern. `types`: what is taken of the answer."""

    filters: Mapping[str, str]
    types: frozenset[str]


PARTS: Final = (
    Part(MappingProxyType({f"types[{number}]": name for number, name in enumerate(CLASSIC)}), frozenset(CLASSIC)),
    # By pattern: neither name of the onramp's event is in the official list, and one that is unknown may be refused.
    Part(MappingProxyType({"type": "crypto.*"}), ONRAMP_UPDATED),
)


class EventLog:
    """Stripe's own log of events, as far as we follow them: each is stored under its own id, as its webhook is.

    `undelivered`: only those that some endpoint has not taken, from as long ago as Stripe goes on trying.
    The cursor is "<number of the part>|<Stripe's own>".
    """

    def __init__(self, stripe: StripeAdapter, *, clock: Callable[[], datetime], undelivered: bool = False) -> None:
        self._stripe = stripe
        self._clock = clock
        self._kind = "undelivered" if undelivered else "event"  # each watches for what its own listing leaves out
        self._filters = {"delivery_success": "false"} if undelivered else {}
        self._reach = RETRIED if undelivered else timedelta(0)

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Events since then, and at most of the last 30 days. Raises: as any read."""
        named, _, place = (cursor or "0|").partition("|")
        number = int(named)
        part = PARTS[number]
        begin = max(since - self._reach, self._clock() - KEPT)
        filters = {**part.filters, **self._filters, **_made_since(begin)}
        shown = self._stripe.page("stripe.list_events", "/v1/events", filters, after=place or None)
        found = [_event(self._kind, one) for one in reversed(shown.items) if _type_of(one) in part.types]
        if shown.last is not None:
            return Page(findings=found, next_cursor=f"{number}|{shown.last}")
        following = number + 1
        return Page(findings=found, next_cursor=f"{following}|" if following < len(PARTS) else None)


class Made:
    """Objects of one kind by when they were made, from `reach` before the window's start.

    A backstop: an event that never came, and is gone from the log, is found here all the same.
    """

    def __init__(
        self,
        stripe: StripeAdapter,
        *,
        kind: str,
        path: str,
        filters: Mapping[str, str] = MappingProxyType({}),
        reach: timedelta = timedelta(0),
    ) -> None:
        self._stripe = stripe
        self._kind = kind
        self._path = path
        self._filters = filters
        self._reach = reach

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Objects made since then, as they are now. Raises: as any read."""
        filters = {**self._filters, **_made_since(since - self._reach)}
        shown = self._stripe.page(f"stripe.list_{self._kind}s", self._path, filters, after=cursor)
        return Page(findings=[_object(self._kind, one) for one in reversed(shown.items)], next_cursor=shown.last)


class OneCharge:
    """The payment that a charge belongs to, for an event that named only the charge. Without one: nothing found."""

    def __init__(self, stripe: StripeAdapter, *, charge: str) -> None:
        self._stripe = stripe
        self._charge = charge

    def page(self, *, since: datetime, cursor: str | None) -> Page:  # noqa: ARG002 -- one object has no pages
        """The charge with its payment. Raises: as any read."""
        try:
            intent = self._stripe.intent_of(self._charge)
        except NotFound:
            intent = None
        if intent is None:
            return Page(findings=(), next_cursor=None)
        shown = {"id": self._charge, "object": "charge", "payment_intent": intent}
        found = Finding(
            kind="charge",
            id=storable_id(self._charge),
            changed_at=since,
            # What the event told of, a dispute's end say, does not change the charge: every look is news.
            digest_of=f"{intent} {since.isoformat()}",
            body=polled("charge", shown),
        )
        return Page(findings=[found], next_cursor=None)


def checkouts(stripe: StripeAdapter) -> Made:
    """Checkout sessions whose customer has gone through the page, paid or about to be."""
    return Made(stripe, kind="checkout_session", path=CHECKOUTS, filters={"status": "complete"}, reach=PAGE_LIVES)


def onramps(stripe: StripeAdapter) -> Made:
    """Onramp sessions; the window itself goes back to the oldest that is open here."""
    return Made(stripe, kind="onramp_session", path=ONRAMPS)


def refunds(stripe: StripeAdapter) -> Made:
    """Refunds, of any payment."""
    return Made(stripe, kind="refund", path="/v1/refunds", reach=SETTLING)


def disputes(stripe: StripeAdapter) -> Made:
    """Disputes, of any payment."""
    return Made(stripe, kind="dispute", path="/v1/disputes", reach=SETTLING)


def _made_since(moment: datetime) -> dict[str, str]:
    return {"created[gte]": str(int(moment.timestamp()))}


def _type_of(event: Any) -> Any:
    """Its type, as it stands there, right or wrong."""
    return event.get("type") if isinstance(event, dict) else None


def _event(kind: str, event: Mapping[str, Any]) -> Finding:
    """An event as the log shows it, well-formed or not: ingest judges it. It never changes."""
    shown = kept_event(event)
    name = _name(shown)
    called = name or _nameless(compact(shown))
    return Finding(
        kind=kind,
        id=called,
        changed_at=_created(event),
        digest_of=called,
        body=polled("event", shown),
        event_id=name,
    )


def _object(kind: str, value: Any) -> Finding:
    """An object as a listing showed it, well-formed or not: ingest judges it, once for each digest."""
    shown = kept(value)
    said = compact(shown)
    return Finding(
        kind=kind,
        id=_name(shown) or _nameless(said),
        changed_at=_created(value),
        digest_of=said.decode(),
        body=polled(kind, shown),
    )


def _name(shown: Mapping[str, Any]) -> str | None:
    given = shown.get("id")
    return storable_id(given) if isinstance(given, str) and given else None


def _nameless(body: bytes) -> str:
    """One name for all of them would make each news again whenever another was seen after it."""
    return f"nameless:{digest_of(body.decode())}"


def _created(value: Any) -> datetime:
    try:
        return wire.moment(Fields(value), "created")
    except WrongShape:
        return datetime.now(UTC)
