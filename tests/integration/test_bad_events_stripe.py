"""Stripe's traps, from its documentation, at the real door and the real ingest: set aside with a reason, or a hint."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.bad_events import Seen, is_only_a_hint, set_aside
from tests.support.signing import IBEX_SECRET, bridge_headers, stripe_headers

DETAILS = {"destination_currency": "usdc", "destination_network": "ethereum", "destination_amount": "248.310000"}
SESSION: dict[str, Any] = {
    "id": "cos_1",
    "object": "crypto.onramp_session",
    "status": "fulfillment_complete",
    "transaction_details": DETAILS,
}
PAGE: dict[str, Any] = {
    "id": "cs_1",
    "object": "checkout.session",
    "payment_status": "paid",
    "amount_total": 25000,
    "currency": "usd",
    "client_reference_id": "nobody",
    "payment_intent": "pi_1",
}
REFUND: dict[str, Any] = {"id": "re_1", "object": "refund", "amount": 100, "currency": "usd", "payment_intent": "pi_1"}
ONRAMP, CHECKOUT = "crypto.onramp_session.updated", "checkout.session.completed"


def event(shown: Any, kind: str = ONRAMP, **more: Any) -> bytes:
    """An event of Stripe's."""
    named = {"id": "evt_1", "object": "event", "type": kind, "created": 1767225599, "data": {"object": shown}}
    return json.dumps(named | more).encode()


def changed(shown: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An object with fields changed; None takes one away."""
    return {name: value for name, value in (shown | changes).items() if value is not None}


def in_both(**seeds: Any) -> bytes:
    """A session in its own shape and the seed's."""
    return event({**SESSION, "destination": {"currency": "usdc", "network": "ethereum", "amount": 248310000} | seeds})


SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "two shapes of one amount": (in_both(amount=248), "amount is another than transaction_details says"),
    "two shapes of one amount, in units": (in_both(amount=24831), "amount is another than transaction_details says"),
    "two shapes of one coin": (in_both(currency="usdt"), "currency is another than transaction_details says"),
    "two shapes of one chain": (in_both(network="base"), "network is another than transaction_details says"),
    "minor units as text": (in_both(amount="248310000"), "destination.amount"),
    "a seed's name over another status": (
        event(changed(SESSION, status="rejected"), "onramp.session.succeeded"),
        "status is another than the event's type says",
    ),
    "an object of another kind": (event(PAGE), "object is another than the event tells of"),
    "an id that is a path": (event(changed(SESSION, id="../charges")), "object.id is no id"),
    "no id": (event(changed(SESSION, id=None)), "object.id is missing"),
    "no status": (event(changed(SESSION, status=None)), "status is missing"),
    "no object": (event(None), "data.object is missing"),
    "a time in milliseconds": (event(SESSION, created=1767225599000), "created"),
    "a time as text": (event(SESSION, created="1767225599"), "created"),
    "an envelope and a poll at once": (event(SESSION, poll={}), "two shapes at once"),
    "a poll's body": (json.dumps({"poll": {"kind": "refund", "object": REFUND}}).encode(), "came by webhook"),
    "a currency without our scale": (event(changed(PAGE, currency="jpy"), CHECKOUT), "currency"),
    "a page without its payment's status": (event(changed(PAGE, payment_status=None), CHECKOUT), "payment_status"),
    "a page whose customer is a number": (event(changed(PAGE, client_reference_id=7), CHECKOUT), "client_reference_id"),
    "a refund of nothing known": (
        event(changed(REFUND, payment_intent=None), "refund.created"),
        "and so is the charge",
    ),
    "a dispute that is a refund": (event(REFUND, "charge.dispute.created"), "another than the event tells of"),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_it_is_quarantined_with_a_reason_and_credits_nothing(door: Seen, case: str) -> None:
    set_aside(door, "stripe", *SET_ASIDE[case])


HINTS: dict[str, tuple[bytes, str]] = {
    "a complete session nobody here made": (event(SESSION), "deferred"),
    "its name's other spelling": (event(SESSION, "crypto.onramp_session_updated"), "deferred"),
    "a status nobody documented": (event(changed(SESSION, status="hovering")), "deferred"),
    "a session in both shapes that agree": (in_both(), "deferred"),
    "an amount padded to eighteen places": (
        event({**SESSION, "transaction_details": {**DETAILS, "destination_amount": "248.310000000000000000"}}),
        "deferred",
    ),
    "fiat cents beside a crypto session": (event({**SESSION, "amount_total": 25000, "currency": "usd"}), "deferred"),
    "a type nobody documented": (event(SESSION, "crypto.onramp_session.completed"), "ignored"),
    "a page paid by nobody we know": (event(PAGE, CHECKOUT), "handled"),
    "a page in a status nobody documented": (event(changed(PAGE, payment_status="maybe"), CHECKOUT), "handled"),
    "a page without its amount": (event(changed(PAGE, amount_total=None), CHECKOUT), "handled"),
    "a refund of a payment nobody here has": (event(REFUND, "refund.created"), "deferred"),
}


@pytest.mark.parametrize("case", HINTS)
def test_it_is_a_hint_at_most(fresh_door: Seen, case: str) -> None:
    """The session itself is asked: what a body says of amounts and statuses moves nothing."""
    is_only_a_hint(fresh_door, "stripe", *HINTS[case])


def test_one_payment_told_of_in_several_events_is_one_top_up(fresh_door: Seen) -> None:
    for number, kind in enumerate((CHECKOUT, "checkout.session.async_payment_succeeded", CHECKOUT)):
        fresh_door.take(event(PAGE, kind, id=f"evt_{number}"), "stripe")
    assert fresh_door.counts("flows", "journal_entries") == [1, 0]
    assert fresh_door.knock("stripe", event(PAGE, CHECKOUT, id="evt_1")) == (200, "duplicate")


class TestAtTheDoor:
    """What proves nothing is turned away, counted by its reason, and stored nowhere."""

    def turned_away(self, door: Seen, headers: dict[str, str]) -> tuple[int, str]:
        door.empty()
        before = sum(door.refused("stripe").values())
        answer = door.knock("stripe", event(SESSION), headers)
        assert (door.counts("inbox_events"), sum(door.refused("stripe").values())) == ([0], before + 1)
        return answer

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_a_time_too_far_from_now_on_either_side(self, door: Seen, minutes: int) -> None:
        headers = stripe_headers(event(SESSION), datetime.now(UTC) + timedelta(minutes=minutes))
        assert self.turned_away(door, headers) == (400, "timestamp-stale")

    def test_secrets_of_other_providers(self, door: Seen) -> None:
        body = event(SESSION)
        assert self.turned_away(door, stripe_headers(body, datetime.now(UTC), IBEX_SECRET)) == (401, "signature-wrong")
        assert self.turned_away(door, bridge_headers(body, datetime.now(UTC)))[0] == 401

    def test_only_the_scheme_that_is_a_decoy(self, door: Seen) -> None:
        headers = stripe_headers(event(SESSION), datetime.now(UTC))
        decoy = {name: text.replace("v1=", "v0=") for name, text in headers.items()}
        assert self.turned_away(door, decoy)[0] == 401
