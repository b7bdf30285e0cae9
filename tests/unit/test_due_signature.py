"""Due's signature: the published vector, and every way of being wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from providers.due import signature
from providers.rotation import Secret, Windowed
from providers.webhook_keys import (
    KeyNotYetValid,
    KeyRetired,
    SignatureMalformed,
    SignatureMissing,
    SignatureRefused,
    SignatureWrong,
    load_secrets,
)
from tests.support.door import NOW, Signer

# The worked vector of Due's fact sheet.
VECTOR_DER = bytes.fromhex("302a300506032b6570032100539ed6e2dc07d9b7b1b085d79f5b4ac472755df3324909476f894ab0ecb51c79")
VECTOR_BODY = (
    b'{"id":"wh_evt_testvector0001","type":"transfer.status_changed","data":{"id":"tf_TestVector0001",'
    b'"ownerId":"acct_Test0001","status":"payment_processed","source":{"amount":"250.00","fee":"0.00",'
    b'"currency":"USDC","rail":"base","virtualAccountId":"va_Test0001"},"destination":{"amount":"249.25",'
    b'"fee":"0.75","currency":"USD","rail":"ach","id":"rcp_Test0001"},"fxRate":1,'
    b'"createdAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T00:05:00Z"},'
    b'"occurredAt":"2026-01-01T00:00:00Z","attemptedAt":"2026-01-01T00:00:01Z"}'
)
VECTOR_SIGNATURE = (
    "e8d5250453a824d6d5d49bed55a41f1052b74adc849d4e83fafc9d29a7db5384"
    "431c50cea19eaaaa3b74953843e2139866a2fb7698876243399ec8632f26b10e"
)
VECTOR_KEYS = signature.load_keys([Windowed(VECTOR_DER)])
BODY = b'{"id":"wh_evt_1"}'


def signed(text: str) -> Mapping[str, str]:
    return {"X-Webhook-Signature": text}


class TestVector:
    @pytest.mark.parametrize("text", [VECTOR_SIGNATURE, VECTOR_SIGNATURE.upper(), f" {VECTOR_SIGNATURE}\t"])
    def test_passes(self, text: str) -> None:
        assert signature.verify(VECTOR_BODY, signed(text), VECTOR_KEYS, NOW).fingerprint == VECTOR_KEYS[0].fingerprint

    def test_fails_for_another_body(self) -> None:
        with pytest.raises(SignatureWrong):
            signature.verify(VECTOR_BODY + b"\n", signed(VECTOR_SIGNATURE), VECTOR_KEYS, NOW)

    def test_the_legacy_vector_passes_and_fails_for_another_body(self) -> None:
        body = b'{"event":"deposit","virtualAccountId":"va_Test0001","amount":"250.00"}'
        headers = {"X-Due-Signature": "07b9446b5ec301b873d4db9e3c597cbd0872b840435a483e3cfbc8afbe94724b"}
        secrets = load_secrets(
            [
                Windowed(Secret("another")),
                Windowed(Secret("due-legacy-test-secret")),
            ]
        )

        assert signature.verify_legacy(body, headers, secrets, NOW).fingerprint == secrets[1].fingerprint
        with pytest.raises(SignatureWrong):
            signature.verify_legacy(body + b" ", headers, secrets, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        VECTOR_SIGNATURE[:-2],
        VECTOR_SIGNATURE + "00",
        VECTOR_SIGNATURE[:-1] + "g",
        VECTOR_SIGNATURE[:-2] + " 0",  # a lenient hex reader lets spaces through
        f"{VECTOR_SIGNATURE},{VECTOR_SIGNATURE}",  # two headers, as servers join them
        "\uff10" * 128,  # digits, but not ASCII
    ],
)
def test_a_signature_of_the_wrong_length_or_alphabet_is_malformed(text: str) -> None:
    with pytest.raises(SignatureMalformed):
        signature.verify(VECTOR_BODY, signed(text), VECTOR_KEYS, NOW)


def test_no_header_is_missing() -> None:
    with pytest.raises(SignatureMissing):
        signature.verify(VECTOR_BODY, {"X-Due-Signature": "00"}, VECTOR_KEYS, NOW)


class TestWindows:
    """Rotation: two keys overlap, and each counts in its window only."""

    OLD, NEW = Signer(1), Signer(2)
    CHANGE = datetime(2026, 3, 1, tzinfo=UTC)
    KEYS = signature.load_keys(
        [
            Windowed(NEW.der, CHANGE, None),
            Windowed(OLD.der, None, CHANGE + timedelta(days=1)),
        ]
    )

    def check(self, signer: Signer, at: datetime) -> int:
        """The position of the key that matched."""
        matched = signature.verify(BODY, signed(signer.sign(BODY)), self.KEYS, at)
        return [key.fingerprint for key in self.KEYS].index(matched.fingerprint)

    def test_both_count_while_they_overlap(self) -> None:
        assert self.check(self.NEW, self.CHANGE) == 0
        assert self.check(self.OLD, self.CHANGE) == 1

    def test_a_retired_key_is_refused_from_the_end_of_its_window(self) -> None:
        with pytest.raises(KeyRetired):
            self.check(self.OLD, self.CHANGE + timedelta(days=1))

    def test_a_key_is_refused_before_its_window(self) -> None:
        with pytest.raises(KeyNotYetValid):
            self.check(self.NEW, self.CHANGE - timedelta(seconds=1))

    def test_a_strangers_key_is_wrong(self) -> None:
        with pytest.raises(SignatureWrong):
            self.check(Signer(3), self.CHANGE)


def test_no_keys_means_no_signature_is_right() -> None:
    with pytest.raises(SignatureRefused):
        signature.verify(VECTOR_BODY, signed(VECTOR_SIGNATURE), (), NOW)


def test_a_key_of_another_kind_is_not_loaded() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - the one test of another kind
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - the same

    der = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ValueError, match="Ed25519"):
        signature.load_keys([Windowed(der.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))])
