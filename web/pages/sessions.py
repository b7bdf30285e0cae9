"""Who is signed in: a signed cookie that ends by itself.

It is signed with a key that every web process works out from what they share: the password hashes and the database's
address. So a restart signs nobody out, a changed user or password signs everybody out, and who could forge a session
already holds the database.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, has_request_context, request, session
from flask.sessions import SecureCookieSessionInterface

from settings.values import OpsUser

LASTS: Final = timedelta(hours=8)  # from signing in, whatever is done
IDLE: Final = timedelta(hours=1)  # without a page asked for by hand
NOTED_EVERY: Final = timedelta(minutes=1)  # the cookie is not written anew with every page
KEY_BYTES: Final = 32
COOKIE: Final = "rampkeeper_ops"


def session_key(secrets: Iterable[str], users: Iterable[OpsUser]) -> bytes:
    """The key that signs cookies: another whenever a secret, or any user, role or password, is another."""
    parts = [*secrets, *(f"{user.name}:{user.role}:{user.password_hash.reveal()}" for user in users)]
    material = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"rampkeeper operations pages").derive(material)


class Sessions(SecureCookieSessionInterface):
    """Cookies signed with SHA-256, only for /ops, out of reach of scripts and other sites; over https only there."""

    digest_method = staticmethod(sha256)

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 -- Flask's shape
        """Our own name."""
        return COOKIE

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002 -- the same
        """Where the pages are mounted; no webhook gets it."""
        return request.root_path or "/"

    def get_cookie_httponly(self, app: Flask) -> bool:  # noqa: ARG002 -- the same
        """No script reads it."""
        return True

    def get_cookie_samesite(self, app: Flask) -> str:  # noqa: ARG002 -- the same
        """A link from a chat opens a page; a form of another site comes without it."""
        return "Lax"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 -- the same
        """Behind https it never travels without."""
        return behind_https()


def behind_https() -> bool:
    """Whether the browser spoke https, to us or, as the proxy in front says, to it. A lie harms only its teller."""
    return has_request_context() and (
        request.is_secure or request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower() == "https"
    )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks."""

    name: str
    role: str


def sign_in(user: OpsUser) -> None:
    """Begin a session; nothing of what the cookie held before lives on in it."""
    session.clear()
    now = int(time.time())
    session.update(name=user.name, since=now, seen=now)


def signed_in(users: Mapping[str, OpsUser], *, by_hand: bool) -> SignedIn | None:
    """Who is signed in, if anybody still is. Only a page asked for `by_hand` puts off the end of an idle session."""
    user = users.get(str(session.get("name")))
    since, seen = session.get("since"), session.get("seen")
    if user is None or not isinstance(since, int) or not isinstance(seen, int):
        return None
    now = time.time()
    if now - since >= LASTS.total_seconds() or now - seen >= IDLE.total_seconds():
        session.clear()
        return None
    if by_hand and now - seen > NOTED_EVERY.total_seconds():
        session["seen"] = int(now)
    return SignedIn(user.name, user.role)
