"""How the text of a setting becomes a value: one reader for each kind of value.

Each raises Malformed, whose message says what is expected and never quotes what was given.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from db.sealing import KEY_BYTES, EncryptionKey
from ops.actions.passwords import fault_of_hash
from providers.fields import is_id
from providers.rotation import Malformed, Secret, entries, read_base64
from providers.sources import Source, load_sources

DATABASE_SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg")
UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
OPS_ROLES: Final = ("viewer", "operator", "approver")
RSA_BITS: Final = 2048
WEBHOOK_SECRET_BYTES: Final = range(24, 65)  # what the Standard Webhooks specification allows
ECHOED_SECRET_LETTERS: Final = 12  # at a thousand guesses a second, half of 36 ** 12 takes 75 million years


@dataclass(frozen=True, slots=True)
class OpsUser:
    """Someone who may sign in to the operations pages."""

    name: str
    role: str
    password_hash: Secret


def switch(text: str) -> bool:
    """Yes or no."""
    if text.lower() not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise Malformed("must be true or false")
    return text.lower() in {"1", "true", "yes", "on"}


def choice(*names: str) -> Callable[[str], str]:
    """One of a few words."""

    def read(text: str) -> str:
        if text.lower() not in names:
            raise Malformed(f"must be one of {', '.join(names)}")
        return text.lower()

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number, bounds included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise Malformed(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(text: str) -> timedelta:
    """A length of time, written as seconds."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not Decimal("0.05") <= number <= UNIT_SECONDS["d"]:
        raise Malformed("must be a number of seconds from 0.05 to 86400")
    return timedelta(microseconds=int(number * 1_000_000))


def state_limits(text: str) -> Mapping[str, timedelta]:
    """`kind.state=24h,...` as lengths of time by `kind.state`."""
    limits = {}
    for entry in entries(text):
        matched = re.fullmatch(r"([a-z_]+\.[A-Za-z_]+)=([0-9]{1,6})([smhd])", entry)
        if not matched:
            raise Malformed("each entry must be kind.state=length, the length a whole number and s, m, h or d")
        limits[matched[1]] = timedelta(seconds=int(matched[2]) * UNIT_SECONDS[matched[3]])
    return MappingProxyType(limits)


def rate(text: str) -> str:
    """`100/second`, kept as text."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", text):
        raise Malformed("must be a whole number, a slash and second, minute or hour")
    return text


def database_url(text: str) -> Secret:
    """The address of a Postgres database, whole and without options that nobody knows."""
    secret = address(*DATABASE_SCHEMES)(text)
    try:
        conninfo_to_dict(make_url(text).set(drivername="postgresql").render_as_string(hide_password=False))
    except (ArgumentError, ValueError, psycopg.Error):
        raise Malformed("is no address of a database: its port, or an option after ?, is not one") from None
    return secret


def redis_url(text: str) -> Secret:
    """The address of a Redis or Valkey database."""
    from redis.connection import parse_url  # noqa: PLC0415 -- slow to import: not for every command

    secret = address("redis", "rediss", "unix")(text)
    try:
        parse_url(text)  # type: ignore[no-untyped-call]  # redis leaves this function untyped
    except ValueError:
        raise Malformed("is no address of a Redis database: its port, its number or an option is not one") from None
    return secret


def sentry_dsn(text: str) -> Secret:
    """Where Sentry takes errors: with a public key and a project's number."""
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 -- slow to import: only where it is set

    secret = address("https", "http")(text)
    try:
        Dsn(text)
    except (BadDsn, ValueError):
        raise Malformed("is no DSN: it needs a key before the host and a project after it") from None
    return secret


def word(text: str) -> str:
    """Printable ASCII without spaces."""
    if not re.fullmatch(r"[!-~]+", text):
        raise Malformed("must be printable ASCII without spaces")
    return text


def credential(text: str) -> Secret:
    """A secret that travels in a header: printable ASCII without spaces."""
    return Secret(word(text))


def echoed_secret(text: str) -> Secret:
    """A secret that a webhook only repeats: long enough, for nothing else proves who sent it.

    Anybody may guess at the door as often as they like, where a signature would cost them a key of 256 bits.
    """
    if len(text) < ECHOED_SECRET_LETTERS:
        raise Malformed(
            f"each entry must have {ECHOED_SECRET_LETTERS} characters or more: a shorter one can be guessed"
        )
    return credential(text)


