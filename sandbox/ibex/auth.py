"""Ibex's routes that give tokens: OAuth client credentials, and the older sign-in by e-mail."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from flask import Response, request

from sandbox.http import Routes, json_body, reply
from sandbox.ibex.bodies import text

OPEN: Final = frozenset(
    {"/oauth/token", "/auth/signin", "/auth/refresh-access-token", "/auth/revoke-refresh-token"}
)  # want no token


class AuthRoutes(Routes):
    """Both generations on one app, where Ibex has a host for each."""

    table: ClassVar = (
        ("POST", "/oauth/token", "give_token"),
        ("POST", "/auth/signin", "sign_in"),
        ("POST", "/auth/refresh-access-token", "refresh"),
        ("POST", "/auth/revoke-refresh-token", "revoke"),
    )

    def give_token(self) -> Response:
        """Client credentials, as a form (JSON is read too); errors are those of OAuth."""
        given = json_body() if request.is_json else request.form.to_dict()
        if given.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "only client_credentials")
        if given.get("audience") != self.world.config.ibex_audience:
            return _refused(403, "access_denied", "unknown audience")
        token = self.world.ibex.tokens.for_client(str(given.get("client_id")), str(given.get("client_secret")))
        if token is None:
            return _refused(401, "access_denied", "unauthorized")
        answer: dict[str, Any] = {"access_token": token.text, "token_type": "Bearer"}
        if self.world.config.ibex_says_expiry:
            answer["expires_in"] = int(self.world.config.ibex_token_seconds)
        return reply(answer)

    def sign_in(self) -> Response:
        """`{email, password}` for two tokens and when each ends, in unix seconds."""
        body = json_body()
        access, refresh = self.world.ibex.tokens.sign_in(text(body, "email"), text(body, "password"))
        return reply(
            {
                "accessToken": access.text,
                "accessTokenExpiresAt": int(access.expires_at.timestamp()),
                "refreshToken": refresh.text,
                "refreshTokenExpiresAt": int(refresh.expires_at.timestamp()),
            }
        )

    def refresh(self) -> Response:
        """`{refreshToken}` for a new access token; its end has another name here."""
        token = self.world.ibex.tokens.renew(text(json_body(), "refreshToken"))
        return reply({"accessToken": token.text, "expiresAt": int(token.expires_at.timestamp())})

    def revoke(self) -> Response:
        """`{refreshToken}` is worth nothing from now on; one that never was, neither."""
        self.world.ibex.tokens.revoke(text(json_body(), "refreshToken"))
        return Response(status=204)


def _refused(status: int, error: str, description: str) -> Response:
    return reply({"error": error, "error_description": description}, status)
