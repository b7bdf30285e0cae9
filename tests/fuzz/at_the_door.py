"""Requests to the door, and what is signed: the answers that were promised, and no way round a signature."""

import base64
import hmac
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from flask import Flask
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from werkzeug.datastructures import EnvironHeaders, Headers
from werkzeug.exceptions import HTTPException
from werkzeug.test import run_wsgi_app

from db.inbox import Arrival, Stored
from providers.bridge import signature as bridge
from providers.due import signature
from providers.fields import WrongShape
from providers.ibex import secret as ibex
from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys, routes
from providers.stripe import signature as stripe
from providers.webhook_keys import SignatureRefused, StaleTimestamp, load_secrets
from tests.support.door import NOW, Signer
from tests.support.signing import IBEX_SECRET, STRIPE_SECRET, bridge_headers, bridge_key, stripe_headers
from web.app import _http_problem
from web.inbox_writer import InboxWriter
from web.json_object import parse_object
from web.metrics import DoorMetrics
from web.receiver import Receiver

SIGNER: Final = Signer()
LEGACY: Final = "due-legacy-test-secret"
ED25519: Final = "X-Webhook-Signature"
HMAC: Final = "X-Due-Signature"
STRIPES: Final = "Stripe-Signature"
BRIDGE_PUBLIC: Final = Windowed(base64.b64decode(bridge_key().der_base64))
RIGHT: Final = "*"  # in a signature header: the signature that is right for the body
PROMISED: Final = {200, 400, 401, 404, 405, 413, 415}
SERVER: Final[Mapping[str, Any]] = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "door.test",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(request: bytes) -> dict[str, Any]:
    """What a WSGI server makes of a request; a signature header's `*` is the right signature.

    The length is the body's unless the request says another; with `Transfer-Encoding` the end of input ends it.
    """
    head, _, body = request.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.removesuffix(" HTTP/1.1").partition("?")
    sent = {name.strip().upper().replace("-", "_"): text.strip() for name, _, text in (x.partition(":") for x in lines)}
    own = bridge_signature(body) if path.startswith("/webhooks/bridge") else SIGNER.sign(body)
    signed = {"X_WEBHOOK_SIGNATURE": own, "X_DUE_SIGNATURE": legacy_signature(body)}
    signed["STRIPE_SIGNATURE"] = stripe_header(body)
    sent |= {name: text.replace(RIGHT, right) for name, right in signed.items() if (text := sent.get(name)) is not None}
    length = {} if "TRANSFER_ENCODING" in sent else {"CONTENT_LENGTH": sent.get("CONTENT_LENGTH", str(len(body)))}
    kind = {"CONTENT_TYPE": sent["CONTENT_TYPE"]} if "CONTENT_TYPE" in sent else {}
    rest = {f"HTTP_{name}": text for name, text in sent.items() if name and not name.startswith("CONTENT_")}
    return {
        **SERVER,
        "REQUEST_METHOD": method or "GET",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1") or "/",
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": "TRANSFER_ENCODING" in sent,
        "wsgi.errors": io.StringIO(),
        **length,
        **kind,
        **rest,
    }


def legacy_signature(body: bytes) -> str:
    return hmac.digest(LEGACY.encode(), body, "sha256").hex()


def bridge_signature(body: bytes) -> str:
    return bridge_headers(body)[ED25519]  # their headers have one name


def stripe_header(body: bytes) -> str:
    return stripe_headers(body)[STRIPES]


def check_answer(app: Any, request: bytes, stored: Callable[[], int]) -> int:
    """Send it to an application whose door is SIGNER's; the status, once answer and store agree with each other."""
    environ = environ_of(request)
    before = stored()
    body: bytes = environ["wsgi.input"].getvalue()
    answer, status_line, headers = run_wsgi_app(app, environ, buffered=True)
    said = b"".join(answer)
    status = int(status_line.split()[0])
    if environ["PATH_INFO"].startswith(("/webhooks/", "/webhook/")):
        assert status in PROMISED, status_line
        check_refusal(status, headers, said, environ["REQUEST_METHOD"])
    assert status < 500 or (status, environ["PATH_INFO"][:4]) == (503, "/ops"), status_line  # it has no users here
    if status == 200 and stored() > before:
        assert environ["REQUEST_METHOD"] == "POST"
        assert proved(EnvironHeaders(environ), environ["PATH_INFO"], body)
        parse_object(body)
    else:
        assert stored() == before, "a refusal stores nothing"
    return status


def check_refusal(status: int, headers: Headers, said: bytes, method: str) -> None:
    """A refusal is a problem document of that status; an acceptance says which it is."""
    if method == "HEAD":
        return
    document = json.loads(said)
    if status == 200:
        assert document in ({"status": "accepted"}, {"status": "duplicate"})
        return
    assert headers["Content-Type"] == "application/problem+json"
    assert document["status"] == status
    assert set(document) == {"type", "title", "status"}, "nothing of the request is said again"


def proved(headers: EnvironHeaders, path: str, body: bytes) -> bool:
    """Whether these headers or this body carry the right proof, told apart without the code that is under test."""
    if path.startswith("/webhooks/bridge"):
        return headers.get(ED25519, "").strip(" \t") == bridge_signature(body)
    if path in {"/webhooks/stripe", "/webhook/stripe"}:
        return is_stripes(headers.get(STRIPES, ""), body)
    if path.startswith("/webhooks/ibex"):
        return carries(body, headers.get("X-Webhook-Secret"))
    if ED25519 in headers or path == "/webhooks/due":
        return headers.get(ED25519, "").strip(" \t").lower() == SIGNER.sign(body)
    return headers.get(HMAC, "").strip(" \t").lower() == legacy_signature(body)


