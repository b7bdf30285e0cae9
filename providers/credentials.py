"""A provider's credentials, several at a time so that they can be rotated."""

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to sign in: the headers it sends. Only its `fingerprint` is ever shown."""

    fingerprint: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def bearer(key: str) -> Credential:
    """`Authorization: Bearer <key>`."""
    return Credential(_fingerprint(key), {"Authorization": f"Bearer {key}"}, (key,))


def basic(user: str, password: str) -> Credential:
    """HTTP Basic."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Credential(_fingerprint(f"{user}:{password}"), {"Authorization": f"Basic {token}"}, (password, token, user))


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


class Keyring:
    """Credentials newest first, and which of them worked last: that one is tried first."""

    def __init__(self, credentials: Sequence[Credential], *, used: Callable[[str], None] | None = None) -> None:
        if not credentials:
            raise ValueError("at least one credential is needed")
        self._all = tuple(credentials)
        self._used = used
        self._lock = threading.Lock()
        self._best = self._all[0]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be shown to anyone."""
        return tuple(secret for credential in self._all for secret in credential.secrets)

    def in_order(self) -> list[Credential]:
        """All of them, the one that worked last before the others."""
        with self._lock:
            best = self._best
        return [best, *(one for one in self._all if one is not best)]

    def worked(self, credential: Credential) -> None:
        """The provider took this one: remember it, and tell whoever keeps the last use of each."""
        with self._lock:
            self._best = credential
        if self._used is not None:
            self._used(credential.fingerprint)
