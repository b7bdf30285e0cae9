"""The web process of both peers: verify the signature, store the event once, have its deposit begun; no framework.

Served by Granian with the product's own options: one process of 32 threads, HTTP/1.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from benchmarks.peers.engine import end_with_parent

THREADS: Final = 32
FOLLOWED: Final = "transfer.status_changed"

# Stores one event and has its deposit begun: (event id, type, body, transfer, account); False: a duplicate.
Take = Callable[[str, str, bytes, str, str], bool]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application(take: Take) -> Application:
    """Answers Due's webhooks."""
    end_with_parent()
    key = load_der_public_key(base64.b64decode(os.environ["DUE_WEBHOOK_PUBLIC_KEYS"]))
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("an Ed25519 key is needed")

    def handle(environ: dict[str, Any]) -> tuple[str, bytes]:
        body: bytes = environ["wsgi.input"].read()
        try:
            key.verify(bytes.fromhex(environ.get("HTTP_X_WEBHOOK_SIGNATURE", "")), body)
        except (InvalidSignature, ValueError):
            return "401 Unauthorized", b'{"status":"refused"}'
        event = json.loads(body)
        if event["type"] != FOLLOWED:
            return "200 OK", b'{"status":"ignored"}'
        new = take(event["id"], event["type"], body, event["data"]["id"], event["data"]["ownerId"])
        return "200 OK", b'{"status":"accepted"}' if new else b'{"status":"duplicate"}'

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = handle(environ)
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    return wsgi


def serve(build: Callable[[], Application]) -> None:
    """Serve what `build` makes in the serving process, on PORT, until SIGTERM or SIGINT."""
    server = MPServer(
        f"{build.__module__}:{build.__name__}",
        address=os.environ["WEB_HOST"],
        port=int(os.environ["PORT"]),
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=1,
        blocking_threads=THREADS,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
    )
    server.serve(target_loader=build, wrap_loader=False)
