"""The door's checks, as IBEX's routes make them: whence it comes, JSON before the proof, and no secret kept."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys
from providers.sources import load_sources
from tests.support.door import NOW, Signer
from tests.support.memory_door import LAST, SHARED, MemoryDoor, knock, problem
from tests.support.signing import IBEX_SECRET, ibex_event
from web.body import MOST_BYTES

PATHS = ["/webhooks/ibex", "/webhooks/ibex/crypto-receive"]
SECRETS = [Windowed(Secret(IBEX_SECRET))]
KEYS = ReceivingKeys(ibex_secrets=SECRETS)
THEIRS = "35.243.242.121"
LISTED = ReceivingKeys(ibex_secrets=SECRETS, ibex_sources=load_sources([THEIRS, "34.74.236.0/24"]))
FLAT = {"tx_hash": "0xabc", "address": "0x52908400098527886E0F7030069857D2E4169EE7", "network": "ethereum"}
ENVELOPE = {"event": "crypto.received", "data": FLAT}


@pytest.fixture
def door() -> Iterator[MemoryDoor]:
    door = MemoryDoor(KEYS)
    yield door
    door.writer.stop()


def answer(door: MemoryDoor, body: bytes, path: str = PATHS[0], **headers: str) -> tuple[int, str]:
    response = door.send(body, path, {name.replace("_", "-"): text for name, text in headers.items()})
    return (200, str((response.json or {})["status"])) if response.status_code == 200 else problem(response)


class TestTheSheetsVector:
    @pytest.mark.parametrize("path", PATHS)
    def test_passes_and_again_is_a_duplicate(self, door: MemoryDoor, path: str) -> None:
        body = json.dumps(FLAT | {"webhookSecret": IBEX_SECRET}).encode()
        assert [answer(door, body, path)[1] for _ in range(2)] == ["accepted", "duplicate"]

    @pytest.mark.parametrize("said", ["ibx_whsec_7Qm3", "IBX_WHSEC_7Qm2", "", None, 7, True, {}, [IBEX_SECRET]])
    def test_is_401_with_any_other_secret(self, door: MemoryDoor, said: Any) -> None:
        told = answer(door, json.dumps(FLAT | {"webhookSecret": said}).encode(), X_Webhook_Secret=IBEX_SECRET)
        assert told == (401, "signature-wrong")  # the first place counts, even if nothing can be made of it
        assert door.arrivals == []

    def test_is_401_without_one(self, door: MemoryDoor) -> None:
        assert answer(door, json.dumps(FLAT).encode()) == (401, "signature-missing")

    @pytest.mark.parametrize("secret", ["", " "])
    def test_closes_the_routes_when_the_configured_one_is_empty(self, secret: str) -> None:
        door = MemoryDoor(ReceivingKeys(ibex_secrets=[Windowed(Secret(secret))]))
        assert answer(door, ibex_event(secret=secret)) == (404, "no-such-provider")


class TestTheSecret:
    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (ibex_event(), {}),
            (ibex_event(secret=..., webhookSecret=IBEX_SECRET), {}),
            (json.dumps(ENVELOPE | {"data": FLAT | {"webhookSecret": IBEX_SECRET}}).encode(), {}),
            (json.dumps(ENVELOPE).encode(), {"X_Webhook_Secret": IBEX_SECRET}),
            (ibex_event(note=f"sent with {IBEX_SECRET}", deep=[{"webhook_secret": "another"}]), {}),
            (ibex_event().replace(b"ibx_", b"\\u0069bx_"), {}),
        ],
        ids=["secret", "webhookSecret", "in-data", "header", "repeated", "escaped"],
    )
    def test_is_neither_stored_nor_logged_wherever_it_stood(
        self, door: MemoryDoor, body: bytes, headers: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert answer(door, body, **headers) == (200, "accepted")
        (stored,) = door.arrivals
        kept = f"{stored.body!r}{stored.headers}{stored.event_id}{stored.type}{stored.matched_key}"
        assert "whsec_7Qm2" not in kept
        assert "secret" not in json.loads(stored.body)
        assert "whsec_7Qm2" not in "".join(capsys.readouterr())

    def test_that_is_wrong_is_not_logged_either(self, door: MemoryDoor, capsys: pytest.CaptureFixture[str]) -> None:
        answer(door, ibex_event(secret=f"{IBEX_SECRET}x"))
        written = "".join(capsys.readouterr())
        assert "webhook.refused" in written
        assert "whsec_7Qm2" not in written

    def test_taken_away_leaves_every_digit_of_an_amount(self, door: MemoryDoor) -> None:
        body = b'{"secret":"ibx_whsec_7Qm2","transaction":{"id":"tx_1","amount":100.50000000010,"n":1e400}}'
        answer(door, body)
        assert door.arrivals[0].body == b'{"transaction":{"id":"tx_1","amount":100.50000000010,"n":1e400}}'

    def test_of_two_deliveries_does_not_make_two_events(self) -> None:
        """While the secret rotates the same event may come with either."""
        entries = [Windowed(Secret("new-secret")), *SECRETS, Windowed(Secret("gone-secret"), not_after=NOW)]
        door = MemoryDoor(ReceivingKeys(ibex_secrets=entries))
        nameless = [
            json.dumps({"unheard": "of", "secret": one}).encode() for one in ["new-secret", IBEX_SECRET, "gone-secret"]
        ]
        told = [answer(door, body)[1] for body in nameless]
        door.writer.stop()

        assert told == ["accepted", "duplicate", "signature-wrong"]
        assert door.refusals() == {("ibex", "key_retired"): 1}

    def test_of_another_provider_opens_nothing(self, door: MemoryDoor) -> None:
        body = ibex_event(secret="whsec_test_4b1d8f0c2e7a")
        assert answer(door, body, X_Webhook_Signature=Signer().sign(body)) == (401, "signature-wrong")


class TestWhereItComesFrom:
    def told(self, door: MemoryDoor, peer: str, body: bytes = b"not json", **headers: str) -> int:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        return door.send(body, PATHS[0], sent, peer=peer).status_code

    def test_is_asked_before_the_body_is_judged(self) -> None:
        door = MemoryDoor(LISTED)
        assert [self.told(door, peer) for peer in (THEIRS, "34.74.236.191", "34.74.237.1", "::1", "")] == [
            *(400, 400),
            *(403, 403, 403),
        ]
        assert self.told(door, "203.0.113.9", ibex_event()) == 403
        assert door.refusals() == {("ibex", "not_an_object"): 2, ("ibex", "source_refused"): 4}

    def test_is_not_what_the_sender_says(self) -> None:
        """Without a proxy of ours in front nobody's word is taken for it, whichever end it stands at."""
        door = MemoryDoor(LISTED)
        for said in (THEIRS, f"{THEIRS}, 203.0.113.9", f"203.0.113.9, {THEIRS}"):
            assert self.told(door, "203.0.113.9", X_Forwarded_For=said) == 403
            assert self.told(door, "203.0.113.9", Forwarded=f"for={THEIRS}", X_Real_IP=THEIRS) == 403

    def test_is_what_our_proxy_says_of_its_own_peer(self) -> None:
        door = MemoryDoor(LISTED, proxies=load_sources(["10.0.0.0/8"]))
        assert self.told(door, "10.1.2.3", X_Forwarded_For=THEIRS) == 400
        assert self.told(door, "10.1.2.3", X_Forwarded_For=f"203.0.113.9, {THEIRS}, 10.9.9.9") == 400
        assert self.told(door, "10.1.2.3", X_Forwarded_For=f"{THEIRS}, 203.0.113.9") == 403
        assert self.told(door, "10.1.2.3") == 403
        assert self.told(door, "203.0.113.9", X_Forwarded_For=THEIRS) == 403  # it came round our proxy

    def test_counts_for_the_limit_too(self) -> None:
        """Behind a proxy one sender who sends much does not use up what the others may send."""
        door = MemoryDoor(KEYS, limited=True, proxies=load_sources(["10.0.0.0/8"]))
        told = [
            self.told(door, "10.1.2.3", ibex_event(f"tx_{number}"), X_Forwarded_For=sender)
            for number, sender in enumerate(["198.51.100.1", "198.51.100.1", "198.51.100.2"])
        ]
        door.writer.stop()
        assert told == [200, 429, 200]


