"""The door's checks, as Bridge's routes make them: its vectors, its clock, the keys of its aliases."""

import base64
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys
from tests.support.door import NOW, Signer
from tests.support.memory_door import LAST, SHARED, MemoryDoor, knock, problem
from tests.support.signing import STRIPE_SECRET, bridge_event, bridge_headers, bridge_key, stripe_headers
from tests.unit import test_bridge_signature as sheet

PATH = "/webhooks/bridge"
ALIASES = [f"{PATH}/kyc", f"{PATH}/deposit", f"{PATH}/transfer"]
VECTOR_AT = datetime(2026, 1, 1, tzinfo=UTC)


def public(number: int) -> Windowed[bytes]:
    return Windowed(base64.b64decode(bridge_key(number).der_base64))


KEYS = ReceivingKeys(bridge_public_keys=[public(0)], stripe_secrets=[Windowed(Secret(STRIPE_SECRET))])


@pytest.fixture
def door() -> Iterator[MemoryDoor]:
    door = MemoryDoor(KEYS)
    yield door
    door.writer.stop()


def answer(door: MemoryDoor, body: bytes, headers: dict[str, str], path: str = PATH) -> tuple[int, str]:
    response = door.send(body, path, headers)
    return (200, str((response.json or {})["status"])) if response.status_code == 200 else problem(response)


class TestTheSheetsVectors:
    @pytest.mark.parametrize(
        ("key", "body", "signature", "milliseconds", "at", "told"),
        [
            (
                *(sheet.PUBLISHED_KEY, sheet.PUBLISHED_BODY, sheet.PUBLISHED_SIGNATURE, "1705854411204"),
                *(sheet.PUBLISHED_AT, (200, "accepted")),
            ),
            (sheet.KEY, sheet.BODY, sheet.SIGNATURE, sheet.MILLISECONDS, VECTOR_AT, (200, "accepted")),
            # The text of the documentation reads like a single digest: whoever signs so is not Bridge.
            (sheet.KEY, sheet.BODY, sheet.SINGLE_DIGEST, sheet.MILLISECONDS, VECTOR_AT, (401, "signature-wrong")),
        ],
        ids=["published", "our-own", "single-digest"],
    )
    def test_are_answered_as_the_sheet_says(
        self, key: str, body: bytes, signature: str, milliseconds: str, at: datetime, told: tuple[int, str]
    ) -> None:
        door = MemoryDoor(ReceivingKeys(bridge_public_keys=[Windowed(base64.b64decode(key))]), now=at)
        assert answer(door, body, sheet.signed(signature, milliseconds)) == told
        door.writer.stop()


class TestTime:
    @pytest.mark.parametrize("unit", [1_000, 1 / 1_000], ids=["microseconds", "seconds"])
    def test_in_another_unit_is_stale_however_right_the_signature(self, door: MemoryDoor, unit: float) -> None:
        body = bridge_event()
        shown = round(NOW.timestamp() * 1000 * unit)
        headers = {"X-Webhook-Signature": f"t={shown},v0={bridge_key().signature(body, shown)}"}

        assert answer(door, body, headers) == (400, "timestamp-stale")
        assert door.refusals() == {("bridge", "timestamp_stale"): 1}

    @pytest.mark.parametrize("minutes", [11, -11])
    def test_of_an_old_or_a_future_signature_is_stale(self, door: MemoryDoor, minutes: int) -> None:
        body = bridge_event()
        assert answer(door, body, bridge_headers(body, NOW + timedelta(minutes=minutes)))[1] == "timestamp-stale"

    def test_is_as_strict_as_configured(self) -> None:
        keys = ReceivingKeys(bridge_public_keys=[public(0)], bridge_tolerance=timedelta(seconds=30))
        door, body = MemoryDoor(keys), bridge_event()
        assert answer(door, body, bridge_headers(body, NOW - timedelta(seconds=31)))[0] == 400
        assert answer(door, body, bridge_headers(body, NOW - timedelta(seconds=29)))[0] == 200
        door.writer.stop()

    def test_of_a_resend_is_new_and_the_event_is_the_same(self, door: MemoryDoor) -> None:
        """Bridge signs each try anew: what tells the event apart is its id alone."""
        body = bridge_event()
        assert answer(door, body, bridge_headers(body, NOW - timedelta(minutes=5))) == (200, "accepted")
        assert answer(door, body, bridge_headers(body)) == (200, "duplicate")


