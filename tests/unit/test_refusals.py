"""Refusals: what a program and a customer are told when an operation does not happen."""

from datetime import timedelta

import pytest

from funding import refusals
from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    UnexpectedAnswer,
)
from funding.refusals import Refusal, refusal_of

PROVIDERS_WORDS = ("bridge", "ibex", "stripe", "due", "alpaca", "plaid", "api", "http", "webhook", "endorsement")
CODES = {
    "ProviderDisabled": "disabled",
    "LevelTooLow": "level_too_low",
    "KycPending": "kyc_pending",
    "KycRejected": "kyc_rejected",
    "CustomerSuspended": "customer_suspended",
    "CustomerMissing": "customer_missing",
    "InsufficientFunds": "insufficient_funds",
    "WithdrawalInProgress": "withdrawal_in_progress",
    "RateLimited": "rate_limited",
    "TimedOut": "timed_out",
    "BadSignature": "bad_signature",
    "ApiError": "api_error",
}


def test_each_refusal_has_the_code_that_programs_know_it_by() -> None:
    """A code that changes breaks whoever reads it, without an error anywhere."""
    assert {kind.__name__: kind.code for kind in Refusal.__subclasses__()} == CODES


@pytest.mark.parametrize("name", CODES)
def test_a_refusal_speaks_to_a_customer(name: str) -> None:
    """The customer has never heard of our providers."""
    refusal: Refusal = getattr(refusals, name)(detail="bridge: cust_1")

    words = refusal.text.lower().replace(".", " ").replace(",", " ").split()

    assert refusal.text == str(refusal)
    assert refusal.text.endswith(".")
    assert not set(PROVIDERS_WORDS) & set(words)


def test_no_two_refusals_say_the_same() -> None:
    """Two causes in the same words cannot be told apart by the one who must act."""
    texts = [kind.words for kind in Refusal.__subclasses__()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            ProviderThrottled("slow down", provider="bridge", status=429, retry_after=timedelta(seconds=7)),
            "rate_limited",
        ),
        (ProviderUnavailable("refused", provider="bridge"), "timed_out"),
        (OutcomeUnknown("a reset", provider="bridge", status=502), "timed_out"),
        (ProviderUnavailable("503", provider="bridge", status=503), "api_error"),
        (NotFound("no such customer", provider="bridge", status=404), "customer_missing"),
        (ProviderRejected("no", provider="ibex", status=400, code="insufficient_balance"), "insufficient_funds"),
        (ProviderRejected("no", provider="ibex", status=400), "api_error"),
        (Misconfigured("no key", provider="ibex"), "api_error"),
        (UnexpectedAnswer("no status", provider="ibex", status=200), "api_error"),
    ],
)
def test_a_failed_call_becomes_one_of_them(error: ProviderError, code: str) -> None:
    """Whoever waits at a terminal or a page gets a plain answer, and our people the request's id."""
    refusal = refusal_of(error)

    assert refusal.code == code
    assert error.provider in (refusal.detail or "")
    assert error.provider not in refusal.text.lower()


def test_a_refusal_for_haste_says_how_long_to_wait() -> None:
    """Whoever asks again at once makes it worse."""
    throttled = ProviderThrottled("slow down", provider="bridge", retry_after=timedelta(seconds=7))
    refusal = refusal_of(throttled)
    assert isinstance(refusal, refusals.RateLimited)
    assert refusal.retry_after == timedelta(seconds=7)
