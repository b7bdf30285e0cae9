"""What a call to a provider can come to, named for what to do next."""

from datetime import timedelta
from typing import Final

_OF_THE_KEY: Final = frozenset({400, 422})  # statuses of a refusal that leaves an earlier call's outcome open


class RampkeeperError(Exception):
    """Every error of ours."""


class ProviderError(RampkeeperError):
    """A call to a provider that gave no usable answer.

    `provider` is its name, `request_id` the provider's own id of the call if it
    sent one, `status` the HTTP status if there was an answer. The message never
    holds a body, a secret or personal data: it is shown to people and logged.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        request_id: str | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.request_id = request_id
        self.status = status
        self.code = code


class ProviderUnavailable(ProviderError):
    """Nothing was sent, or a read got no answer: ask again with backoff. Costs no try.

    `retry_after` is how long to wait at least, if that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        request_id: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, provider=provider, request_id=request_id, status=status, code=code)
        self.retry_after = retry_after


class NotAsked(ProviderUnavailable):
    """The call never left us, because of another one that failed or is still waited for: it says nothing new."""


class ProviderThrottled(ProviderUnavailable):
    """The provider (429) or our own gate asked us to slow down. Nothing happened; wait `retry_after`. Costs no try."""


class OutcomeUnknown(ProviderError):
    """A call that creates got no clear answer: the effect may exist. Costs a try; the next one asks first.

    Timeout after sending, connection reset, 408, 409 "in use", every 5xx, and a 400 or 422 that refuses the
    idempotency key. `answered` says that the key may hold that very answer, so that asking again gets it again.
    """

    @property
    def answered(self) -> bool:
        """Whether the provider sent an answer that its idempotency key may hold."""
        return self.status is not None and (self.status >= 500 or self.status in _OF_THE_KEY)  # noqa: PLR2004 -- the server-error class of HTTP


class ProviderRejected(ProviderError):
    """The provider refused this very request (any other 4xx): final for it; nothing happened."""


class NotFound(ProviderRejected):
    """The provider knows no such object (404)."""


class Misconfigured(ProviderError):
    """The provider refused us, not the request (401, or 403 of our own key): stop asking and tell people."""


class UnexpectedAnswer(ProviderError):
    """A reading that does not have the documented shape. Nothing was learned: ask again with backoff. Costs no try."""


class NeedsPerson(RampkeeperError):
    """A step met what no rule of ours may decide: park the flow and say what to do.

    `blame` is who must act first: "us", "provider" or "customer". `break_type` opens a break of that kind.
    """

    def __init__(
        self,
        message: str,
        *,
        blame: str = "us",
        break_type: str | None = None,
        ours: str | None = None,
        theirs: str | None = None,
        suggested_action: str | None = None,
    ) -> None:
        super().__init__(message)
        self.blame = blame
        self.break_type = break_type
        self.ours = ours
        self.theirs = theirs
        self.suggested_action = suggested_action


class WouldCreate(RampkeeperError):
    """A parked flow only listens: its step came to a call that creates something."""


class StaleClaim(RampkeeperError):
    """Someone else holds this flow now, or our claim is too old to act on: drop the result."""
