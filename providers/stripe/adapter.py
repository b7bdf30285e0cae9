"""Stripe's sessions, and what takes a payment back, as flows ask for them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from funding.errors import (
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderThrottled,
    ProviderUnavailable,
    UnexpectedAnswer,
)
from funding.ports.stripe import CheckoutSession, Dispute, OnrampOrder, OnrampSession, Refund, StripeSessions
from providers.fields import Fields, WrongShape, is_id
from providers.http import ProviderClient, Request
from providers.stripe import wire
from providers.stripe.policy import POLICY

Loaded = TypeVar("Loaded")
Returned = TypeVar("Returned", Refund, Dispute)
PAGE: Final = 100  # rows a listing is asked for, the most it gives
ONRAMPS: Final = "/v1/crypto/onramp_sessions"
CHECKOUTS: Final = "/v1/checkout/sessions"


def classify(status: int, code: str | None) -> type[ProviderError] | None:
    """A 409 means that another call is at it, ours under the same key perhaps; locks and switched-off onramps pass.

    An `idempotency_error` (400) stays a refusal, but of the repeat alone: what the key's first call made is there.
    Source: Stripe API reference, "Errors", and docs, "Onramp error codes", read 2026-11.
    """
    if code == "crypto_onramp_disabled":  # a 400, and yet an outage of theirs
        return ProviderUnavailable
    if code == "lock_timeout":  # the object is busy: this call did not begin
        return ProviderThrottled
    return OutcomeUnknown if status == 409 else None  # noqa: PLR2004 -- conflict


class StripePage:
    """A page of a listing: `{data, has_more}`, newest first. `last` leads to the next. Raises: WrongShape."""

    def __init__(self, value: Any) -> None:
        fields = Fields(value)
        for name in ("data", "has_more"):  # without them the listing would look empty, or whole
            if fields.raw(name) is None:
                raise fields.wrong(name, "is missing")
        self.items = fields.rows("data")
        self.last: str | None = None
        if fields.flag("has_more"):
            if not self.items:
                raise fields.wrong("data", "is empty, and yet there is more")
            self.last = _id_of(self.items[-1])


class StripeAdapter(StripeSessions):
    """Stripe's sessions, refunds and disputes in our words.

    Source: Stripe API reference, "Pagination" and "Idempotent requests", and docs, "Crypto onramp", read 2026-11.
    """

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    def onramp_request(self, order: OnrampOrder) -> str:
        """The exact form body `create_onramp` sends. Raises: ValueError: an order that Stripe cannot fill."""
        return wire.dump_onramp(order)

    def create_onramp(self, request: str, *, key: UUID) -> OnrampSession:
        """Create, or with the same key and body get the first answer again, also when that was an error of Stripe's.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent, or the
        onramp is switched off), ProviderThrottled (not done), Misconfigured. `code == "idempotency_error"`: the key
        was used for another body, and what that one made is there.
        """
        call = Request(
            operation="stripe.create_onramp",
            method="POST",
            path=ONRAMPS,
            body=request,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": str(key)},
            creates=True,
        )
        return self._client.call(call, wire.load_onramp)

    def get_onramp(self, session_id: str) -> OnrampSession:
        """One onramp session. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        return self._one("stripe.get_onramp", ONRAMPS, session_id, wire.load_onramp)

    def find_onramps(self, reference: str, *, since: datetime) -> Sequence[OnrampSession]:
        """The sessions with that reference made since then, and a little before, oldest first, walked to the end.

        Raises: UnexpectedAnswer: one of them cannot be read, or the listing never ends; and as any read.
        """
        begin = int((since - POLICY.overlap).timestamp())
        shown = self._walk("stripe.list_onramps", ONRAMPS, {"created[gte]": str(begin)})
        return [self._loaded(one, wire.load_onramp) for one in shown if _reference_of(one) == reference]

    def get_checkout(self, session_id: str) -> CheckoutSession:
        """One Checkout session. Raises: as `get_onramp`."""
        return self._one("stripe.get_checkout", CHECKOUTS, session_id, wire.load_checkout)

    def refunds_of(self, payment_intent: str) -> Sequence[Refund]:
        """Every refund of a payment, oldest first. Raises: as `find_onramps`."""
        return self._returned("stripe.list_refunds", "/v1/refunds", payment_intent, wire.load_refund)

    def disputes_of(self, payment_intent: str) -> Sequence[Dispute]:
        """Every dispute of a payment, oldest first. Raises: as `find_onramps`."""
        return self._returned("stripe.list_disputes", "/v1/disputes", payment_intent, wire.load_dispute)

    def intent_of(self, charge: str) -> str | None:
        """The payment that a charge belongs to; None: it was made without one. Raises: as `get_onramp`."""
        return self._one(
            "stripe.get_charge", "/v1/charges", charge, lambda shown: wire.maybe_ref(Fields(shown), "payment_intent")
        )

    def read_session(self, path: str, session_id: str, load: Callable[[Any], Loaded]) -> Loaded:
        """One session, of the onramp or of Checkout, made into something by `load`. Raises: as `get_onramp`."""
        return self._one("stripe.get_session", path, session_id, load)

    def page(self, operation: str, path: str, filters: dict[str, str], *, after: str | None) -> StripePage:
        """One page of a listing, newest first; `after` is the last id of the page before. Raises: as any read."""
        params = {**filters, "limit": str(PAGE)}
        if after is not None:
            params["starting_after"] = after
        return self._client.call(Request(operation=operation, method="GET", path=path, params=params), StripePage)

    def _one(self, operation: str, path: str, object_id: str, load: Callable[[Any], Loaded]) -> Loaded:
        self._check(object_id)

        def this(value: Any) -> Loaded:
            if _id_of(value) != object_id:
                raise WrongShape("id is another than was asked for")
            return load(value)

        return self._client.call(Request(operation=operation, method="GET", path=f"{path}/{object_id}"), this)

    def _returned(
        self, operation: str, path: str, payment_intent: str, load: Callable[[Any], Returned]
    ) -> Sequence[Returned]:
        """Refunds or disputes of one payment: those of another would be booked against it."""
        self._check(payment_intent)
        shown = self._walk(operation, path, {"payment_intent": payment_intent})
        found = [self._loaded(one, load) for one in shown]
        if any(one.payment_intent != payment_intent for one in found):
            raise UnexpectedAnswer("a listing of one payment shows another's", provider=self._client.provider)
        return found

    def _walk(self, operation: str, path: str, filters: dict[str, str]) -> list[Any]:
        """All of a listing, oldest first, each object once, though pages shift while objects are made."""
        found: dict[str, Any] = {}
        after: str | None = None
        while True:
            page = self.page(operation, path, filters, after=after)
            before = len(found)
            found |= {self._loaded(one, _id_of): one for one in page.items}
            if page.last is None:
                return list(reversed(found.values()))
            if len(found) == before:
                message = "stripe's listing shows the same page again: it would never end"
                raise UnexpectedAnswer(message, provider=self._client.provider)
            after = page.last

    def _loaded(self, value: Any, load: Callable[[Any], Loaded]) -> Loaded:
        try:
            return load(value)
        except WrongShape as error:
            message = f"an object in a listing has a shape we do not know: {error}"
            raise UnexpectedAnswer(message, provider=self._client.provider) from error

    def _check(self, text: str) -> None:
        """An id may come from an event's body: it must not lead to another path."""
        if not is_id(text):
            raise NotFound("no object can have such an id", provider=self._client.provider)


def _id_of(value: Any) -> str:
    return Fields(value).id("id")


def _reference_of(shown: Any) -> Any:
    """Our reference as it stands there, before anything else of the object is read: most of a listing is not ours."""
    metadata = shown.get("metadata")
    return metadata.get(wire.FLOW) if isinstance(metadata, dict) else None