class TestKeys:
    @pytest.mark.parametrize("own", [0, 1, 2])
    def test_of_an_alias_replace_the_common_ones_on_it_alone(self, own: int) -> None:
        names = ["bridge_kyc_keys", "bridge_deposit_keys", "bridge_transfer_keys"]
        door = MemoryDoor(ReceivingKeys(bridge_public_keys=[public(0)], **{names[own]: [public(1)]}))  # type: ignore[arg-type]  # mypy cannot tell which
        body = bridge_event()
        by_common = {path: answer(door, body, bridge_headers(body), path)[0] for path in [PATH, *ALIASES]}
        by_own = {path: answer(door, body, bridge_headers(body, key=1), path)[0] for path in [PATH, *ALIASES]}
        door.writer.stop()

        assert by_common == dict.fromkeys([PATH, *ALIASES], 200) | {ALIASES[own]: 401}
        assert by_own == dict.fromkeys([PATH, *ALIASES], 401) | {ALIASES[own]: 200}

    def test_in_rotation_each_have_their_window(self) -> None:
        entries = [
            Windowed(public(0).value, not_before=NOW + timedelta(hours=1)),
            public(1),
            Windowed(public(2).value, not_after=NOW),
        ]
        door, body = MemoryDoor(ReceivingKeys(bridge_public_keys=entries)), bridge_event()
        told = [answer(door, body, bridge_headers(body, key=number))[0] for number in range(3)]
        door.writer.stop()

        assert told == [401, 200, 401]
        assert door.refusals() == {("bridge", "key_not_yet_valid"): 1, ("bridge", "key_retired"): 1}

    def test_of_another_provider_open_nothing(self, door: MemoryDoor) -> None:
        body = bridge_event()
        assert answer(door, body, Signer().headers(body)) == (401, "signature-wrong")  # Due's header has the same name
        assert answer(door, body, stripe_headers(body)) == (401, "signature-missing")
        assert answer(door, body, bridge_headers(body), "/webhooks/stripe") == (401, "signature-missing")


@pytest.mark.parametrize("kind", ["transfer.updated", "updated"])
def test_a_bare_and_a_prefixed_type_are_stored_as_one(door: MemoryDoor, kind: str) -> None:
    body = bridge_event(event_type=kind)
    assert answer(door, body, bridge_headers(body)) == (200, "accepted")
    stored = door.arrivals[0]
    assert (stored.provider, stored.event_id, stored.type) == ("bridge", "wh_1", "transfer.updated")
    assert stored.body == body
    assert "x-webhook-signature" not in stored.headers


WRONGS = SHARED | {
    "signature": (401, "signature-missing"),
    "stale": (400, "timestamp-stale"),
    "shape": (400, "not-an-object"),
    **LAST,
}


@pytest.mark.parametrize(
    "wrongs", [(wrong,) for wrong in WRONGS] + list(itertools.combinations(WRONGS, 2)), ids="+".join
)
def test_the_earlier_check_answers(wrongs: tuple[str, ...]) -> None:
    door = MemoryDoor(KEYS, limited="rate" in wrongs)
    if "rate" in wrongs:
        first = bridge_event("wh_0")
        assert answer(door, first, bridge_headers(first)) == (200, "accepted")
    body = b"[1]" if "shape" in wrongs else bridge_event()
    headers = bridge_headers(body, NOW - timedelta(hours=1) if "stale" in wrongs else NOW)
    response = knock(door, body, PATH, {} if "signature" in wrongs else headers, *set(wrongs) - {"rate"})
    door.writer.stop()

    assert problem(response) == WRONGS[wrongs[0]]
