"""The fact sheets' own vectors, and the values everything else is made of."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sandbox import amounts
from sandbox.due.signing import SigningKey
from sandbox.due.views import amount_text
from sandbox.ids import Ids, ulid, ulid_milliseconds
from sandbox.times import parse, rfc3339

SEED = "d4f8de5a42a935f9af2e6c6a147771f1ad37e5205941a676a4baeaec6a953d47"
BODY = (
    b'{"id":"wh_evt_testvector0001","type":"transfer.status_changed","data":{"id":"tf_TestVector0001","ownerId":'
    b'"acct_Test0001","status":"payment_processed","source":{"amount":"250.00","fee":"0.00","currency":"USDC","rail":'
    b'"base","virtualAccountId":"va_Test0001"},"destination":{"amount":"249.25","fee":"0.75","currency":"USD","rail":'
    b'"ach","id":"rcp_Test0001"},"fxRate":1,"createdAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T00:05:00Z"},'
    b'"occurredAt":"2026-01-01T00:00:00Z","attemptedAt":"2026-01-01T00:00:01Z"}'
)
SIGNATURE = (
    "e8d5250453a824d6d5d49bed55a41f1052b74adc849d4e83fafc9d29a7db5384"
    "431c50cea19eaaaa3b74953843e2139866a2fb7698876243399ec8632f26b10e"
)


class TestSigningKey:
    def test_signs_the_worked_vector(self) -> None:
        key = SigningKey(bytes.fromhex(SEED))

        assert key.sign(BODY) == SIGNATURE
        assert key.der_base64 == "MCowBQYDK2VwAyEAU57W4twH2bexsIXXn1tKxHJ1XfMySQlHb4lKsOy1HHk="
        assert key.der_base64 in key.pem

    def test_draws_the_same_key_from_the_same_seed(self) -> None:
        first, again, other = (SigningKey.draw(Ids(seed).stream("due_key")) for seed in (3, 3, 4))

        assert first == again != other
        raw = base64.b64decode(first.der_base64)[-32:]
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(first.sign(b"x")), b"x")

    def test_the_legacy_vector_is_a_plain_hmac(self) -> None:
        body = b'{"event":"deposit","virtualAccountId":"va_Test0001","amount":"250.00"}'
        digest = hmac.new(b"due-legacy-test-secret", body, hashlib.sha256).hexdigest()
        assert digest == "07b9446b5ec301b873d4db9e3c597cbd0872b840435a483e3cfbc8afbe94724b"


class TestUlid:
    def test_reads_the_worked_cursor(self) -> None:
        assert ulid_milliseconds("01KJWPYRZR1FZ96QKGRCGWFJHT") == 1_772_637_611_000

    def test_writes_the_worked_cursor_without_randomness(self) -> None:
        assert ulid(datetime(2026, 3, 4, 15, 15, 11, tzinfo=UTC)) == "01KJWPNM0R0000000000000000"

    @pytest.mark.parametrize("text", ["", "01KJWPYRZR", "!" * 26])
    def test_refuses_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"ULID|substring"):
            ulid_milliseconds(text)


class TestTimes:
    def test_writes_nine_digits_and_reads_them_back(self) -> None:
        moment = datetime(2026, 1, 1, 10, 30, 0, 123_456, tzinfo=UTC)
        text = rfc3339(moment)

        assert text.startswith("2026-01-01T10:30:00.123456")
        assert len(text) == len("2026-01-01T10:30:00.123456205Z")
        assert rfc3339(moment) == text
        assert parse(text) == moment

    def test_leaves_off_what_is_zero(self) -> None:
        assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"

    @pytest.mark.parametrize(
        ("text", "hour"), [("2026-01-01", 0), ("2026-01-01T10:00:00+02:00", 8), ("2026-01-01T10:00:00-0100", None)]
    )
    def test_reads_offsets(self, text: str, hour: int | None) -> None:
        if hour is None:
            with pytest.raises(ValueError, match="not a date"):
                parse(text)
        else:
            assert parse(text) == datetime(2026, 1, 1, hour, tzinfo=UTC)


class TestAmounts:
    @pytest.mark.parametrize(("style", "text"), [("plain", "250.00"), ("trimmed", "250"), ("six", "250.000000")])
    def test_writes_one_value_in_each_precision(self, style: str, text: str) -> None:
        assert amount_text(Decimal("250.0"), style) == text

    @pytest.mark.parametrize("style", ["plain", "trimmed", "six"])
    def test_never_loses_a_digit(self, style: str) -> None:
        assert Decimal(amount_text(Decimal("1177.171875"), style)) == Decimal("1177.171875")

    @pytest.mark.parametrize("given", ["", "x", "NaN", "Infinity", "-1", "1e99", True, None, [], "1e400000"])
    def test_refuses_what_is_no_amount(self, given: Any) -> None:
        with pytest.raises(ValueError, match="not an amount"):
            amounts.parse(given)

    def test_cuts_and_never_rounds_up(self) -> None:
        assert amounts.floor(Decimal("1.999999"), "USD") == Decimal("1.99")
