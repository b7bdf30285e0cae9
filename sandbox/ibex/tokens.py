"""Who may call Ibex: tokens of both generations, and logins that were tried too often."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.ibex.errors import IbexError, bad

if TYPE_CHECKING:
    from sandbox.world import World

_HEAD = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"  # as every signed web token begins; nothing here is signed


@dataclass
class Token:
    """What was given out, to whom (the pair of words they showed), until when."""

    text: str
    owner: tuple[str, str]
    expires_at: datetime


class Tokens:
    """Every token. One is worth something while it lives and its owner's pair of words is still accepted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._failures: Counter[str] = Counter()
        self._blocked: set[str] = set()

    def accepts(self, header: str) -> bool:
        """Whether an Authorization header is a good token: the bare token, nothing before it."""
        return self._lives(self._access.get(header))

    def for_client(self, client_id: str, client_secret: str) -> Token | None:
        """A new access token, or None for a client that is not accepted."""
        pair = (client_id, client_secret)
        return self._give(pair) if pair in self._world.config.ibex_clients else None

    def sign_in(self, email: str, password: str) -> tuple[Token, Token]:
        """A new access token and refresh token. Raises: IbexError 400, and 403 after too many failures in a row."""
        if email in self._blocked:
            raise IbexError(403, "account is blocked")
        pair = (email, password)
        if pair not in self._world.config.ibex_logins:
            self._failures[email] += 1
            if self._failures[email] >= self._world.config.ibex_failed_signins:
                self._blocked.add(email)
            raise bad("invalid email or password")
        del self._failures[email]
        lives = timedelta(seconds=self._world.config.ibex_refresh_seconds)
        text = f"def5{self._world.ids.stream('ibex_refresh').randbytes(30).hex()}"
        self._refresh[text] = Token(text, pair, self._world.now() + lives)
        return self._give(pair), self._refresh[text]

    def renew(self, refresh: str) -> Token:
        """A new access token. Raises: IbexError 401: the refresh token is unknown, revoked or too old."""
        token = self._refresh.get(refresh)
        if token is None or not self._lives(token):
            raise IbexError(401, "invalid refresh token")
        return self._give(token.owner)

    def revoke(self, refresh: str) -> None:
        """Let a refresh token be worth nothing."""
        self._refresh.pop(refresh, None)

    def expire(self, *, refresh: bool = False) -> None:
        """Let every access token be too old from now on; with `refresh`, those tokens too."""
        for token in [*self._access.values(), *(self._refresh.values() if refresh else ())]:
            token.expires_at = self._world.now()

    def block(self, email: str, *, on: bool = True) -> None:
        """Block a login, or open it again."""
        self._failures.pop(email, None)
        (self._blocked.add if on else self._blocked.discard)(email)

    def _lives(self, token: Token | None) -> bool:
        config = self._world.config
        accepted = (*config.ibex_clients, *config.ibex_logins)
        return token is not None and token.expires_at > self._world.now() and token.owner in accepted

    def _give(self, owner: tuple[str, str]) -> Token:
        raw = self._world.ids.stream("ibex_token").randbytes(54)
        text = f"{_HEAD}.{base64.urlsafe_b64encode(raw[:30]).decode()}.{base64.urlsafe_b64encode(raw[30:]).decode()}"
        lives = timedelta(seconds=self._world.config.ibex_token_seconds)
        self._access[text] = Token(text, owner, self._world.now() + lives)
        return self._access[text]
