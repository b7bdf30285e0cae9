"""IBEX's two ways to sign in, each giving a token that its calls carry.

Sources: lnflash/flash, its IBEX client (client credentials), mid-2026; the API description in ibex-client 2.2.0
(e-mail), both read 2026-11.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from funding.errors import Misconfigured, ProviderRejected, ProviderUnavailable, UnexpectedAnswer
from providers.fields import Fields
from providers.http import ProviderClient, Request
from providers.ibex import exact

Loaded = TypeVar("Loaded")
SIGN_IN_DEADLINE: Final = timedelta(seconds=8)  # of its own, within that of the call that needs the token
_TOKEN: Final = re.compile(r"[!-~]{1,8192}")  # fit for a header; "Bearer " before it would not be
_LONGEST_LIFE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token and how long it is good, None: until it is refused. `refresh` gets another without the password."""

    access: str = field(repr=False)
    lives: timedelta | None
    refresh: str | None = field(default=None, repr=False)
    refresh_lives: timedelta | None = None


class SignIn(Protocol):
    """A way to sign in.

    Raises: Misconfigured (who we say we are is refused), ProviderThrottled, ProviderUnavailable.
    """

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it signs in with."""
        ...

    def sign_in(self) -> Grant:
        """A first token."""
        ...

    def refresh(self, token: str) -> Grant:
        """Another one, for a refresh token."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class ClientCredentials:
    """OAuth client credentials, at a host of its own. It knows no refresh."""

    def __init__(self, client: ProviderClient, *, client_id: str, client_secret: str, audience: str) -> None:
        self._client = client
        self._body = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret,
                "audience": audience,
            }
        )
        self.secrets = (client_secret,)

    def sign_in(self) -> Grant:
        """A token; how long it lives may not be said."""
        return _ask(self._client, "ibex.sign_in", "/oauth/token", self._body, _load_oauth, form=True)

    def refresh(self, token: str) -> Grant:
        """As `sign_in`: no refresh token is ever given here."""
        del token
        return self.sign_in()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


class EmailSignIn:
    """The older sign-in with e-mail and password, at the API's own host. Times are unix seconds, read on `clock`."""

    def __init__(
        self,
        client: ProviderClient,
        *,
        email: str,
        password: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._clock = clock
        self._body = json.dumps({"email": email, "password": password})
        self.secrets = (password,)

    def sign_in(self) -> Grant:
        """A token and one to refresh it with."""
        return _ask(self._client, "ibex.sign_in", "/auth/signin", self._body, self._load)

    def refresh(self, token: str) -> Grant:
        """A new token; the same refresh token goes on being good."""
        body = json.dumps({"refreshToken": token})
        return _ask(self._client, "ibex.refresh_token", "/auth/refresh-access-token", body, self._load)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _load(self, value: Any) -> Grant:
        fields = Fields(value)
        return Grant(
            access=_token(fields, "accessToken"),
            lives=self._until(fields, "accessTokenExpiresAt", "expiresAt"),
            refresh=_token(fields, "refreshToken") if fields.has("refreshToken") else None,
            refresh_lives=self._until(fields, "refreshTokenExpiresAt"),
        )

    def _until(self, fields: Fields, *names: str) -> timedelta | None:
        """From now until then. What is over already tells that the clocks differ: it is good until refused."""
        at = exact.whole(fields, *names)
        return None if at is None else _life(at - int(self._clock().timestamp()))


def _ask(
    client: ProviderClient, operation: str, path: str, body: str, load: Callable[[Any], Grant], *, form: bool = False
) -> Grant:
    """One call. Nothing of an error's text is kept: it may repeat what was sent."""
    request = Request(
        operation=operation,
        method="POST",
        path=path,
        body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"} if form else None,
        parse=exact.parse,
        problem=lambda _: (None, None),
    )
    try:
        return client.call(request, load)
    except ProviderRejected as error:  # IBEX says 400 for a wrong password too
        raise Misconfigured(str(error), **_common(error)) from error
    except UnexpectedAnswer as error:
        raise ProviderUnavailable(str(error), **_common(error)) from error


def _common(error: ProviderRejected | UnexpectedAnswer) -> Mapping[str, Any]:
    return {"provider": error.provider, "request_id": error.request_id, "status": error.status}


def _load_oauth(value: Any) -> Grant:
    fields = Fields(value)
    seconds = exact.whole(fields, "expires_in")
    return Grant(access=_token(fields, "access_token"), lives=None if seconds is None else _life(seconds))


def _token(fields: Fields, name: str) -> str:
    found = fields.raw(name)
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise fields.wrong(name, "is no token")
    return found


def _life(seconds: int) -> timedelta | None:
    return timedelta(seconds=min(seconds, int(_LONGEST_LIFE.total_seconds()))) if seconds > 0 else None
