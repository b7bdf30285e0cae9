"""Stripe's signature: the vector of its fact sheet, and every way of being wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from providers.rotation import Secret, Windowed
from providers.stripe import signature
from providers.webhook_keys import (
    KeyNotYetValid,
    SignatureMalformed,
    SignatureMissing,
    SignatureWrong,
    StaleTimestamp,
    load_secrets,
)

BODY = (
    b'{"id":"evt_1QfTestDeposit0001","object":"event","type":"crypto.onramp_session.updated","created":1767225599,'
    b'"livemode":false,"data":{"object":{"id":"cos_1QfTest0001","object":"crypto.onramp_session",'
    b'"status":"fulfillment_complete"}}}'
)
SIGNATURE = "56a07b8b3148147d8d4d95deefea5238d210df259a38882a1931976e9ddbf11b"
OLD_SIGNATURE = "671f536c4b4de06bd6552b309e3ce01d4c27d2e8f0413ddcbb9c621a8b665cca"
AT = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = f"t=1767225600,v1={SIGNATURE}"
ROTATION = f"t=1767225600,v1={OLD_SIGNATURE},v1={SIGNATURE},v0={'0' * 64}"
SECRETS = load_secrets([Windowed(Secret("whsec_test_4b1d8f0c2e7a"))])
OLD_SECRETS = load_secrets([Windowed(Secret("whsec_test_old_91aa"))])


def signed(text: str = PLAIN) -> dict[str, str]:
    return {"Stripe-Signature": text}


class TestVector:
    @pytest.mark.parametrize("text", [PLAIN, ROTATION, f"v1={SIGNATURE}, t=1767225600,v9=x"])
    def test_passes(self, text: str) -> None:
        assert signature.verify(BODY, signed(text), SECRETS, AT).fingerprint == SECRETS[0].fingerprint

    def test_of_a_rotation_passes_by_the_old_secret_alone(self) -> None:
        assert signature.verify(BODY, signed(ROTATION), OLD_SECRETS, AT).fingerprint == OLD_SECRETS[0].fingerprint

    @pytest.mark.parametrize("place", [0, 1, 117, len(BODY)])
    def test_fails_with_one_space_more(self, place: int) -> None:
        with pytest.raises(SignatureWrong):
            signature.verify(BODY[:place] + b" " + BODY[place:], signed(), SECRETS, AT)

    def test_fails_by_another_providers_secret(self) -> None:
        other = load_secrets([Windowed(Secret("whsec_another"))])
        with pytest.raises(SignatureWrong):
            signature.verify(BODY, signed(), other, AT)


class TestTime:
    @pytest.mark.parametrize("away", [300, -300])
    def test_within_five_minutes_passes(self, away: int) -> None:
        signature.verify(BODY, signed(), SECRETS, AT + timedelta(seconds=away))

    @pytest.mark.parametrize("away", [301, -301])
    def test_further_away_is_stale(self, away: int) -> None:
        with pytest.raises(StaleTimestamp):
            signature.verify(BODY, signed(), SECRETS, AT + timedelta(seconds=away))


class TestHeader:
    def test_missing(self) -> None:
        with pytest.raises(SignatureMissing):
            signature.verify(BODY, {}, SECRETS, AT)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "t=1767225600", f"v1={SIGNATURE}", f"t=,v1={SIGNATURE}", f"t=now,v1={SIGNATURE}", "t=1767225600,v1="),
            f"t=1767225600,v0={SIGNATURE}",  # only v1 proves anything
            f"t=1767225600,v1={SIGNATURE.upper()}",
            f"t=1767225600,t=1767225601,v1={SIGNATURE}",
            f"t=999999999999,v1={SIGNATURE}",
            "t=1767225600" + f",v1={SIGNATURE}" * 17,
        ],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(SignatureMalformed):
            signature.verify(BODY, signed(text), SECRETS, AT)


def test_a_secret_whose_window_has_not_begun_is_said_to_be_so() -> None:
    begins = AT + timedelta(minutes=1)
    early = load_secrets([Windowed(Secret("whsec_test_4b1d8f0c2e7a"), not_before=begins)])
    with pytest.raises(KeyNotYetValid):
        signature.verify(BODY, signed(), early, AT)
    signature.verify(BODY, signed(), early, begins)
