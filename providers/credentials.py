"""A provider's credentials, several at a time so that they can be rotated."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

TELL_EVERY_S: Final = 60.0  # of a key's use, at most


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

    def __init__(
        self,
        credentials: Sequence[Credential],
        *,
        used: Callable[[str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not credentials:
            raise ValueError("at least one credential is needed")
        self._all = tuple(credentials)
        self._used = used
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._told_at: dict[str, float] = {}  # by fingerprint
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
        """The provider took this one: remember it, and tell whoever keeps the last use of each, once a minute.

        Told of each call, the fleet's calls would wait for one another at that one row.
        """
        name, now = credential.fingerprint, self._monotonic()
        with self._lock:
            self._best = credential
            due = now - self._told_at.get(name, float("-inf")) >= TELL_EVERY_S
            if due:
                self._told_at[name] = now
        if due and self._used is not None:
            try:
                self._used(name)
            except BaseException:
                with self._lock:
                    self._told_at.pop(name, None)  # what could not be told is told at the next use
                raise
