"""The keys Bridge signs webhooks with: RSA over the digest of a digest, under the moment of each try."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXPONENT = 65_537
_PRIME_BYTES = 128
# Looking for primes takes half a second a key. These were found once: how far each lies behind a drawn number.
_PRIMES = (
    *((200, 18), (614, 270), (878, 654), (1148, 810), (110, 1962), (3098, 302), (208, 1500), (1352, 882)),
    *((476, 756), (132, 306), (1060, 972), (300, 1906), (384, 580), (20, 448), (314, 136), (42, 292)),
    *((500, 470), (106, 236), (110, 614), (590, 1130), (978, 8), (820, 618), (186, 830), (216, 1390)),
)
KEYS = len(_PRIMES)  # how many throwaway keys there are


@dataclass(frozen=True)
class SigningKey:
    """One endpoint's key pair."""

    private: rsa.RSAPrivateKey

    def sign(self, body: bytes, moment: datetime) -> str:
        """The X-Webhook-Signature of a try at this moment: `t=<milliseconds>,v0=<base64>`."""
        milliseconds = round((moment - _EPOCH).total_seconds() * 1000)
        return f"t={milliseconds},v0={self.signature(body, milliseconds)}"

    def signature(self, body: bytes, milliseconds: int) -> str:
        """v0 alone: the message signed is a SHA-256 already, and RSA digests it once more."""
        inner = hashlib.sha256(f"{milliseconds}.".encode() + body).digest()
        return base64.b64encode(self.private.sign(inner, PKCS1v15(), SHA256())).decode()

    def _encoded(self, encoding: Encoding) -> bytes:
        return self.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> str:
        """The public key as PEM (SPKI), as the API shows it."""
        return self._encoded(Encoding.PEM).decode()

    @property
    def der_base64(self) -> str:
        """The public key as base64 of the DER."""
        return base64.b64encode(self._encoded(Encoding.DER)).decode()


@lru_cache(maxsize=64)
def read(text: str) -> SigningKey:
    """A key from base64 of PKCS#8 DER. Raises: ValueError: it is not an RSA key."""
    private = load_der_private_key(base64.b64decode(text, validate=True), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - one error for every bad key
    return SigningKey(private)


@lru_cache(maxsize=KEYS)
def throwaway(number: int) -> SigningKey:
    """One of `KEYS` keys that are public here for all to see: fit for pretending only."""
    first, second = (
        _prime(f"bridge sandbox {number} {name}", off) for name, off in zip("pq", _PRIMES[number], strict=True)
    )
    private = pow(_EXPONENT, -1, (first - 1) * (second - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=first,
        q=second,
        d=private,
        dmp1=rsa.rsa_crt_dmp1(private, first),
        dmq1=rsa.rsa_crt_dmq1(private, second),
        iqmp=rsa.rsa_crt_iqmp(first, second),
        public_numbers=rsa.RSAPublicNumbers(_EXPONENT, first * second),
    )
    return SigningKey(numbers.private_key(unsafe_skip_rsa_key_validation=True))  # tests check them, once


def _prime(label: str, offset: int) -> int:
    drawn = int.from_bytes(hashlib.shake_256(label.encode()).digest(_PRIME_BYTES), "big")
    return (drawn | 3 << (8 * _PRIME_BYTES - 2) | 1) + offset
