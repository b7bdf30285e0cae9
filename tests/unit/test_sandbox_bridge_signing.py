"""Bridge's signature: RSA over a digest of a digest, and the keys it is made with."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sandbox.bridge.addresses import tron
from sandbox.bridge.people import routing_is_valid
from sandbox.bridge.signing import KEYS, read, throwaway
from sandbox.ids import Ids

# Bridge's own published vector.
THEIR_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtqsEE4eI7EmzhcquGJXtLX9PMK0UH6Kl1WIR21sv8HtueG8BuvvpP3MiN7ltzmIh"
    "S8KaynCjN4l+620PnXeuxWG+CSnEdkinL9hCqbEid5vv9zl0j9LWiJx3FkKHqADU7cgm46aa8dKUdIQYF2X+O7WmyLkC4wUM/mWhBPMsIQBz"
    "nashRMZxx7XJjsVp27ACUE4eNIjEXbVYN6U8jSbUhG++CfL8xXu+GHDqKmFE6Po6HnuURvLFVnCtE3mXXBcVFlPy+octfx8nOMLT3X8O9Ueh"
    "IigJ34o2yMm/Fq3HUJzg2BsiAiGgtr0vmeoV9Q7upSNj9TuOumAzZFi4pYA+qwIDAQAB"
)
THEIR_SIGNATURE = (
    "jz/0dmHJ63FAzacGutrDTEoq+iSz/PHm/ugdooXDQu5NwuVIT2LmZGjsnCsBHgR9Py6OBP9zurzW4dHgygU4EDqmMPTUOvhvndYb4lWt+TY6"
    "6LihaFI2whL6DAf/jb1QjYjNU0A6x9SLzC45dgE6X7zTDUM+2Z+scG/WEQf6SxQMt4E2sEipl5PqMK5lYUe3otdJV+X2c9D64bGwCEE7QSia"
    "+Vhozg8QNOQEk/rdz2IEONIg6oC43CeiN4E2kF9XLAGuy9uAHx9O9OJH5ZPLJZjyo4VcXYeWQgxaQ1gZ1Qu6hEEzgiPSff/1nou58dm4bIIa"
    "zgCWli/mO0NyGcpfFw=="
)
THEIR_MOMENT, THEIR_BODY = 1705854411204, b'{"message":"Hello World!"}'

# A vector of a throwaway key, which a signer must give exactly.
OUR_KEY = (
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDSVGNZuLVxXSR+OO7ALXNibWuRqhvTb8g75T6/p7e1pipylz1aTl2POqG5"
    "ZpYblCOmUTxcPpi+vZms/N903ygcmj10Z6rfyhf2Z7Mxk4nLhrtuc+wqVxRhnKcCNKZp9i1+HVr+g375470AMPq0sss2PWlCi373xfrCU0gN"
    "9lTxsSXGNvTu9uR0qNvVbsLC4GAAqWiog4ibfxpCmyFPvN/v0js7MTx4JnyvN1TkRKV695PJtLS/dGxUNdIZfqpjz/Lrs/0Xs8V3umgRtGVz"
    "YXO7bfympBHFmofODa6sQ2avcdbtp28CmPITL7+FG/6lem+TmQt87j18ZV5Y5P2i4wG5AgMBAAECggEAJ4XaAXMXDU1eXSWfn5cq1nUPQJkB"
    "j5KywqaKSwNeHxExasUGr2CIbjCrUSZ40IfexxL+z6qnkzgXl40RBGompHFLWQNd9Z2JMTE9V/SMcSVJNTEtUKt6VflU3LI+Dy1GUSt8/NSC"
    "2Lw1uMJ7adcrHm8dx3ZlDnQyca+qm40NWzkCQokvLPRmzwxy4igWl8bWxag4UMadV07aEJc8rYVvdLme37Ar3UWM13gvDKA84wgiY8T2zjeF"
    "uynoFY9HcafMWCOQVle5jQtgZAzsjRNiaKo0ouZU/hZJzGqz3+QJrditiAebYecRvxGST26GanUlpCDFwJTiHQZOvLFuUdBjDQKBgQDx7oH5"
    "Fi5T6S6VmSFqxPIryXXPbpvWH86XwfLwwTb7yAe6DP3hlasj+Gf49HoGCZdMxOX+pWxkCfQbwQnYOUSieNKQaQAGTe9hs4hLAC8ee0mpRjqq"
    "/wo1QcIsEA7GIM7ZIJVo37Wcs3co8yImgV1OzLFOCmxw/osWASgWlGOUqwKBgQDej3CZL4oE/OkYQu8ZAhQ75ZGPL5M2tw4WiwYU+f4rSZcV"
    "k79T3rs+1UNtNxZSIMLX/nBoFPPOnGAelgBDtbEV3tUxBheXkUvbk/bVNNBvEVtdeisVEkmQSyLSnAqFM/lrK8auUZFVXvyjmqCF3Sdf0fn5"
    "KbIIUgYGV4bKwnEbKwKBgB+rbCIyMCBV3v5ATGqQm2718VEVFptCEKY3AllXwZ3WAoTtXHKiSAPuaZXiUvLlYIPxJnZeK0ExOF5Ft8cxP/XQ"
    "wSecRx+MJjDw8n9257QiyXK6OcXWmvx7vjJMa9KtysYLiONwnXKE361hnm/R8Wf2TaN8o9NqzsQzpI7IH/z/AoGBAMTsnnCsg68OKSFyeCTk"
    "lgq5giXzroqHRkvkDymYWbDrmGdbJ7uKJJvgD50fVPyuSDjdxZASmfeCnfnyN6GxrlLvrCuIfG97/Gb5cToNVTAxZ2o6oswuNjEaimFX+GcM"
    "KfEN9upe+f1T4q7QLqDDogdCv7AbmI+MJBCQeZAGpBWpAoGAIaHF/2gkLq46BjAPvS1elbrNiumNmPcdcmPTbpKV7ZwCLwITm7JTRX9UBSWZ"
    "7Vv1rMaNFvep+gtRc4ipGRBKl9zTuWTlMOFORxcji3Z53TcHVgnaL01wJQXKv+z8vJOfdVmSkMkhMwrAGGgyAlU2LgfOsCM/NmkV3Ko5ptj8"
    "x2c="
)
OUR_PUBLIC = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0lRjWbi1cV0kfjjuwC1zYm1rkaob02/IO+U+v6e3taYqcpc9Wk5djzqhuWaWG5Qj"
    "plE8XD6Yvr2ZrPzfdN8oHJo9dGeq38oX9mezMZOJy4a7bnPsKlcUYZynAjSmafYtfh1a/oN++eO9ADD6tLLLNj1pQot+98X6wlNIDfZU8bEl"
    "xjb07vbkdKjb1W7CwuBgAKloqIOIm38aQpshT7zf79I7OzE8eCZ8rzdU5ESleveTybS0v3RsVDXSGX6qY8/y67P9F7PFd7poEbRlc2Fzu238"
    "pqQRxZqHzg2urENmr3HW7advApjyEy+/hRv+pXpvk5kLfO49fGVeWOT9ouMBuQIDAQAB"
)
OUR_BODY = (
    b'{"api_version":"v0","event_id":"wh_testvector0001","event_category":"transfer","event_type":"transfe'
    b'r.updated.status_transitioned","event_object_id":"3f0c9c1e-6f0a-4f5e-9a51-0f4f6c1b7a10","event_objec'
    b't_status":"payment_processed","event_object":{"id":"3f0c9c1e-6f0a-4f5e-9a51-0f4f6c1b7a10","state":"p'
    b'ayment_processed","amount":"250.00"},"event_object_changes":{"state":["payment_submitted","payment_p'
    b'rocessed"]},"event_created_at":"2026-01-01T00:00:00.000Z"}'
)
INNER = "8a50aa81502698e95f2afe88d38e1f00b41dd8530d47299186fe529dda5ffc53"
OUR_SIGNATURE = (
    "NQEmi63urX0X2u65ah2pJJm9Cv/syRol03IKOkgUZ+DtZGBa5ijlkvWT8R2K4UOK1Eg4oWnNnK+qQtFx40idFTj5eTUG03scF5Dj4c9OL6oJ"
    "VWCL/UEvc/w0wdmz21EgqTS1h0wViyM/zgXHwaxPdRaVKpUb2Zory5eSSlUamQqQrtrOrXY8ELOao+423/f5TKgBKW2fHmHkIwCniGI9B6OE"
    "mf2l//iURGVasJDv6DjXk3kp4NIj18Ws4ntTO5Dimog5Iw6VjZbmdCQK4m8DZjhWxsw/nAaDdD4kCRuEmAaE580Ux6Mvr9wxDx6R+o6BgamC"
    "mbZpME3bLIdWInvMSg=="
)
SINGLE_DIGEST = (
    "gy+Y/9fXoSY071t1EF+iXFqAAKbNqR440H1oKhTE8JgcSvFcsQOUmSJv3Ep6uJX0gTpHvjl5mukqV0BiIsAGancPc1KLfIVryveeeH3WsAvj"
    "UIVa+ZOi85KBLy2InpaJQnfMhYqdD+dCpXtvuowj/b2ykZnCzs5CCH5hZwmk6+RT/3gM7wKAvYD4kFPqIxGJ+nTrYx45SwtxwrqdtvII0cHA"
    "/mIJbCbnv+NGNlenYV9vJIJoUQvtNAV83lZwOM6q7UnTzgXZIMFgGmbfIHQQRsqxIpyIiTb3CruaQkZvmu9p+QY4vfVjH+o2ygKQGEeNm4rz"
    "8VGI0gq/Y2iGqxh7Jw=="
)


def verify(key_der: str, signature: str, milliseconds: int, body: bytes) -> None:
    key = load_der_public_key(base64.b64decode(key_der))
    assert isinstance(key, RSAPublicKey)
    inner = hashlib.sha256(f"{milliseconds}.".encode() + body).digest()
    key.verify(base64.b64decode(signature, validate=True), inner, PKCS1v15(), SHA256())


class TestSignature:
    def test_is_exactly_that_of_the_vector(self) -> None:
        key, moment = read(OUR_KEY), datetime(2026, 1, 1, tzinfo=UTC)
        assert hashlib.sha256(b"1767225600000." + OUR_BODY).hexdigest() == INNER
        assert key.sign(OUR_BODY, moment) == f"t=1767225600000,v0={OUR_SIGNATURE}"
        assert key.der_base64 == OUR_PUBLIC

    def test_is_not_that_of_a_single_digest(self) -> None:
        key = read(OUR_KEY)
        single = key.private.sign(b"1767225600000." + OUR_BODY, PKCS1v15(), SHA256())
        assert base64.b64encode(single).decode() == SINGLE_DIGEST
        assert key.signature(OUR_BODY, 1767225600000) != SINGLE_DIGEST
        with pytest.raises(InvalidSignature):
            verify(OUR_PUBLIC, SINGLE_DIGEST, 1767225600000, OUR_BODY)

    def test_is_checked_as_bridges_own_vector_is(self) -> None:
        """The check that accepts what Bridge published accepts what the sandbox signs."""
        verify(THEIR_KEY, THEIR_SIGNATURE, THEIR_MOMENT, THEIR_BODY)
        verify(OUR_PUBLIC, read(OUR_KEY).signature(THEIR_BODY, THEIR_MOMENT), THEIR_MOMENT, THEIR_BODY)

    def test_has_the_moment_to_the_millisecond(self) -> None:
        moment = datetime(2024, 1, 21, 16, 26, 51, 204000, tzinfo=UTC)
        assert throwaway(0).sign(b"{}", moment).startswith(f"t={THEIR_MOMENT},v0=")


class TestKeys:
    def test_are_all_different_and_all_good(self) -> None:
        keys = [throwaway(number) for number in range(KEYS)]
        for key in keys:
            verify(key.der_base64, key.signature(b"{}", 1), 1, b"{}")
        assert len({key.der_base64 for key in keys}) == KEYS
        assert keys[0].private.key_size == 2048

    def test_must_be_rsa(self) -> None:
        ed25519 = "MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        with pytest.raises(ValueError, match="RSA"):
            read(ed25519)


def test_an_address_of_tron_has_a_checksum_that_holds() -> None:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    address = tron(Ids(3).stream("bridge_address"))
    number = 0
    for letter in address:
        number = number * 58 + alphabet.index(letter)
    raw = number.to_bytes(25, "big")
    assert (address[0], len(address), raw[0]) == ("T", 34, 0x41)
    assert hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        *(("021000021", True), ("011401533", True), ("011000015", True), ("091000019", True)),
        *(
            ("021000022", False),
            ("123456789", False),
            ("000000000", False),
            ("02100002", False),
            ("\u066021000021", False),
        ),
    ],
)
def test_a_routing_number_must_check(text: str, valid: object) -> None:
    assert routing_is_valid(text) is valid
