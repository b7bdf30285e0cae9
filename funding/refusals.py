"""Why an operation that a customer or an operator asked for does not happen: one class each, with what to say.

`code` is for programs and never changes; `text` is for the customer and says nothing of providers, their ids or their
messages.
"""

from datetime import timedelta
from typing import ClassVar, Final

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderThrottled,
    RampkeeperError,
)

NEEDED_LEVEL: Final = 2  # the level from which a customer may move money by bank


class Refusal(RampkeeperError):
    """An operation that is not begun, or that came to nothing. `text` may be shown to the customer as it is.

    `detail` is for our own people: which account, which level. It goes into no message to the customer.
    """

    code: ClassVar[str] = "refused"
    words: ClassVar[str] = "This cannot be done."

    def __init__(self, text: str | None = None, *, detail: str | None = None) -> None:
        self.text = text or self.words
        self.detail = detail
        super().__init__(self.text)


class ProviderDisabled(Refusal):
    """New operations of this kind are switched off. What is under way goes on."""

    code = "disabled"
    words = "This service is switched off at the moment. Whatever is already under way goes on."


class LevelTooLow(Refusal):
    """The customer's level does not allow this."""

    code = "level_too_low"
    words = f"This needs a customer of level {NEEDED_LEVEL} or higher."


class KycPending(Refusal):
    """The customer's identity is not confirmed yet: they are to finish the form, or to wait."""

    code = "kyc_pending"
    words = "The identity check is not finished yet. Please complete the form, or wait for its result."


class KycRejected(Refusal):
    """The customer's identity was not accepted; a later approval is possible."""

    code = "kyc_rejected"
    words = "The identity check was not passed, so this cannot be done."


class CustomerSuspended(Refusal):
    """The customer was approved once and may do nothing at present."""

    code = "customer_suspended"
    words = "This account is suspended at the moment, so nothing new can be started."


class CustomerMissing(Refusal):
    """We know no such customer, or nothing ties them to where this would happen."""

    code = "customer_missing"
    words = "There is no such customer here, or the customer has not begun the identity check."


class InsufficientFunds(Refusal):
    """The balance, less what is held, does not cover it. Nothing was sent anywhere."""

    code = "insufficient_funds"
    words = "The available balance is too low for this."


class WithdrawalInProgress(Refusal):
    """One withdrawal at a time for a customer."""

    code = "withdrawal_in_progress"
    words = "Another withdrawal is under way. A new one can be started once it is finished."


class RateLimited(Refusal):
    """Asked too often. `retry_after` is how long to wait at least, where that is known."""

    code = "rate_limited"
    words = "Too many requests at the moment. Please try again in a little while."

    def __init__(
        self, text: str | None = None, *, detail: str | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(text, detail=detail)
        self.retry_after = retry_after


class TimedOut(Refusal):
    """No clear answer came in time. What was begun goes on by itself; asked again it is found, not made twice."""

    code = "timed_out"
    words = "No answer came in time. It goes on by itself; asking again later shows the result."


class BadSignature(Refusal):
    """A message that is not proved to come from whom it claims."""

    code = "bad_signature"
    words = "The message could not be verified and was not used."


class ApiError(Refusal):
    """Any other failure on the far side."""

    code = "api_error"
    words = "The service could not do this. Our team can see why."


def refusal_of(error: ProviderError) -> Refusal:
    """The refusal that a failed call comes to when nothing more is to be tried for whoever waits.

    `detail` names the provider and its request id, for our own people.
    """
    detail = f"{error.provider}: {type(error).__name__}" + (f", request {error.request_id}" if error.request_id else "")
    if isinstance(error, ProviderThrottled):
        return RateLimited(detail=detail, retry_after=error.retry_after)
    if isinstance(error, OutcomeUnknown) or (error.status is None and not isinstance(error, Misconfigured)):
        return TimedOut(detail=detail)
    if error.code == "insufficient_balance":
        return InsufficientFunds(detail=detail)
    return CustomerMissing(detail=detail) if isinstance(error, NotFound) else ApiError(detail=detail)
