"""Errors as RFC 9457 problem documents: a stable `type`, no secret, no echo of what was sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flask import Response

TYPE_PREFIX = "urn:rampkeeper:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal, told the same way each time. `name` ends its type, and never changes."""

    name: str
    status: int
    title: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def response(self) -> Response:
        """The answer to send."""
        document = {"type": TYPE_PREFIX + self.name, "title": self.title, "status": self.status}
        return Response(
            json.dumps(document), self.status, headers=dict(self.headers), mimetype="application/problem+json"
        )


NO_SUCH_PAGE = Problem("no-such-page", 404, "There is nothing at this address.")
NO_SUCH_PROVIDER = Problem("no-such-provider", 404, "No provider is received at this address.")
METHOD_NOT_ALLOWED = Problem("method-not-allowed", 405, "This address takes other methods only.")
POST_ONLY = Problem("method-not-allowed", 405, "Webhooks are posted.", {"Allow": "POST"})
TOO_LARGE = Problem("too-large", 413, "The body has more than 262,144 bytes.")
NOT_JSON_TYPE = Problem("unsupported-media-type", 415, "The Content-Type is not JSON.")
SOURCE_REFUSED = Problem("source-refused", 403, "This address may not send here.")
NO_SIGNATURE = Problem("signature-missing", 401, "The signature is missing.", {"WWW-Authenticate": "Signature"})
BAD_SIGNATURE = Problem("signature-wrong", 401, "The signature is wrong.", {"WWW-Authenticate": "Signature"})
STALE = Problem("timestamp-stale", 400, "The signed time is too far from now.")
CUT_SHORT = Problem("body-incomplete", 400, "The body ended early or came too slowly.")
NOT_AN_OBJECT = Problem("not-an-object", 400, "The body is not a JSON object.")
TOO_MANY = Problem("too-many-requests", 429, "Too many requests from this address.", {"Retry-After": "1"})
CANNOT_STORE = Problem("cannot-store", 503, "The event cannot be stored now; send it again.", {"Retry-After": "5"})
NOT_SIGNED_IN = Problem("token-wrong", 401, "A bearer token is asked for.", {"WWW-Authenticate": "Bearer"})
FAILED = Problem("failed", 500, "Something failed on our side.")