class TestABody:
    def test_of_exactly_the_most_bytes_passes_and_one_more_does_not(self, door: MemoryDoor) -> None:
        body = ibex_event()
        assert answer(door, body + b" " * (MOST_BYTES - len(body))) == (200, "accepted")
        assert answer(door, body + b" " * (MOST_BYTES + 1 - len(body))) == (413, "too-large")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'{"secret":"ibx_whsec_7Qm2"',
            b'{"secret":"ibx_whsec_7Qm2","n":NaN}',
            b'{"secret":"ibx_whsec_7Qm2","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'\xef\xbb\xbf{"secret":"ibx_whsec_7Qm2"}',
            b'{"secret":"ibx_whsec_7Qm2","x":"\xff"}',
        ],
    )
    def test_that_cannot_be_read_is_400_whatever_its_secret(self, door: MemoryDoor, body: bytes) -> None:
        assert answer(door, body) == (400, "not-an-object")

    @pytest.mark.parametrize(
        "body",
        [
            b'{"secret":"ibx_whsec_7Qm2","n":' + b"9" * 100_000 + b"}",
            b'{"secret":"ibx_whsec_7Qm2","a":1,"a":2}',
            b'{"secret":"ibx_whsec_7Qm2","x":"\\u0000\\ud800"}',
            b'{"secret":"wrong","secret":"ibx_whsec_7Qm2"}',
            json.dumps({"secret": IBEX_SECRET, "x": IBEX_SECRET * 15_000}).encode(),
        ],
    )
    def test_that_is_odd_is_stored(self, door: MemoryDoor, body: bytes) -> None:
        assert answer(door, body) == (200, "accepted")
        assert b"ibx" not in door.arrivals[0].body

    def test_that_poses_as_our_own_poll_names_nothing(self, door: MemoryDoor) -> None:
        answer(door, ibex_event(secret=IBEX_SECRET, poll={"kind": "transaction"}))
        assert door.arrivals[0].event_id.startswith("sha256:")


