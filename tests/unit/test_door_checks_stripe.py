"""The door's checks, as Stripe's routes make them: its vector, several secrets at once, both paths."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys
from tests.support.door import NOW, Signer
from tests.support.memory_door import LAST, SHARED, MemoryDoor, knock, problem
from tests.support.signing import (
    STRIPE_OLD_SECRET,
    STRIPE_SECRET,
    ibex_event,
    stripe_event,
    stripe_headers,
    stripe_signature,
)
from tests.unit import test_stripe_signature as sheet

PATHS = ["/webhooks/stripe", "/webhook/stripe"]
KEYS = ReceivingKeys(stripe_secrets=[Windowed(Secret(STRIPE_SECRET))])


@pytest.fixture
def door() -> Iterator[MemoryDoor]:
    door = MemoryDoor(KEYS)
    yield door
    door.writer.stop()


def answer(door: MemoryDoor, body: bytes, headers: dict[str, str], path: str = PATHS[0]) -> tuple[int, str]:
    response = door.send(body, path, headers)
    return (200, str((response.json or {})["status"])) if response.status_code == 200 else problem(response)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("secret", [STRIPE_SECRET, STRIPE_OLD_SECRET])
def test_the_sheets_vector_of_a_rotation_is_taken_by_either_secret(path: str, secret: str) -> None:
    keys = ReceivingKeys(stripe_secrets=[Windowed(Secret(secret))])
    door = MemoryDoor(keys, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert answer(door, sheet.BODY, sheet.signed(sheet.ROTATION), path) == (200, "accepted")
    stored = door.arrivals[0]
    assert (stored.event_id, stored.type) == ("evt_1QfTestDeposit0001", "crypto.onramp_session.updated")
    assert answer(door, sheet.BODY + b" ", sheet.signed(sheet.ROTATION), path) == (401, "signature-wrong")
    door.writer.stop()


class TestTime:
    @pytest.mark.parametrize("seconds", [301, -301])
    def test_too_far_away_is_stale(self, door: MemoryDoor, seconds: int) -> None:
        body = stripe_event()
        assert answer(door, body, stripe_headers(body, NOW + timedelta(seconds=seconds))) == (400, "timestamp-stale")

    @pytest.mark.parametrize(("unit", "told"), [(1000, 401), (1000_000, 401)], ids=["milliseconds", "microseconds"])
    def test_in_another_unit_is_refused(self, door: MemoryDoor, unit: int, told: int) -> None:
        """Thirteen digits are no unix time in seconds, so they are no signature of Stripe's."""
        body, shown = stripe_event(), int(NOW.timestamp()) * unit
        headers = {"Stripe-Signature": f"t={shown},v1={stripe_signature(body, shown)}"}
        assert answer(door, body, headers)[0] == told
        assert door.refusals() == {("stripe", "signature_malformed"): 1}

    def test_is_as_strict_as_configured(self) -> None:
        door = MemoryDoor(ReceivingKeys(stripe_secrets=KEYS.stripe_secrets, stripe_tolerance=timedelta(seconds=10)))
        body = stripe_event()
        assert answer(door, body, stripe_headers(body, NOW - timedelta(seconds=11)))[0] == 400
        assert answer(door, body, stripe_headers(body, NOW - timedelta(seconds=10)))[0] == 200
        door.writer.stop()


class TestSecrets:
    def test_in_rotation_refuse_no_event_of_either_and_none_that_ended(self) -> None:
        entries = [
            Windowed(Secret("whsec_new")),
            Windowed(Secret("whsec_old"), not_after=NOW + timedelta(hours=1)),
            Windowed(Secret("whsec_gone"), not_after=NOW),
        ]
        door = MemoryDoor(ReceivingKeys(stripe_secrets=entries))
        told = {}
        for number, made_with in enumerate(
            [("whsec_new",), ("whsec_old",), ("whsec_x", "whsec_old"), ("whsec_gone",), ("whsec_x",)]
        ):
            body = stripe_event(f"evt_{number}")
            told[made_with] = answer(door, body, stripe_headers(body, NOW, *made_with))[0]
        door.writer.stop()

        assert list(told.values()) == [200, 200, 200, 401, 401]
        assert door.refusals() == {("stripe", "key_retired"): 1, ("stripe", "signature_wrong"): 1}
        assert len({arrival.matched_key for arrival in door.arrivals}) == 2

    def test_of_another_provider_open_nothing(self, door: MemoryDoor) -> None:
        body = ibex_event(secret=STRIPE_SECRET)
        assert answer(door, body, Signer().headers(body)) == (401, "signature-missing")
        assert answer(door, body, {"X-Webhook-Secret": STRIPE_SECRET}) == (401, "signature-missing")
        assert answer(door, body, stripe_headers(body, NOW, "ibx_whsec_7Qm2")) == (401, "signature-wrong")

    def test_and_signatures_are_not_stored(self, door: MemoryDoor) -> None:
        body = stripe_event()
        answer(door, body, stripe_headers(body))
        assert set(door.arrivals[0].headers) <= {"content-type", "user-agent"}


def test_an_event_on_both_paths_is_one(door: MemoryDoor) -> None:
    body = stripe_event()
    assert [answer(door, body, stripe_headers(body), path)[1] for path in PATHS] == ["accepted", "duplicate"]


WRONGS = SHARED | {
    "signature": (401, "signature-missing"),
    "stale": (400, "timestamp-stale"),
    "shape": (400, "not-an-object"),
    **LAST,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "wrongs", [(wrong,) for wrong in WRONGS] + list(itertools.combinations(WRONGS, 2)), ids="+".join
)
def test_the_earlier_check_answers(wrongs: tuple[str, ...], path: str) -> None:
    door = MemoryDoor(KEYS, limited="rate" in wrongs)
    if "rate" in wrongs:
        first = stripe_event("evt_0")
        assert answer(door, first, stripe_headers(first)) == (200, "accepted")
    body = b"[1]" if "shape" in wrongs else stripe_event()
    headers = stripe_headers(body, NOW - timedelta(hours=1) if "stale" in wrongs else NOW)
    response = knock(door, body, path, {} if "signature" in wrongs else headers, *set(wrongs) - {"rate"})
    door.writer.stop()

    assert problem(response) == WRONGS[wrongs[0]]
