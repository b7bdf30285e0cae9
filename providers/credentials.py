"""A provider's credentials, several at a time so that they can be rotated."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

TELL_EVERY_S: Final = 60.0  # of a key's use, at most


class Tokens(Protocol):
    """What gets tokens for a credential whose headers change."""

    def attempts(self) -> Iterator[Mapping[str, str]]:
        """The headers to send; each further ones are asked for only when those before got a 401.

        Raises: ProviderUnavailable, ProviderThrottled, Misconfigured: there is no token, so nothing was sent.
        """
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text of it that must not be shown, the tokens of the moment among them."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to sign in: the headers it sends, or `tokens` that give them. Only its `fingerprint` is ever shown."""

    fingerprint: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    tokens: Tokens | None = field(default=None, repr=False)

    def attempts(self) -> Iterator[Mapping[str, str]]:
        """The headers to send; each further ones are asked for only when those before got a 401."""
        if self.tokens is None:
            yield self.headers
        else:
            yield from self.tokens.attempts()


def bearer(key: str) -> Credential:
    """`Authorization: Bearer <key>`."""
    return Credential(_fingerprint(key), {"Authorization": f"Bearer {key}"}, (key,))


def basic(user: str, password: str) -> Credential:
    """HTTP Basic."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Credential(_fingerprint(f"{user}:{password}"), {"Authorization": f"Basic {token}"}, (password, token, user))


def header(name: str, key: str) -> Credential:
    """The key by itself, in a header of that name."""
    return Credential(_fingerprint(key), {name: key}, (key,))


def signed_in(secret: str, tokens: Tokens) -> Credential:
    """Tokens that are got with `secret`, by which the credential is told apart."""
    return Credential(_fingerprint(secret), {}, (secret,), tokens)


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
        fixed = tuple(secret for credential in self._all for secret in credential.secrets)
        return fixed + tuple(secret for tokens in self._tokens() for secret in tokens.secrets)

    def close(self) -> None:
        """Close what gets tokens."""
        for tokens in self._tokens():
            tokens.close()

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

    def _tokens(self) -> list[Tokens]:
        return [one.tokens for one in self._all if one.tokens is not None]