def identifier(text: str) -> str:
    """An id at a provider, fit for a path."""
    if not is_id(text):
        raise Malformed("must be an id: letters, digits and _ . : -")
    return text


def apprise_urls(text: str) -> tuple[Secret, ...]:
    """Addresses of any kind that Apprise knows; what follows their scheme is its own to read."""
    found = entries(text)
    if not all(re.fullmatch(r"[A-Za-z0-9+.-]+://\S+", entry) for entry in found):
        raise Malformed("each entry must be an address with its scheme and no spaces; write , in it as %2C")
    return tuple(map(Secret, found))


def listening_address(text: str) -> str:
    """An IP address of this machine."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise Malformed("must be an IP address of this machine; 0.0.0.0 is all of them") from None


def address(*schemes: str) -> Callable[[str], Secret]:
    """One address of these schemes; kept as a secret, for it may hold a password."""

    def read(text: str) -> Secret:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)) or re.search(r"\s", text):
            raise Malformed(f"must be one address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return Secret(text)

    return read


def base_url(text: str) -> str:
    """Scheme, host and port, without a slash at the end."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in text or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise Malformed("must be scheme, host and port only; the version path is added by us")
    return text.rstrip("/")


def ed25519_public(text: str) -> bytes:
    """The DER bytes of one public key, checked to be Ed25519."""
    return _public_key(text, lambda key: isinstance(key, Ed25519PublicKey), "an Ed25519 public key (SPKI)")


def rsa_public(text: str) -> bytes:
    """The DER bytes of one public key, checked to be RSA and long enough that nobody else can sign for it."""
    return _public_key(
        text,
        lambda key: isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS,
        f"an RSA public key (SPKI) of {RSA_BITS} bits or more",
    )


def _public_key(text: str, is_right: Callable[[object], bool], kind: str) -> bytes:
    der = read_base64(text)
    try:
        usable = is_right(load_der_public_key(der))
    except Exception:  # noqa: BLE001 (the parser has many ways to refuse, and each is the same refusal here)
        usable = False
    if not usable:
        raise Malformed(f"each entry must be the base64 of the DER of {kind}")
    return der


def sources(text: str) -> tuple[Source, ...]:
    """Addresses and networks that requests may come from."""
    return load_sources(entries(text))


def percent(text: str) -> Decimal:
    """A share in percent, 0.5 for half of one in a hundred; at most four places."""
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,4})?", text):
        raise Malformed("must be a number of percent from 0 to 99.9999, with at most four places")
    return Decimal(text)


def webhook_secret(text: str) -> Secret:
    """A Standard Webhooks secret, in its printed form."""
    if not text.startswith("whsec_") or len(read_base64(text.removeprefix("whsec_"))) not in WEBHOOK_SECRET_BYTES:
        raise Malformed("each entry must be whsec_ and the base64 of 24 to 64 bytes")
    return Secret(text)


def encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    """`id:base64,...`, newest first."""
    keys = []
    for entry in entries(text):
        name, _, encoded = entry.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) or len(key := read_base64(encoded)) != KEY_BYTES:
            raise Malformed("each entry must be id:base64 of 32 bytes, the id of letters, digits, - and _")
        keys.append(EncryptionKey(name, key))
    if len({key.id for key in keys}) < len(keys):
        raise Malformed("two keys have the same id")
    return tuple(keys)


def ops_users(text: str) -> tuple[OpsUser, ...]:
    """`name:role:hash,...`, each name once."""
    users: dict[str, OpsUser] = {}
    for entry in entries(text):
        name, role, password_hash = [*entry.split(":", 2), "", ""][:3]
        if not (name and role and password_hash):
            raise Malformed("each entry must be name:role:hash, the hash from `rampkeeper password-hash`")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise Malformed("a name must be of letters, digits and . _ -, at most 64")
        if role not in OPS_ROLES:
            raise Malformed(f"a role must be one of {', '.join(OPS_ROLES)}")
        if fault := fault_of_hash(password_hash):
            raise Malformed(f"a hash {fault}; make one with `rampkeeper password-hash`")
        if name in users:
            raise Malformed("two entries have the same name")
        users[name] = OpsUser(name, role, Secret(password_hash))
    return tuple(users.values())
