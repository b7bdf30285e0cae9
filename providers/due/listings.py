"""Due's listings, as polls walk them. Every finding enters by the one door, in a body `interpret` reads."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from funding.errors import NotFound, UnexpectedAnswer
from funding.ports.listings import Finding, Page
from providers.due import wire
from providers.due.adapter import DueAdapter, DuePage
from providers.due.interpret import TRANSFER_CHANGED, polled
from providers.event_names import storable_id
from providers.fields import Fields, WrongShape, compact, parse_json, parse_time


class DeliveryLog:
    """What Due sent to our webhook endpoints: each delivery of a transfer event, as the webhook would have told it.

    `Finding.event_id` is the webhook's own, so what has arrived already is a duplicate. Without an endpoint id every
    endpoint of the firm is read, one after the other; the cursor is "<endpoint>|<Due's own>".
    """

    def __init__(self, due: DueAdapter, *, endpoint: str | None) -> None:
        self._due = due
        self._endpoint = endpoint

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Deliveries since then, oldest first within an endpoint. Raises: as any read."""
        endpoint, _, place = (cursor or "|").partition("|")
        endpoints: Sequence[str] = ()
        if not endpoint:
            endpoints = [self._endpoint] if self._endpoint else self._due.webhook_endpoints()
            if not endpoints:
                return Page(findings=(), next_cursor=None)
            endpoint = endpoints[0]
        found = self._due.list_deliveries(endpoint=endpoint, since=since, cursor=place or None)
        findings = [finding for item in found.items if (finding := _delivery(item)) is not None]
        following = _moved_on(found, place or None)
        if following is not None:
            return Page(findings=findings, next_cursor=f"{endpoint}|{following}")
        return Page(findings=findings, next_cursor=self._after(endpoint, endpoints))

    def _after(self, endpoint: str, endpoints: Sequence[str]) -> str | None:
        """The next endpoint's beginning, by id; None after the last."""
        if self._endpoint:
            return None
        known = endpoints or self._due.webhook_endpoints()
        return next((f"{one}|" for one in known if one > endpoint), None)


class AccountTransfers:
    """The deposits of one Due account: its transfers that came in by a virtual account."""

    def __init__(self, due: DueAdapter, *, account: str) -> None:
        self._due = due
        self._account = account

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Transfers since then (of creation, presumably), oldest first. Raises: as any read."""
        found = self._due.list_transfers(account=self._account, since=since, cursor=cursor)
        kept = [wire.kept(item) for item in found.items]
        findings = [_transfer(one) for one in kept if (one.get("source") or {}).get("virtualAccountId")]
        return Page(findings=findings, next_cursor=_moved_on(found, cursor))


class OneTransfer:
    """A single transfer, for an event that named it without saying enough. Unknown at Due: nothing found."""

    def __init__(self, due: DueAdapter, *, account: str, transfer: str) -> None:
        self._due = due
        self._account = account
        self._transfer = transfer

    def page(self, *, since: datetime, cursor: str | None) -> Page:  # noqa: ARG002 -- one object has no since and no pages
        """That transfer as it is now. Raises: as any read."""
        try:
            shown = self._due.show_transfer(self._transfer, account=self._account)
        except NotFound:
            return Page(findings=(), next_cursor=None)
        return Page(findings=[_transfer(shown)], next_cursor=None)


def decode_event(value: Any) -> Any:
    """A delivery's `eventData`, which may arrive as an object, JSON text, base64 of it, or a list of byte values.

    Raises: WrongShape: none of these.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        try:
            return parse_json(bytes(value))
        except (TypeError, ValueError):
            raise WrongShape("eventData must be a list of byte values") from None
    if isinstance(value, str):
        if value.lstrip().startswith("{"):
            return parse_json(value)
        try:
            return parse_json(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            raise WrongShape("eventData is neither JSON nor base64") from None
    raise WrongShape("eventData has no encoding we know")


def _delivery(item: Any) -> Finding | None:
    """A delivery of a transfer event; None for others. One that cannot be read is passed on for ingest to judge."""
    if not isinstance(item, dict) or item.get("eventType") != TRANSFER_CHANGED:
        return None
    try:
        fields = Fields(item)
        event, occurred = decode_event(item.get("eventData")), fields.time("occurredAt")
        name = fields.text("id")
    except WrongShape as error:
        return _unreadable(item, str(error))
    data = event
    if "type" in event and "data" in event:  # the whole webhook, not only its data
        data, name = event["data"], event.get("id") or name
    body = {"id": name, "type": TRANSFER_CHANGED, "data": wire.kept(data), "occurredAt": item["occurredAt"]}
    event_id = storable_id(str(name))
    return Finding(
        kind="delivery",
        id=event_id,
        changed_at=occurred,
        digest_of=event_id,  # a delivery never changes: every resend carries the same signed bytes
        body=compact(body),
        event_id=event_id,
    )


def _unreadable(item: dict[str, Any], why: str) -> Finding:
    """Under a name of its own: under the webhook's, a readable copy that comes later would count as a duplicate."""
    name = storable_id(str(item.get("id")))
    body = {"type": TRANSFER_CHANGED, "data": {"unreadable": why}}
    return Finding(kind="delivery", id=name, changed_at=datetime.now(UTC), digest_of=why, body=compact(body))


def _transfer(shown: dict[str, Any]) -> Finding:
    """A transfer as a listing showed it, well-formed or not: ingest judges it, once for each digest."""
    try:
        created = parse_time(str(shown.get("createdAt")))
    except ValueError:
        created = datetime.now(UTC)
    return Finding(
        kind="transfer",
        id=storable_id(str(shown.get("id"))),
        changed_at=created,
        digest_of=wire.digest_of(shown),
        body=polled(shown),
    )


def _moved_on(found: DuePage, cursor: str | None) -> str | None:
    """The cursor after this page. Raises: UnexpectedAnswer: it leads to the same page again."""
    if found.next is not None and found.next == cursor:
        raise UnexpectedAnswer("due's listing gives the same cursor again: it would never end", provider="due")
    return found.next
