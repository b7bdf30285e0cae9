"""The door's checks, as Due's routes make them: each answer, and that what is wrong twice gets the earlier one."""

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from db.inbox import Arrival, Stored
from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys
from tests.support.door import NOW, Signer, event
from tests.support.memory_door import MemoryDoor, problem
from web.body import MOST_BYTES

SIGNER = Signer()
KEYS = ReceivingKeys(
    due_public_keys=[Windowed(SIGNER.der, NOW - timedelta(days=1)), Windowed(Signer(7).der, None, NOW)],
    due_legacy_secrets=[Windowed(Secret("due-legacy-test-secret"))],
)
LEGACY_BODY = b'{"event":"deposit","virtualAccountId":"va_Test0001","amount":"250.00"}'
LEGACY_SIGNATURE = "07b9446b5ec301b873d4db9e3c597cbd0872b840435a483e3cfbc8afbe94724b"


class Door(MemoryDoor):
    """A door of Due."""

    def __init__(self, keys: ReceivingKeys = KEYS, *, limited: bool = False) -> None:
        super().__init__(keys, limited=limited)

    def post(self, body: bytes, path: str = "/webhooks/due", **headers: str) -> TestResponse:
        """A request signed as Due signs; keyword headers are added or, when empty, taken away."""
        sent = SIGNER.headers(body) | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.client.post(path, data=body, headers={name: text for name, text in sent.items() if text})


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.writer.stop()


class TestAccepted:
    def test_a_signed_event_is_stored_as_it_came_and_then_a_duplicate(self, door: Door) -> None:
        first, second = door.post(event()), door.post(event())

        assert (first.status_code, first.json) == (200, {"status": "accepted"})
        assert (second.status_code, second.json) == (200, {"status": "duplicate"})
        stored = door.arrivals[0]
        assert (stored.provider, stored.event_id, stored.type) == ("due", "wh_evt_1", "transfer.status_changed")
        assert stored.body == event()
        assert "x-webhook-signature" not in {name.lower() for name in stored.headers}

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/cloudevents+json", ""])
    def test_json_of_any_kind_and_no_type_at_all_pass(self, door: Door, kind: str) -> None:
        assert door.post(event(), Content_Type=kind).status_code == 200

    def test_exactly_the_most_bytes_pass(self, door: Door) -> None:
        body = b'{"id":"a"}'

        assert door.post(body + b" " * (MOST_BYTES - len(body))).status_code == 200
        assert problem(door.post(body + b" " * (MOST_BYTES + 1 - len(body)))) == (413, "too-large")

    def test_the_legacy_signature_opens_its_own_route_only(self, door: Door) -> None:
        headers = {"X_Webhook_Signature": "", "X_Due_Signature": LEGACY_SIGNATURE}

        assert door.post(LEGACY_BODY, "/webhooks/due/deposit", **headers).status_code == 200
        assert problem(door.post(LEGACY_BODY, "/webhooks/due", **headers)) == (401, "signature-missing")

    def test_with_both_signatures_only_ed25519_counts(self, door: Door) -> None:
        wrong = {"X_Webhook_Signature": "00" * 64, "X_Due_Signature": LEGACY_SIGNATURE}
        right = {"X_Due_Signature": "00" * 32}

        assert door.post(LEGACY_BODY, "/webhooks/due/deposit", **wrong).status_code == 401
        assert door.post(LEGACY_BODY, "/webhooks/due/deposit", **right).status_code == 200

    def test_without_a_legacy_secret_its_signature_is_refused(self) -> None:
        door = Door(ReceivingKeys(due_public_keys=KEYS.due_public_keys))
        headers = {"X_Webhook_Signature": "", "X_Due_Signature": LEGACY_SIGNATURE}

        assert problem(door.post(LEGACY_BODY, "/webhooks/due/deposit", **headers)) == (401, "signature-wrong")


class TestNames:
    """How an event is told apart, so that a resend is found and another event is not taken for one."""

    def name(self, door: Door, **body: object) -> str:
        assert door.post(json.dumps(body).encode()).status_code == 200
        return door.arrivals[-1].event_id

    def test_without_an_id_type_object_and_status_name_it(self, door: Door) -> None:
        body = {"type": "t", "data": {"id": "tf_1", "status": "failed"}}

        first = self.name(door, **body)

        assert self.name(door, **body, occurredAt="later") == first
        assert self.name(door, type="t", data={"id": "tf_1", "status": "approved"}) != first

    @pytest.mark.parametrize("odd", [7, None, "", [], {"id": "x"}, True])
    def test_an_id_that_is_no_text_names_nothing(self, door: Door, odd: object) -> None:
        assert self.name(door, id=odd).startswith("sha256:")

    @pytest.mark.parametrize("odd", ["a\x00b", "\ud800", "x" * 5000, "é", "poll:transfer:tf_1:1", "sha256:00", "a b"])
    def test_an_id_that_cannot_be_a_key_or_looks_like_ours_is_digested(self, door: Door, odd: str) -> None:
        first = self.name(door, id=odd)

        assert first.startswith("named:")
        assert self.name(door, id=odd, more=1) == first
        assert self.name(door, id=odd + "!") != first

    def test_a_type_is_kept_fit_for_a_column(self, door: Door) -> None:
        self.name(door, id="a", type="x\x00\ud800" + "y" * 500)
        assert door.arrivals[-1].type == "x??" + "y" * 97

        self.name(door, id="b", type={"not": "text"})
        assert door.arrivals[-1].type is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X_Webhook_Signature": ""}, "signature_missing"),
        ({"X_Webhook_Signature": "zz" * 64}, "signature_malformed"),
        ({"X_Webhook_Signature": "00" * 63}, "signature_malformed"),
        ({"X_Webhook_Signature": "00" * 64}, "signature_wrong"),
        ({"X_Webhook_Signature": SIGNER.sign(b"another body")}, "signature_wrong"),
        ({"X_Webhook_Signature": Signer(9).sign(event())}, "signature_wrong"),
        ({"X_Webhook_Signature": Signer(7).sign(event())}, "key_retired"),
    ],
)
def test_a_refused_signature_is_401_and_counted_once_by_its_reason(
    door: Door, headers: dict[str, str], reason: str
) -> None:
    status, kind = problem(door.post(event(), **headers))

    assert (status, kind) == (401, "signature-missing" if reason == "signature_missing" else "signature-wrong")
    assert door.refusals() == {("due", reason): 1}
    assert door.arrivals == []


