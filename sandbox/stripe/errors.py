"""Stripe's one shape of an error."""

from __future__ import annotations

from typing import Any


class StripeError(ValueError):
    """`{"error": {...}}`, members that are null left out.

    `kept` says that the endpoint had begun to run, so that the answer belongs to the idempotency key from now on.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's own word
        code: str | None = None,
        param: str | None = None,
        kept: bool = False,
    ) -> None:
        super().__init__(message)
        members = {"type": type, "code": code, "message": message, "param": param}
        self.status = status
        self.kept = kept
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {"error": {name: value for name, value in members.items() if value is not None}}

    def logged_as(self, request_id: str) -> dict[str, Any]:
        """The body with a link to the request's log."""
        return {"error": {**self.body["error"], "request_log_url": f"https://dashboard.stripe.example/{request_id}"}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """400: a request that never began to run."""
    return StripeError(400, message, code=code, param=param)


def required(param: str) -> StripeError:
    """400 parameter_missing."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown(param: str, hint: str = "") -> StripeError:
    """400 parameter_unknown."""
    return invalid(f"Received unknown parameter: {param}{hint}", param, "parameter_unknown")


def missing(what: str, record_id: str, param: str = "id", status: int = 404) -> StripeError:
    """404 resource_missing; a live object asked for with a test key looks the same."""
    return StripeError(status, f"No such {what}: '{record_id}'", code="resource_missing", param=param)


def onramp(code: str, message: str, param: str | None = None, **more: Any) -> StripeError:
    """400 with one of the onramp's own codes, given without its prefix."""
    return StripeError(400, message, code=f"crypto_onramp_{code}", param=param, **more)
