"""What every provider's webhook signature check has in common: keys in rotation, and how a check can end."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cryptography.hazmat.primitives.serialization import load_der_public_key

from providers.rotation import Secret, Windowed

K = TypeVar("K")


class Headers(Protocol):
    """A request's headers, found by name in any case; several of one name are joined by commas."""

    def get(self, name: str, /) -> str | None:
        """The header's value."""

    def __contains__(self, name: str, /) -> bool: ...


class SignatureRefused(Exception):
    """The request is not proved to come from the provider. `reason` is stable, for counting; it tells no secret."""

    reason: ClassVar[str] = "signature_wrong"


class SignatureMissing(SignatureRefused):
    """No signature header at all."""

    reason = "signature_missing"


class SignatureMalformed(SignatureRefused):
    """A signature of the wrong length or alphabet."""

    reason = "signature_malformed"


class SignatureWrong(SignatureRefused):
    """No key of ours made it for these bytes."""


class KeyRetired(SignatureRefused):
    """Right, but by a key whose window has ended."""

    reason = "key_retired"


class KeyNotYetValid(SignatureRefused):
    """Right, but by a key whose window has not begun."""

    reason = "key_not_yet_valid"


class StaleTimestamp(Exception):
    """The signature is right and its signed time is too far from now, before or after."""


@dataclass(frozen=True, slots=True)
class MatchedKey:
    """The key that proved a request, named by its fingerprint."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class WebhookKey(Generic[K]):
    """A key ready for checking, its window, and the fingerprint by which people can tell it apart."""

    key: K = field(repr=False)
    fingerprint: str
    window: Windowed[None]


def fingerprint(material: bytes) -> str:
    """A short name of a key, the same wherever it is configured. It cannot be turned back into the key."""
    return hashlib.sha256(b"rampkeeper webhook key\0" + material).hexdigest()[:16]


def webhook_key(key: K, material: bytes, entry: Windowed[Any]) -> WebhookKey[K]:
    """A key ready for checking, in the window of its entry; `material` is what its fingerprint is made of."""
    return WebhookKey(key, fingerprint(material), Windowed(None, entry.not_before, entry.not_after))


def load_public_keys(entries: Sequence[Windowed[bytes]], kind: type[K]) -> tuple[WebhookKey[K], ...]:
    """Public keys, as DER (SPKI), ready for a check. Raises: ValueError: one is of another kind."""
    keys = []
    for entry in entries:
        key: Any = load_der_public_key(entry.value)
        if not isinstance(key, kind):
            raise ValueError(f"a key must be an {kind.__name__}")  # noqa: TRY004 (the bytes name another kind of key)
        keys.append(webhook_key(key, entry.value, entry))
    return tuple(keys)


def load_secrets(entries: Sequence[Windowed[Secret]]) -> tuple[WebhookKey[bytes], ...]:
    """Shared secrets, whole and as text, ready for a check."""
    secrets = [(entry.value.reveal().encode(), entry) for entry in entries]
    return tuple(webhook_key(secret, secret, entry) for secret, entry in secrets)


def refuse_stale(signed_at: datetime, now: datetime, tolerance: timedelta) -> None:
    """What was signed too long ago may be a replay; what comes from the future was signed by a clock to distrust.

    Raises: StaleTimestamp.
    """
    if abs(now - signed_at) > tolerance:
        raise StaleTimestamp


def first_match(keys: Sequence[WebhookKey[K]], now: datetime, matches: Callable[[K], bool]) -> MatchedKey:
    """The first key, newest first, that is valid now and matches.

    Keys outside their window are tried last, only to say why the signature is refused.
    Raises: SignatureWrong, KeyRetired, KeyNotYetValid.
    """
    for key in keys:
        if key.window.is_open(now) and matches(key.key):
            return MatchedKey(key.fingerprint)
    for key in keys:
        if not key.window.is_open(now) and matches(key.key):
            raise KeyRetired if key.window.is_late(now) else KeyNotYetValid
    raise SignatureWrong
