"""The token that IBEX's calls carry: one sign-in at a time in this process, none while a failed one is fresh.

Several failed sign-ins block the account, so a wrong password must not be tried by every call that needs a token.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from funding.errors import Misconfigured, NotAsked, ProviderError, ProviderUnavailable
from providers.ibex.sign_in import SIGN_IN_DEADLINE, Grant, SignIn

EARLY: Final = timedelta(seconds=60)  # before a token's end a new one is asked for
FIRST_WAIT: Final = timedelta(seconds=5)  # after a sign-in that got no answer; doubled each time
FIRST_WAIT_REFUSED: Final = timedelta(minutes=1)  # after one that was refused
LONGEST_WAIT: Final = timedelta(minutes=10)


class TokenHolder:
    """Holds the token of a `Credential`; for want of one: ProviderUnavailable, ProviderThrottled or Misconfigured.

    They go raw into Authorization: with `Bearer ` before it IBEX refuses a good one.
    """

    def __init__(self, way: SignIn, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._way = way
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._grant: _Held | None = None
        self._refresh: tuple[str, float] | None = None  # and when it ends
        self._failures = 0
        self._failed: ProviderError | None = None
        self._not_before = 0.0  # on the monotonic clock, as every time here

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is signed in with, and the tokens of the moment."""
        grant, refresh = self._grant, self._refresh
        held = () if grant is None else (grant.access,)
        return (*self._way.secrets, *held, *(() if refresh is None else (refresh[0],)))

    def attempts(self) -> Iterator[Mapping[str, str]]:
        """The token; once that was refused, another, once. One that is refused while fresh is not replaced again."""
        token = self._usable()
        yield {"Authorization": token}
        token = self._instead_of(token)
        yield {"Authorization": token}
        self._useless(token)

    def close(self) -> None:
        """Close the connections of the sign-in."""
        self._way.close()

    def _usable(self) -> str:
        """The token there is, else a new one. One that ends soon serves on while no new one can be had."""
        held = self._grant
        if held is not None and self._monotonic() < held.renew_at:
            return held.access
        with _locked(self._lock):
            held, now = self._grant, self._monotonic()
            if held is not None and now < held.renew_at:
                return held.access
            try:
                return self._new()
            except ProviderUnavailable:
                if held is not None and now < held.ends_at:
                    return held.access
                raise

    def _instead_of(self, refused: str) -> str:
        """Another token than the one that was refused: that of a thread that was quicker, else a new one."""
        with _locked(self._lock):
            if self._grant is not None and self._grant.access != refused:
                return self._grant.access
            self._grant = None
            return self._new()

    def _useless(self, token: str) -> None:
        """A fresh token was refused: another sign-in would not help, and each call asking for one would harm."""
        with self._lock:
            if self._grant is not None and self._grant.access == token:
                self._note(Misconfigured("a fresh token was refused", provider="ibex", status=401))

    def _new(self) -> str:
        """Refresh, else sign in; the lock is held. Raises: the kind of the last failure, until its wait is over."""
        wait = self._not_before - self._monotonic()
        if self._failed is not None and wait > 0:
            raise _again(self._failed, timedelta(seconds=wait))
        try:
            grant = self._refreshed() or self._way.sign_in()
        except ProviderError as error:
            self._note(error)
            raise
        now = self._monotonic()
        self._grant = _Held(grant, now)
        if grant.refresh is not None:
            self._refresh = (grant.refresh, _end(grant.refresh_lives, now))
        self._failures, self._failed = 0, None
        return grant.access

    def _refreshed(self) -> Grant | None:
        """A token for the refresh token; None when there is none that is good any more."""
        if self._refresh is None:
            return None
        token, ends_at = self._refresh
        if self._monotonic() < ends_at:
            try:
                return self._way.refresh(token)
            except Misconfigured:
                pass  # it was revoked, or is too old by IBEX's clock
        self._refresh = None
        return None

    def _note(self, error: ProviderError) -> None:
        first = FIRST_WAIT_REFUSED if isinstance(error, Misconfigured) else FIRST_WAIT
        wait = min(first * 2 ** min(self._failures, 16), LONGEST_WAIT)
        asked = error.retry_after if isinstance(error, ProviderUnavailable) else None
        self._failures += 1
        self._failed = error
        self._not_before = self._monotonic() + max(wait, asked or wait).total_seconds()


class _Held:
    """A token that we have, with its times on the monotonic clock. Halfway is early enough for a very short life."""

    def __init__(self, grant: Grant, now: float) -> None:
        self.access = grant.access
        self.ends_at = _end(grant.lives, now)
        early = EARLY if grant.lives is None else min(EARLY, grant.lives / 2)
        self.renew_at = self.ends_at - early.total_seconds()


def _end(lives: timedelta | None, now: float) -> float:
    return float("inf") if lives is None else now + lives.total_seconds()


def _again(failed: ProviderError, wait: timedelta) -> ProviderError:
    """The same failure, told without another sign-in."""
    said = f"not signed in again yet: {failed}"
    if isinstance(failed, Misconfigured):
        return Misconfigured(said, provider=failed.provider, status=failed.status)
    return NotAsked(said, provider=failed.provider, retry_after=wait)


@contextmanager
def _locked(lock: threading.Lock) -> Iterator[None]:
    """Hold the lock; wait for it no longer than a refresh and a sign-in take. Raises: NotAsked."""
    if not lock.acquire(timeout=2 * SIGN_IN_DEADLINE.total_seconds()):
        raise NotAsked("not sent: another call is still signing in", provider="ibex")
    try:
        yield
    finally:
        lock.release()
