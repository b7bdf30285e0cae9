"""Stripe's sessions by when they were made, as a comparison reads them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from funding.errors import NotFound, UnexpectedAnswer
from funding.money import SCALES
from funding.ports.stripe import OnrampStatus
from funding.reconcile.records import Record, RecordPage
from providers.fields import Fields, WrongShape
from providers.stripe import wire
from providers.stripe.adapter import CHECKOUTS, ONRAMPS, StripeAdapter

AROUND: Final = timedelta(hours=1)  # a session is a little younger than the flow that made it


class Kind(NamedTuple):
    """Sessions of one kind: where they are listed, which of them, and how one becomes a record."""

    name: str
    path: str
    filters: Mapping[str, str]
    load: Callable[[Any], Record]


class SessionRecords:
    """Every session of a kind, of this account's other users too. The cursor is the last id of the page before."""

    def __init__(self, stripe: StripeAdapter, kind: Kind) -> None:
        self._stripe = stripe
        self._kind = kind

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """A page of what was made in the window and a little around it, newest first. Raises: as any read."""
        filters = {
            **self._kind.filters,
            "created[gte]": str(int((since - AROUND).timestamp())),
            "created[lt]": str(int((until + AROUND).timestamp())),
        }
        shown = self._stripe.page(f"stripe.list_{self._kind.name}s", self._kind.path, filters, after=cursor)
        return RecordPage([self._record(one) for one in shown.items], shown.last)

    def one(self, object_id: str, *, account: str | None) -> Record | None:  # noqa: ARG002 -- one account holds them all
        """One session; None: Stripe knows none of that id. Raises: as any read."""
        try:
            return self._stripe.read_session(self._kind.path, object_id, self._record)
        except NotFound:
            return None

    def _record(self, value: Any) -> Record:
        """A session as a record; one that cannot be read says why. Raises: UnexpectedAnswer: it has no id or time."""
        try:
            fields = Fields(value)
            known = Record(
                kind=self._kind.name,
                id=fields.id("id"),
                status=fields.text("status").lower(),
                at=wire.moment(fields, "created"),
            )
        except WrongShape as error:
            raise UnexpectedAnswer(
                f"stripe shows a session that cannot be told of: {error}", provider="stripe"
            ) from None
        try:
            return self._kind.load(value)
        except WrongShape as error:
            return known._replace(fault=str(error))


def load_onramp(value: Any) -> Record:
    """An onramp session: what it delivered, once it has. Its reference is the flow that it names. Raises: WrongShape.

    A coin that is none of ours was bought by somebody else: it has no amount here.
    """
    fields = Fields(value)
    details = fields.maybe_child("transaction_details") or Fields({}, "transaction_details.")
    coin = (details.maybe_text("destination_currency") or "").upper()
    record = Record(
        kind="onramp_session",
        id=fields.id("id"),
        status=fields.text("status").lower(),
        at=wire.moment(fields, "created"),
        reference=_flow_named(fields),
    )
    if record.status != OnrampStatus.FULFILLMENT_COMPLETE:
        return record
    if coin not in SCALES:
        return record._replace(asset=coin or None)
    delivered = wire.coins(details)
    return record._replace(asset=delivered.asset, amount=delivered.minor)


def load_checkout(value: Any) -> Record:
    """A Checkout session that its customer has gone through: its status is whether it is paid. Raises: WrongShape."""
    fields = Fields(value)
    record = Record(
        kind="checkout_session",
        id=fields.id("id"),
        status=fields.text("payment_status").lower(),
        at=wire.moment(fields, "created"),
        asset=fields.text("currency").upper(),
    )
    return record._replace(amount=wire.load_checkout(value).total.minor) if record.asset in SCALES else record


ONRAMP: Final = Kind("onramp_session", ONRAMPS, MappingProxyType({}), load_onramp)
CHECKOUT: Final = Kind("checkout_session", CHECKOUTS, MappingProxyType({"status": "complete"}), load_checkout)


def _flow_named(fields: Fields) -> str | None:
    """Our reference, where it is one: others write names of their own there."""
    named = wire.flow_named(fields)
    try:
        return named if named is not None and str(UUID(named)) == named else None
    except ValueError:
        return None
