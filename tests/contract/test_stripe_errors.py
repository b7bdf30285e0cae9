"""What each of Stripe's errors comes to, for a call that creates and for one that reads."""

import json
import socket
import threading
from datetime import timedelta
from uuid import UUID

import pytest

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
from providers.stripe.adapter import StripeAdapter, classify
from tests.support.clients import a_client
from tests.support.odd_server import OddServer, always, answer, read_request

KEY = UUID(int=7)
REFUSALS = (
    *("unsupported_country", "unsupportable_customer", "invalid_source_amount", "invalid_destination_amount"),
    *("missing_source_currency", "missing_destination_currency", "conflicting_destination_currency"),
    *("incomplete_destination_currency_and_network_pair", "invalid_destination_currency_and_network_pair"),
    *("conflicting_destination_network", "wallet_addresses_not_all_networks_supported", "no_wallet_address_to_lock"),
    *("merchant_not_properly_setup", "invalid_source_destination_pair"),
)


def a_refusal(
    status: int, code: str | None = None, *, kind: str = "invalid_request_error", headers: dict[str, str] | None = None
) -> bytes:
    members = {"type": kind, "code": code, "message": "It did not work.", "request_log_url": "https://x.example"}
    body = {"error": {name: value for name, value in members.items() if value is not None}}
    return answer(f"{status} X", json.dumps(body).encode(), {"Request-Id": "req_1", **(headers or {})})


def adapter(server: OddServer) -> StripeAdapter:
    return StripeAdapter(a_client(server.url, provider="stripe", classify=classify))


def creating(reply: bytes) -> ProviderError:
    with OddServer(always(reply)) as server, pytest.raises(ProviderError) as caught:
        adapter(server).create_onramp("a=b", key=KEY)
    return caught.value


def reading(reply: bytes) -> ProviderError:
    with OddServer(always(reply)) as server, pytest.raises(ProviderError) as caught:
        adapter(server).get_onramp("cos_1")
    return caught.value


@pytest.mark.parametrize(
    ("reply", "create", "read"),
    [
        (a_refusal(400), ProviderRejected, ProviderRejected),
        (a_refusal(400, kind="idempotency_error"), ProviderRejected, ProviderRejected),
        (a_refusal(401), Misconfigured, Misconfigured),
        (a_refusal(402, "card_declined", kind="card_error"), ProviderRejected, ProviderRejected),
        (a_refusal(403), Misconfigured, Misconfigured),
        (a_refusal(404, "resource_missing"), NotFound, NotFound),
        (a_refusal(409, "idempotency_key_in_use"), OutcomeUnknown, ProviderUnavailable),
        (a_refusal(409), OutcomeUnknown, ProviderUnavailable),
        (a_refusal(409, "lock_timeout"), ProviderThrottled, ProviderThrottled),
        (a_refusal(429, "lock_timeout"), ProviderThrottled, ProviderThrottled),
        (a_refusal(429, "rate_limit"), ProviderThrottled, ProviderThrottled),
        (a_refusal(500, kind="api_error"), OutcomeUnknown, ProviderUnavailable),
        (a_refusal(502), OutcomeUnknown, ProviderUnavailable),
        (a_refusal(503), OutcomeUnknown, ProviderUnavailable),
        (a_refusal(400, "crypto_onramp_disabled", kind="api_error"), ProviderUnavailable, ProviderUnavailable),
    ],
)
def test_each_status_is_named_for_what_to_do_next(
    reply: bytes, create: type[ProviderError], read: type[ProviderError]
) -> None:
    assert type(creating(reply)) is create
    assert type(reading(reply)) is read


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_of_the_onramp_is_final_and_says_why(code: str) -> None:
    error = creating(a_refusal(400, f"crypto_onramp_{code}"))
    assert type(error) is ProviderRejected
    assert (error.code, error.status, error.request_id) == (f"crypto_onramp_{code}", 400, "req_1")
    assert "It did not work." in str(error)


def test_a_key_used_for_another_body_is_told_apart_from_all_other_refusals() -> None:
    """Stripe gives no code for it, only a type; and something was made under that key."""
    assert creating(a_refusal(400, kind="idempotency_error")).code == "idempotency_error"


