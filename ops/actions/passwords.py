"""Passwords of operators, kept as scrypt hashes: `scrypt.<log2 n>.<r>.<p>.<salt>.<hash>`, safe in any settings file."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

COST: Final = 15  # log2 of scrypt's n; with r = 8 one check takes 32 MiB and about a tenth of a second
BLOCK: Final = 8
LANES: Final = 1
MEMORY_BYTES: Final = 256 << 20
HIGHEST_COST: Final = 20
SHORTEST: Final = 10  # characters of a password


class WeakPassword(ValueError):
    """A password nobody should use."""


def hash_password(password: str) -> str:
    """The hash to put in OPS_USERS. Raises: WeakPassword."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"a password needs at least {SHORTEST} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, COST, BLOCK, LANES)
    return ".".join(["scrypt", str(COST), str(BLOCK), str(LANES), _text(salt), _text(digest)])


def password_matches(password: str, kept: str) -> bool:
    """Whether it is the password of that hash; a hash of another make matches nothing. Compared in constant time."""
    try:
        name, cost, block, lanes, salt, digest = kept.split(".")
        if name != "scrypt" or not 1 <= int(cost) <= HIGHEST_COST:
            return False
        found = _scrypt(password, _bytes(salt), int(cost), int(block), int(lanes))
        return hmac.compare_digest(found, _bytes(digest))
    except (ValueError, binascii.Error):
        return False


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << cost, r=block, p=lanes, maxmem=MEMORY_BYTES, dklen=32)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
