"""What the door is measured beside: bare handlers on the same server, with the same options and settings.

They use no framework, and so cost less than the door would if it did only what they do: `answer_only` reads the body,
`verify_only` checks its signature too, `ordinary` then stores the event and tells the queue, one by one.
Run as a program with one of these names; settings come from the environment, as for the door.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Engine, text

from db.engine import make_engine
from dispatch import logs
from dispatch.broker import make_broker, make_client
from dispatch.wake import Wake
from embedded.leash import end_with_parent
from providers.due.signature import HEADER, load_keys, verify
from providers.webhook_keys import SignatureRefused, WebhookKey
from settings import load
from web.main import serve

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Handle = Callable[[bytes, Mapping[str, str]], str]  # body and signature header to a status; SignatureRefused: 401
Keys = Sequence[WebhookKey[Ed25519PublicKey]]

_INSERT: Final = text("""
    INSERT INTO inbox_events (provider, event_id, route, type, source, body, body_digest, headers, matched_key)
    VALUES ('due', :event_id, '/webhooks/due', :type, 'webhook', :body, :digest, '{}', :matched_key)
    ON CONFLICT (provider, event_id) DO NOTHING
    RETURNING id
""")


def answer_only() -> Application:
    """Checks nothing: what the server and the load themselves can do."""
    return _application(lambda _body, _headers: "accepted")


def verify_only() -> Application:
    """Checks the signature, with the product's own function."""
    return _application(verify_handler(_keys()))


def ordinary() -> Application:
    """Checks the signature, then one insert, one commit and one message for each event. No thread waits for another."""
    settings = load(os.environ)
    engine = make_engine(settings.database_url.reveal(), pool=settings.web_threads)
    redis_url = settings.redis_url.reveal()
    return _application(ordinary_handler(_keys(), engine, Wake(make_broker(redis_url), make_client(redis_url)).events))


def verify_handler(keys: Keys) -> Handle:
    """Takes what one of the keys has signed."""

    def handle(body: bytes, headers: Mapping[str, str]) -> str:
        verify(body, headers, keys, datetime.now(UTC))
        return "accepted"

    return handle


def ordinary_handler(keys: Keys, engine: Engine, wake: Callable[[Sequence[int]], None]) -> Handle:
    """Takes what one of the keys has signed, stores it once and has it announced."""

    def handle(body: bytes, headers: Mapping[str, str]) -> str:
        matched = verify(body, headers, keys, datetime.now(UTC))
        event = json.loads(body)
        row = {"event_id": event["id"], "type": event["type"], "body": body, "digest": sha256(body).digest()}
        with engine.begin() as connection:
            stored = connection.execute(_INSERT, {**row, "matched_key": matched.fingerprint}).scalar()
        if stored is None:
            return "duplicate"
        wake([stored])
        return "accepted"

    return handle


def _keys() -> Keys:
    return load_keys(load(os.environ).due.webhook_public_keys or ())


def _application(handle: Handle) -> Application:
    end_with_parent(os.getppid())  # the serving process: an orphan would hold the port

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        code, status = "200 OK", "refused"
        try:
            status = handle(environ["wsgi.input"].read(), {HEADER: environ.get("HTTP_X_WEBHOOK_SIGNATURE", "")})
        except SignatureRefused:
            code = "401 Unauthorized"
        answer = b'{"status":"%s"}' % status.encode()
        start_response(code, [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    return application


BUILDS: Final = {build.__name__: build for build in (answer_only, verify_only, ordinary)}


def main() -> None:
    """Serve the handler named by the one argument."""
    settings = load(os.environ)
    logs.configure(settings.log_level)
    serve(settings, BUILDS[sys.argv[1]])


if __name__ == "__main__":
    main()