class TestStripeShouldRetry:
    """Stripe's own word on whether the same may be sent again."""

    @pytest.mark.parametrize("status", [400, 402, 404, 409, 500])
    def test_true_leaves_nothing_final(self, status: int) -> None:
        reply = a_refusal(status, headers={"Stripe-Should-Retry": "true"})
        assert type(creating(reply)) is OutcomeUnknown
        assert type(reading(reply)) is ProviderUnavailable

    @pytest.mark.parametrize("said", ["true", "false"])
    def test_changes_nothing_of_a_limit_or_of_our_own_key(self, said: str) -> None:
        headers = {"Stripe-Should-Retry": said}
        assert type(creating(a_refusal(429, headers=headers))) is ProviderThrottled
        assert type(creating(a_refusal(401, headers=headers))) is Misconfigured

    @pytest.mark.parametrize("status", [409, 500, 503])
    def test_false_never_makes_an_effect_impossible(self, status: int) -> None:
        assert type(creating(a_refusal(status, headers={"Stripe-Should-Retry": "false"}))) is OutcomeUnknown


def test_a_limit_is_waited_for_as_long_as_stripe_says() -> None:
    error = creating(a_refusal(429, headers={"Retry-After": "3"}))
    assert isinstance(error, ProviderThrottled)
    assert error.retry_after == timedelta(seconds=3)


def test_a_create_is_sent_as_the_very_text_that_was_kept() -> None:
    """Another byte under the same key is refused, and JSON is not what Stripe reads."""
    seen: list[bytes] = []
    request = "destination_currency=usdc&metadata[flow]=a%26b"

    def answering(connection: socket.socket, stopping: threading.Event) -> None:
        seen.append(read_request(connection))
        connection.sendall(answer(body=b'{"id":"cos_1","status":"initialized","created":1767225000}'))

    with OddServer(answering) as server:
        assert adapter(server).create_onramp(request, key=KEY).id == "cos_1"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert body == request.encode()
    assert lines[0] == b"post /v1/crypto/onramp_sessions http/1.1"
    assert b"content-type: application/x-www-form-urlencoded" in lines
    assert b"idempotency-key: " + str(KEY).encode() in lines
    assert b"authorization: bearer key-one" in lines


class TestAnOddAnswer:
    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id":"cos_1"}', b'{"id":5,"status":"x"}'])
    def test_to_a_create_leaves_it_unknown_and_to_a_read_teaches_nothing(self, body: bytes) -> None:
        assert type(creating(answer(body=body))) is OutcomeUnknown
        assert type(reading(answer(body=body))) is UnexpectedAnswer

    def test_about_another_session_is_not_believed(self) -> None:
        body = b'{"id":"cos_2","status":"initialized","created":1767225000}'
        assert type(reading(answer(body=body))) is UnexpectedAnswer

    @pytest.mark.parametrize(
        "page",
        [
            {"data": [{"id": "re_1"}], "has_more": True},
            {"data": [], "has_more": True},
            {"data": []},
            {"data": [{"id": "re_1"}], "has_more": False},
            {"data": ["re_1"], "has_more": False},
            {"data": [{"amount": 5, "currency": "usd", "status": "succeeded"}], "has_more": False},
            [],
        ],
    )
    def test_to_a_listing_is_not_taken_for_the_whole_of_it(self, page: object) -> None:
        """Without end, cut, or with an object in it that cannot be read."""
        with OddServer(always(answer(body=json.dumps(page).encode()))) as server, pytest.raises(UnexpectedAnswer):
            adapter(server).refunds_of("pi_1")

    @pytest.mark.parametrize("intent", ["pi_2", None])
    def test_about_another_payment_is_not_booked_against_ours(self, intent: str | None) -> None:
        refund = {"id": "re_1", "payment_intent": intent, "amount": 5, "currency": "usd", "status": "succeeded"}
        page = json.dumps({"data": [refund], "has_more": False}).encode()
        with OddServer(always(answer(body=page))) as server, pytest.raises(UnexpectedAnswer, match="another's"):
            adapter(server).refunds_of("pi_1")
