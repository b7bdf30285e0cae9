"""Bridge's traps, from its documentation, at the real door and the real ingest: set aside with a reason, or a hint."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.bad_events import SIGNER, Seen, is_only_a_hint, set_aside
from tests.support.signing import bridge_headers, bridge_key, stripe_headers

STAGE: dict[str, Any] = {
    "id": "act_1",
    "type": "funds_received",
    "deposit_id": "dep_1",
    "amount": "250.00",
    "currency": "usd",
    "customer_id": "cust_1",
    "virtual_account_id": "va_1",
    "created_at": "2026-01-01T12:00:00.000Z",
}
TRANSFER: dict[str, Any] = {"id": "tr_1", "state": "payment_processed", "amount": "250.00", "currency": "usd"}


def event(shown: Any, category: str = "virtual_account.activity", **more: Any) -> bytes:
    """An envelope of Bridge's, as its documentation has it."""
    envelope = {
        "event_id": "wh_1",
        "event_category": category,
        "event_type": f"{category}.created",
        "event_object_id": shown.get("id") if isinstance(shown, dict) else None,
        "event_object": shown,
        "event_created_at": "2026-01-01T12:00:03.120Z",
    }
    return json.dumps(envelope | more).encode()


def stage(**changes: Any) -> bytes:
    """The sample with fields changed; None takes one away."""
    return event({name: value for name, value in (STAGE | changes).items() if value is not None})


SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "an id in two shapes": (event(STAGE, event_object_id="act_2"), "event_object_id is not the object's id"),
    "an id that is a number": (stage(deposit_id=7), "event_object.deposit_id must be text"),
    "an id that is a path": (stage(deposit_id="../transfers"), "event_object.deposit_id is no id"),
    "two envelopes at once": (event(STAGE, id="evt_1", type="deposit.completed", data={}), "two shapes at once"),
    "no envelope": (json.dumps({"event_id": "wh_1", "event_object": STAGE}).encode(), "no shape we know"),
    "a poll's body": (json.dumps({"poll": {"kind": "deposit_stage", "object": STAGE}}).encode(), "came by webhook"),
    "an amount in minor units": (stage(amount=25000), "event_object.amount must be text"),
    "an amount finer than a cent": (stage(amount="250.005"), "event_object.amount has more decimal places"),
    "an amount in millionths of a dollar": (stage(amount="0.000250"), "event_object.amount has more decimal places"),
    "a currency we know no scale of": (stage(currency="brl"), "event_object.amount"),
    "a currency that is a number": (stage(currency=840), "event_object.currency must be text"),
    "no currency": (stage(currency=None), "event_object.currency is missing"),
    "no amount": (stage(amount=None), "event_object.amount is missing"),
    "no virtual account": (stage(virtual_account_id=None), "event_object.virtual_account_id is missing"),
    "no customer": (stage(customer_id=None), "event_object.customer_id is missing"),
    "no stage": (stage(type=None), "event_object.type is missing"),
    "a transfer without a state": (event({"id": "tr_1"}, "transfer"), "event_object.state is missing"),
    "a transfer that is text": (event("tr_1", "transfer"), "event_object must be an object"),
    "a time in milliseconds": (event(STAGE, event_created_at=1767261600000), "event_created_at must be text"),
    "a seed without its account": (b'{"id":"1","type":"deposit.completed","data":{}}', "virtual_account_id is missing"),
    "a seed without its transfer": (b'{"id":"1","type":"transfer.failed","data":{}}', "transfer_id is missing"),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_it_is_quarantined_with_a_reason_and_credits_nothing(door: Seen, case: str) -> None:
    set_aside(door, "bridge", *SET_ASIDE[case])


