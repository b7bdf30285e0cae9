"""Passwords of operators, kept as scrypt hashes: `scrypt.<log2 n>.<r>.<p>.<salt>.<hash>`, safe in any settings file."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final

COST: Final = 15  # log2 of scrypt's n; with r = 8 one check takes 32 MiB and about a tenth of a second
BLOCK: Final = 8
LANES: Final = 1
MOST_LANES: Final = 4
MEMORY_BYTES: Final = 256 << 20
LOWEST_COST: Final = 14  # cheaper hashes are no better than the password itself
HIGHEST_COST: Final = 17
SHORTEST: Final = 10  # characters of a password
LONGEST: Final = 1_024  # nobody types more, and every character costs us to hash
SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
_PARTS: Final = 6


class WeakPassword(ValueError):
    """A password nobody should use."""


def hash_password(password: str) -> str:
    """The hash to put in OPS_USERS. Raises: WeakPassword."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"a password needs at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise WeakPassword(f"a password has at most {LONGEST} characters")
    salt = secrets.token_bytes(SALT_BYTES)
    digest = _scrypt(password, salt, COST, BLOCK, LANES)
    return ".".join(["scrypt", str(COST), str(BLOCK), str(LANES), _text(salt), _text(digest)])


def fault_of_hash(kept: str) -> str | None:
    """Why a text is no hash that `hash_password` could have made; None when it is one. Never quotes it."""
    try:
        _parts(kept)
    except ValueError as error:
        return str(error)
    return None


def password_matches(password: str, kept: str) -> bool:
    """Whether it is the password of that hash; a hash of another make matches nothing. Compared in constant time."""
    try:
        cost, block, lanes, salt, digest = _parts(kept)
    except ValueError:
        return False
    return len(password) <= LONGEST and hmac.compare_digest(_scrypt(password, salt, cost, block, lanes), digest)


def hash_of_nobody(others: Iterable[str] = ()) -> str:
    """A hash that no password has, and that costs as much to compare with as the dearest of the others."""
    cost, lanes = max(((_parts(kept)[0], _parts(kept)[2]) for kept in others), default=(COST, LANES))
    salt, digest = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(DIGEST_BYTES)
    return ".".join(["scrypt", str(cost), str(BLOCK), str(lanes), _text(salt), _text(digest)])


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes]:
    """Cost, block, lanes, salt and digest. Raises: ValueError, whose message says what is wrong."""
    parts = kept.split(".")
    if len(parts) != _PARTS or parts[0] != "scrypt":
        raise ValueError("is not of the form scrypt.<log2 n>.<r>.<p>.<salt>.<hash>")
    if not all(re.fullmatch("[0-9]{1,2}", number) for number in parts[1:4]):
        raise ValueError("has numbers that are none")
    cost, block, lanes = map(int, parts[1:4])
    if not (LOWEST_COST <= cost <= HIGHEST_COST and block == BLOCK and 1 <= lanes <= MOST_LANES):
        raise ValueError("has a cost outside what is allowed")
    salt, digest = map(_bytes, parts[4:])
    if len(salt) < SALT_BYTES or len(digest) != DIGEST_BYTES:
        raise ValueError("is cut short")
    return cost, block, lanes, salt, digest


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << cost,
        r=block,
        p=lanes,
        maxmem=MEMORY_BYTES,
        dklen=DIGEST_BYTES,
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not written in base64") from None
