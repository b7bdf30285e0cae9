"""Bridge's signature: the vectors of its fact sheet, and every way of being wrong."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from providers.bridge import signature
from providers.rotation import Windowed
from providers.webhook_keys import (
    KeyRetired,
    SignatureMalformed,
    SignatureMissing,
    SignatureRefused,
    SignatureWrong,
    StaleTimestamp,
)

# Published by Bridge.
PUBLISHED_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtqsEE4eI7EmzhcquGJXtLX9PMK0UH6Kl1WIR21sv8HtueG8BuvvpP3Mi"
    "N7ltzmIhS8KaynCjN4l+620PnXeuxWG+CSnEdkinL9hCqbEid5vv9zl0j9LWiJx3FkKHqADU7cgm46aa8dKUdIQYF2X+O7WmyLkC"
    "4wUM/mWhBPMsIQBznashRMZxx7XJjsVp27ACUE4eNIjEXbVYN6U8jSbUhG++CfL8xXu+GHDqKmFE6Po6HnuURvLFVnCtE3mXXBcV"
    "FlPy+octfx8nOMLT3X8O9UehIigJ34o2yMm/Fq3HUJzg2BsiAiGgtr0vmeoV9Q7upSNj9TuOumAzZFi4pYA+qwIDAQAB"
)
PUBLISHED_SIGNATURE = (
    "jz/0dmHJ63FAzacGutrDTEoq+iSz/PHm/ugdooXDQu5NwuVIT2LmZGjsnCsBHgR9Py6OBP9zurzW4dHgygU4EDqmMPTUOvhvndYb"
    "4lWt+TY66LihaFI2whL6DAf/jb1QjYjNU0A6x9SLzC45dgE6X7zTDUM+2Z+scG/WEQf6SxQMt4E2sEipl5PqMK5lYUe3otdJV+X2"
    "c9D64bGwCEE7QSia+Vhozg8QNOQEk/rdz2IEONIg6oC43CeiN4E2kF9XLAGuy9uAHx9O9OJH5ZPLJZjyo4VcXYeWQgxaQ1gZ1Qu6"
    "hEEzgiPSff/1nou58dm4bIIazgCWli/mO0NyGcpfFw=="
)
PUBLISHED_BODY = b'{"message":"Hello World!"}'
PUBLISHED_AT = datetime(2024, 1, 21, 16, 26, 51, 204000, UTC)
# Made with a throwaway key; the last is what a single digest of the same would be signed as.
KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0lRjWbi1cV0kfjjuwC1zYm1rkaob02/IO+U+v6e3taYqcpc9Wk5djzqh"
    "uWaWG5QjplE8XD6Yvr2ZrPzfdN8oHJo9dGeq38oX9mezMZOJy4a7bnPsKlcUYZynAjSmafYtfh1a/oN++eO9ADD6tLLLNj1pQot+"
    "98X6wlNIDfZU8bElxjb07vbkdKjb1W7CwuBgAKloqIOIm38aQpshT7zf79I7OzE8eCZ8rzdU5ESleveTybS0v3RsVDXSGX6qY8/y"
    "67P9F7PFd7poEbRlc2Fzu238pqQRxZqHzg2urENmr3HW7advApjyEy+/hRv+pXpvk5kLfO49fGVeWOT9ouMBuQIDAQAB"
)
BODY = (
    b'{"api_version":"v0","event_id":"wh_testvector0001","event_category":"transfer","event_type":"transfe'
    b'r.updated.status_transitioned","event_object_id":"3f0c9c1e-6f0a-4f5e-9a51-0f4f6c1b7a10","event_objec'
    b't_status":"payment_processed","event_object":{"id":"3f0c9c1e-6f0a-4f5e-9a51-0f4f6c1b7a10","state":"p'
    b'ayment_processed","amount":"250.00"},"event_object_changes":{"state":["payment_submitted","payment_p'
    b'rocessed"]},"event_created_at":"2026-01-01T00:00:00.000Z"}'
)
SIGNATURE = (
    "NQEmi63urX0X2u65ah2pJJm9Cv/syRol03IKOkgUZ+DtZGBa5ijlkvWT8R2K4UOK1Eg4oWnNnK+qQtFx40idFTj5eTUG03scF5Dj"
    "4c9OL6oJVWCL/UEvc/w0wdmz21EgqTS1h0wViyM/zgXHwaxPdRaVKpUb2Zory5eSSlUamQqQrtrOrXY8ELOao+423/f5TKgBKW2f"
    "HmHkIwCniGI9B6OEmf2l//iURGVasJDv6DjXk3kp4NIj18Ws4ntTO5Dimog5Iw6VjZbmdCQK4m8DZjhWxsw/nAaDdD4kCRuEmAaE"
    "580Ux6Mvr9wxDx6R+o6BgamCmbZpME3bLIdWInvMSg=="
)
SINGLE_DIGEST = (
    "gy+Y/9fXoSY071t1EF+iXFqAAKbNqR440H1oKhTE8JgcSvFcsQOUmSJv3Ep6uJX0gTpHvjl5mukqV0BiIsAGancPc1KLfIVryvee"
    "eH3WsAvjUIVa+ZOi85KBLy2InpaJQnfMhYqdD+dCpXtvuowj/b2ykZnCzs5CCH5hZwmk6+RT/3gM7wKAvYD4kFPqIxGJ+nTrYx45"
    "SwtxwrqdtvII0cHA/mIJbCbnv+NGNlenYV9vJIJoUQvtNAV83lZwOM6q7UnTzgXZIMFgGmbfIHQQRsqxIpyIiTb3CruaQkZvmu9p"
    "+QY4vfVjH+o2ygKQGEeNm4rz8VGI0gq/Y2iGqxh7Jw=="
)
AT = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECONDS = "1767225600000"
KEYS = signature.load_keys([Windowed(base64.b64decode(KEY))])


def signed(text: str = SIGNATURE, at: str = MILLISECONDS) -> dict[str, str]:
    return {"X-Webhook-Signature": f"t={at},v0={text}"}


class TestVectors:
    def test_of_bridge_passes(self) -> None:
        keys = signature.load_keys([Windowed(base64.b64decode(PUBLISHED_KEY))])
        headers = signed(PUBLISHED_SIGNATURE, "1705854411204")
        assert signature.verify(PUBLISHED_BODY, headers, keys, PUBLISHED_AT).fingerprint == keys[0].fingerprint

    def test_of_our_own_passes_and_fails_for_another_body(self) -> None:
        assert signature.verify(BODY, signed(), KEYS, AT).fingerprint == KEYS[0].fingerprint
        with pytest.raises(SignatureWrong):
            signature.verify(BODY + b"\n", signed(), KEYS, AT)

    def test_of_a_single_digest_fails(self) -> None:
        with pytest.raises(SignatureWrong):
            signature.verify(BODY, signed(SINGLE_DIGEST), KEYS, AT)


class TestTime:
    @pytest.mark.parametrize("away", [timedelta(minutes=10), timedelta(minutes=-10)])
    def test_within_ten_minutes_passes(self, away: timedelta) -> None:
        signature.verify(BODY, signed(), KEYS, AT + away)

    @pytest.mark.parametrize("away", [timedelta(minutes=10, seconds=1), timedelta(minutes=-10, seconds=-1)])
    def test_further_away_is_stale(self, away: timedelta) -> None:
        with pytest.raises(StaleTimestamp):
            signature.verify(BODY, signed(), KEYS, AT + away)

    def test_a_tolerance_may_be_chosen(self) -> None:
        with pytest.raises(StaleTimestamp):
            signature.verify(BODY, signed(), KEYS, AT + timedelta(minutes=6), tolerance=timedelta(minutes=5))

    def test_is_signed_too(self) -> None:
        with pytest.raises(SignatureWrong):
            signature.verify(BODY, signed(at="1767225600001"), KEYS, AT)

    def test_of_a_wrong_signature_is_not_looked_at(self) -> None:
        """Whoever cannot sign learns nothing about our clock."""
        with pytest.raises(SignatureWrong):
            signature.verify(BODY, signed(at="1"), KEYS, AT)


class TestHeader:
    def test_missing(self) -> None:
        with pytest.raises(SignatureMissing):
            signature.verify(BODY, {}, KEYS, AT)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "t=1767225600000", f"v0={SIGNATURE}", f"v0={SIGNATURE},t=1767225600000", f"t=,v0={SIGNATURE}"),
            *(
                f"t=-1,v0={SIGNATURE}",
                f"t=1767225600000,v1={SIGNATURE}",
                "t=1767225600000,v0=",
                "t=1,v0=====",
                "t=1,v0=A",
            ),
            f"t=1767225600000,v0={SIGNATURE},v0={SIGNATURE}",
        ],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(SignatureMalformed):
            signature.verify(BODY, {"X-Webhook-Signature": text}, KEYS, AT)

    def test_a_time_beyond_the_calendar_is_refused_like_any_other(self) -> None:
        with pytest.raises(SignatureRefused):
            signature.verify(BODY, signed(at="9999999999999999"), KEYS, AT)


class TestKeys:
    def test_the_second_of_a_rotation_passes_until_its_window_ends(self) -> None:
        ends = AT + timedelta(hours=1)
        entries = [
            Windowed(base64.b64decode(PUBLISHED_KEY)),
            Windowed(base64.b64decode(KEY), not_after=ends),
        ]
        keys = signature.load_keys(entries)
        assert signature.verify(BODY, signed(), keys, AT).fingerprint == keys[1].fingerprint
        with pytest.raises(KeyRetired):
            signature.verify(BODY, signed(), keys, ends)

    def test_another_kind_of_key_is_refused(self) -> None:
        public = Ed25519PrivateKey.generate().public_key()
        with pytest.raises(ValueError, match="must be an RSAPublicKey"):
            signature.load_keys([Windowed(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))])