WRONGS = {
    "path": (404, "no-such-provider"),
    "method": (405, "method-not-allowed"),
    "size": (413, "too-large"),
    "kind": (415, "unsupported-media-type"),
    "signature": (401, "signature-missing"),
    "shape": (400, "not-an-object"),
    "rate": (429, "too-many-requests"),
    "store": (503, "cannot-store"),
}


def send_wrong(wrongs: Sequence[str], *, chunked: bool = False) -> tuple[TestResponse, Door]:
    door = Door(limited="rate" in wrongs)
    if "rate" in wrongs:
        assert door.post(event("wh_evt_0")).status_code == 200
    door.broken = "store" in wrongs
    start, end = (b"[", b"]") if "shape" in wrongs else (b'{"a":', b"}")
    body = start + b'"secret echo"' + (b" " * MOST_BYTES if "size" in wrongs else b"") + end
    headers = SIGNER.headers(body)
    if "signature" in wrongs:
        del headers["X-Webhook-Signature"]
    if "kind" in wrongs:
        headers["Content-Type"] = "text/plain"
    response = door.client.open(
        "/webhooks/nobody" if "path" in wrongs else "/webhooks/due",
        method="PUT" if "method" in wrongs else "POST",
        data=body,
        headers=headers | ({"Transfer-Encoding": "chunked"} if chunked else {}),
        environ_overrides={"wsgi.input_terminated": True} if chunked else {},
    )
    door.writer.stop()
    return response, door


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "wrongs", [(wrong,) for wrong in WRONGS] + list(itertools.combinations(WRONGS, 2)), ids="+".join
)
def test_the_earlier_check_answers(wrongs: tuple[str, ...], chunked: bool) -> None:  # noqa: FBT001 - pytest's own way
    response, door = send_wrong(wrongs, chunked=chunked)

    status, kind = WRONGS[wrongs[0]]
    assert problem(response) == (status, kind)
    assert b"secret echo" not in response.data
    assert sum(door.refusals().values()) == 1
    assert ("Retry-After" in response.headers) == (status in {429, 503})
    if status == 405:
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/webhooks/due/", "/webhooks/Due", "/webhooks/due/kyc", "/webhook/due", "/webhooks/"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "OPTIONS", "BREW"])
def test_a_route_is_one_exact_path_whatever_the_method(door: Door, path: str, method: str) -> None:
    assert door.client.open(path, method=method).status_code == 404


@pytest.mark.parametrize("alias", ["/webhook/stripe", "/webhooks/bridge/kyc", "/webhooks/ibex/crypto-receive"])
def test_a_provider_without_a_receiving_key_is_unknown(door: Door, alias: str) -> None:
    assert problem(door.post(event(), alias))[0] == 404
    assert Door(ReceivingKeys()).post(event()).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"id":"wh_evt_1",',
        b"not json",
        b'{"id":"\x00"}',
        b'{"id":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"id":NaN}',
        b"[" * 200_000,
        b"null",
    ],
)
def test_what_is_signed_but_no_object_is_refused(door: Door, body: bytes) -> None:
    assert problem(door.post(body)) == (400, "not-an-object")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"id":"a","id":"b"}',
        b'{"id":"a","amount":' + b"9" * 100_000 + b"}",
        b'{"id":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id":"a","occurredAt":"2026-01-01T00:00:00.123456789Z","type":"who.knows"}',
        b'{"event":"deposit","virtualAccountId":"va","type":"transfer.status_changed","data":{}}',
        b'{"id":{"deep":[]},"type":7,"data":"text"}',
    ],
)
def test_what_is_signed_and_an_object_is_stored_however_odd(door: Door, body: bytes) -> None:
    assert door.post(body).json == {"status": "accepted"}
    assert door.arrivals[0].body == body


def test_no_refusal_logs_the_body_or_an_exception(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.post(b"private text")
    door.post(b"private text", X_Webhook_Signature="private")

    written = "".join(capsys.readouterr())
    assert "webhook.refused" in written
    assert "private" not in written
    assert "Traceback" not in written


def test_a_bug_is_told_without_its_words(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open routes are answered ahead of Flask and its handlers, yet in the same form."""

    def broken(_arrival: Arrival) -> Stored:
        raise RuntimeError("a secret")

    monkeypatch.setattr(door.writer, "write", broken)

    response = door.post(event())

    assert problem(response) == (500, "failed")
    assert b"secret" not in response.data