WRONGS = SHARED | {
    "source": (403, "source-refused"),
    "shape": (400, "not-an-object"),
    "secret": (401, "signature-missing"),
    **LAST,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "wrongs", [(wrong,) for wrong in WRONGS] + list(itertools.combinations(WRONGS, 2)), ids="+".join
)
def test_the_earlier_check_answers(wrongs: tuple[str, ...], path: str) -> None:
    door = MemoryDoor(LISTED, limited="rate" in wrongs)
    peer = "203.0.113.9" if "source" in wrongs else THEIRS
    if "rate" in wrongs:
        assert door.send(ibex_event("tx_0"), path, {}, peer=THEIRS).status_code == 200
    body = b"[1]" if "shape" in wrongs else ibex_event(secret=... if "secret" in wrongs else IBEX_SECRET)
    response = knock(door, body, path, {}, *set(wrongs) - {"rate"}, peer=peer)
    door.writer.stop()

    assert problem(response) == WRONGS[wrongs[0]]
    assert b"7Qm2" not in response.data


def test_a_signed_time_is_not_asked_for() -> None:
    """IBEX says none: an event of last year is as new as one of now, and the transaction is read anew anyway."""
    door = MemoryDoor(KEYS, now=NOW + timedelta(days=365))
    assert answer(door, ibex_event()) == (200, "accepted")
    door.writer.stop()