HINTS: dict[str, tuple[bytes, str]] = {
    "a stage nobody documented": (stage(type="teleported"), "handled"),
    "a stage that says all is done, forged": (stage(type="payment_processed", currency="usdt"), "handled"),
    "another currency than at first": (stage(type="payment_submitted", currency="usdc", amount="1e9"), "handled"),
    "a microdeposit": (stage(type="microdeposit", amount="0.07"), "ignored"),
    "a state nobody documented": (event(TRANSFER | {"state": "levitating"}, "transfer"), "deferred"),
    "a transfer nobody here made": (event(TRANSFER, "transfer"), "deferred"),
    "a bare type": (event(STAGE, event_type="created"), "handled"),
    "a category nobody documented": (event(STAGE, "moon_base.activity"), "ignored"),
    "a seed of a type nobody documented": (b'{"id":"1","type":"weather.changed","data":{}}', "ignored"),
}


@pytest.mark.parametrize("case", HINTS)
def test_it_is_a_hint_at_most(fresh_door: Seen, case: str) -> None:
    is_only_a_hint(fresh_door, "bridge", *HINTS[case])


def test_one_deposit_told_of_in_three_shapes_is_one_deposit(fresh_door: Seen) -> None:
    """The envelope with its type in full and bare, under ids of their own, and the seed's, which has no id of it."""
    door = fresh_door
    door.take(event(STAGE), "bridge")
    door.take(
        event(STAGE | {"id": "act_2", "type": "payment_submitted"}, event_id="wh_2", event_type="created"), "bridge"
    )
    seeds = {"virtual_account_id": "va_1", "amount": "250.00", "currency": "usd", "tx_hash": "0x1"}
    door.take(json.dumps({"id": "evt_9", "type": "deposit.completed", "data": seeds}).encode(), "bridge")

    assert door.counts("flows", "journal_entries") == [1, 0]
    assert door.values("SELECT poll || ' ' || subject FROM looks") == ["bridge_virtual_account va_1"]
    assert door.knock("bridge", event(STAGE)) == (200, "duplicate")


class TestAtTheDoor:
    """What proves nothing is turned away, counted by its reason, and stored nowhere."""

    def turned_away(self, door: Seen, headers: dict[str, str]) -> tuple[int, str]:
        door.empty()
        answer = door.knock("bridge", event(STAGE), headers)
        assert door.counts("inbox_events") == [0]
        return answer

    def test_a_digest_of_one_depth(self, door: Seen) -> None:
        at = round(datetime.now(UTC).timestamp() * 1000)
        inner = hashlib.sha256(f"{at}.".encode() + event(STAGE)).digest()
        single = bridge_key().private.sign(inner, PKCS1v15(), Prehashed(SHA256()))
        before = sum(door.refused("bridge").values())
        headers = {"X-Webhook-Signature": f"t={at},v0={base64.b64encode(single).decode()}"}
        assert self.turned_away(door, headers) == (401, "signature-wrong")
        assert sum(door.refused("bridge").values()) == before + 1

    @pytest.mark.parametrize("unit", [1, 1_000_000])
    def test_a_time_in_another_unit_than_milliseconds(self, door: Seen, unit: int) -> None:
        at = round(datetime.now(UTC).timestamp() * unit)
        headers = {"X-Webhook-Signature": f"t={at},v0={bridge_key().signature(event(STAGE), at)}"}
        assert self.turned_away(door, headers) == (400, "timestamp-stale")

    def test_what_was_signed_eleven_minutes_ago(self, door: Seen) -> None:
        headers = bridge_headers(event(STAGE), datetime.now(UTC) - timedelta(minutes=11))
        assert self.turned_away(door, headers) == (400, "timestamp-stale")

    def test_proofs_of_other_providers(self, door: Seen) -> None:
        body = event(STAGE)
        assert self.turned_away(door, stripe_headers(body, datetime.now(UTC)))[0] == 401
        assert self.turned_away(door, dict(SIGNER.headers(body)))[0] == 401
        assert self.turned_away(door, bridge_headers(body, datetime.now(UTC), key=2)) == (401, "signature-wrong")