def is_stripes(text: str, body: bytes) -> bool:
    """Whether a header has the one time that is now, and a signature for it."""
    fields = [field.strip(" \t") for field in text.split(",")]
    return set(stripe_header(body).split(",")) <= set(fields)


def carries(body: bytes, header: str | None) -> bool:
    """Whether the secret is in a place where IBEX puts it."""
    said = json.loads(body, parse_int=str, parse_float=str)
    inner = said.get("data")
    places = [said.get("webhookSecret"), said.get("secret"), header]
    return IBEX_SECRET in [*places, inner.get("webhookSecret") if isinstance(inner, dict) else None]


@contextmanager
def a_door() -> Iterator[tuple[Any, list[Arrival]]]:
    """An application with the door alone, and what it has stored, in memory."""
    kept: list[Arrival] = []

    def store(arrivals: Sequence[Arrival]) -> list[Stored]:
        kept.extend(arrivals)
        return [Stored(1, duplicate=False) for _ in arrivals]

    metrics = DoorMetrics()
    writer = InboxWriter(store, lambda ids: None, metrics=metrics)
    keys = ReceivingKeys(
        due_public_keys=[Windowed(SIGNER.der)],
        due_legacy_secrets=[Windowed(Secret(LEGACY))],
        bridge_public_keys=[BRIDGE_PUBLIC],
        ibex_secrets=[Windowed(Secret(IBEX_SECRET))],
        stripe_secrets=[Windowed(Secret(STRIPE_SECRET))],
    )
    limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
    app = Flask("door")
    app.register_error_handler(HTTPException, _http_problem)
    Receiver(routes(keys), writer, metrics, limiter=limiter, now=lambda: NOW).mount(app)
    yield app, kept
    writer.stop()


def door(request: bytes) -> None:
    """Always one of the promised answers; stored is what was proved, and nothing else."""
    answer_to(request)


def answer_to(request: bytes) -> int:
    """The status of a door's answer that has been checked."""
    with a_door() as (app, kept):
        status = check_answer(app, request, lambda: len(kept))
    for arrival in kept:
        assert arrival.provider != "ibex" or IBEX_SECRET.encode() not in arrival.body
    return status


ED25519_KEYS: Final = signature.load_keys([Windowed(Signer(7).der), Windowed(SIGNER.der)])
HMAC_SECRETS: Final = load_secrets([Windowed(Secret("another")), Windowed(Secret(LEGACY))])


def due_signature(data: bytes) -> None:
    """Header, newline, body: accepted only with the right signature, in either case of its letters."""
    text, headers, body = _signed(data, ED25519, SIGNER.sign)
    try:
        signature.verify(body, headers, ED25519_KEYS, NOW)
    except SignatureRefused:
        assert text.strip(" \t").lower() != SIGNER.sign(body)
    else:
        assert text.strip(" \t").lower() == SIGNER.sign(body)


def due_legacy_signature(data: bytes) -> None:
    """The same with the seed's HMAC."""
    text, headers, body = _signed(data, HMAC, legacy_signature)
    try:
        signature.verify_legacy(body, headers, HMAC_SECRETS, NOW)
    except SignatureRefused:
        assert text.strip(" \t").lower() != legacy_signature(body)
    else:
        assert text.strip(" \t").lower() == legacy_signature(body)


BRIDGE_KEYS: Final = bridge.load_keys([Windowed(base64.b64decode(bridge_key(1).der_base64)), BRIDGE_PUBLIC])
STRIPE_SECRETS: Final = load_secrets([Windowed(Secret("whsec_another")), Windowed(Secret(STRIPE_SECRET))])
IBEX_SECRETS: Final = ibex.load_secrets([Windowed(Secret("another-secret-of-ours")), Windowed(Secret(IBEX_SECRET))])


def bridge_signed(data: bytes) -> None:
    """Header, newline, body: accepted only with Bridge's signature of now."""
    text, headers, body = _signed(data, ED25519, bridge_signature)
    try:
        bridge.verify(body, headers, BRIDGE_KEYS, NOW)
    except (SignatureRefused, StaleTimestamp):
        assert text.strip(" \t") != bridge_signature(body)
    else:
        assert text.strip(" \t") == bridge_signature(body)


def stripe_signed(data: bytes) -> None:
    """The same with Stripe's, which may stand among others."""
    text, headers, body = _signed(data, STRIPES, stripe_header)
    try:
        stripe.verify(body, headers, STRIPE_SECRETS, NOW)
    except (SignatureRefused, StaleTimestamp):
        assert text.strip(" \t") != stripe_header(body)
    else:
        assert is_stripes(text, body)


def ibex_proved(data: bytes) -> None:
    """The same with IBEX's secret, of which nothing is left: proved once, a body without it proves nothing."""
    text, _, body = data.partition(b"\n")
    headers = Headers([("X-Webhook-Secret", text.decode("latin-1").replace("\r", ""))]) if text else Headers()
    try:
        proved = ibex.prove(body, headers, IBEX_SECRETS, NOW)
    except (SignatureRefused, WrongShape):
        return
    assert carries(body, headers.get("X-Webhook-Secret")) or b"another-secret-of-ours" in data
    assert isinstance(parse_object(proved.body), dict)
    if carries(body, headers.get("X-Webhook-Secret")):
        assert IBEX_SECRET.encode() not in proved.body
    with suppress(SignatureRefused):
        ibex.prove(proved.body, Headers(), IBEX_SECRETS, NOW)
        raise AssertionError("a proof is left")


def _signed(data: bytes, header: str, sign: Callable[[bytes], str]) -> tuple[str, Headers, bytes]:
    text, _, body = data.partition(b"\n")
    value = text.decode("latin-1").replace("\r", "").replace(RIGHT, sign(body))
    return value, Headers([(header, value)]), body
