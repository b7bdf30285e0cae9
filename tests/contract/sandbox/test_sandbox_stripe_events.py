"""Stripe's events: the log of 30 days, and webhooks signed anew at each try."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest

from sandbox.outbox import Delivery
from sandbox.server import SandboxServer
from tests.contract.sandbox.stage import Caller, Receiver, wait_for
from tests.contract.sandbox.stripe_stage import Stage, make_stage

EVENTS = "/v1/events"


@pytest.fixture
def stage() -> Stage:
    return make_stage()


def ids(page: dict[str, Any]) -> list[str]:
    return [event["id"] for event in page["data"]]


def schemes(headers: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (part.partition("=") for part in _signature(headers).split(","))]


def _signature(headers: dict[str, str]) -> str:
    return headers["Stripe-Signature"]


def expected(delivery: Delivery, secret: str) -> str:
    at = dict(schemes(delivery.headers))["t"]
    return hmac.new(secret.encode(), f"{at}.".encode() + delivery.body, hashlib.sha256).hexdigest()


class TestLog:
    def test_holds_what_was_told_newest_first(self, stage: Stage) -> None:
        stage.world.stripe.pay_onramp(stage.session())
        stage.charge()
        stage.run()
        page = stage.get(EVENTS, limit=100)
        assert ids(page) == [event["id"] for event in sorted(stage.heard, key=_age(page))]
        one = stage.get(f"{EVENTS}/{page['data'][0]['id']}")
        assert (one["object"], one["pending_webhooks"]) == ("event", 0)
        assert one["request"] == {"id": None, "idempotency_key": None}

    def test_is_chosen_by_type_by_list_and_by_star(self, stage: Stage) -> None:
        stage.world.stripe.refund(stage.charge())
        for query, kinds in (
            ({"type": "charge.refunded"}, ["charge.refunded"]),
            ({"type": "charge.*"}, ["charge.refunded", "charge.succeeded"]),
            ({"types[]": ["refund.created", "charge.refunded"]}, ["charge.refunded", "refund.created"]),
            ({"types[0]": "refund.created", "types[1]": "no.such"}, ["refund.created"]),
        ):
            found = stage.get(f"{EVENTS}?{_encoded(query)}")
            assert [event["type"] for event in found["data"]] == kinds

    def test_takes_no_more_than_twenty_types_and_not_both_ways(self, stage: Stage) -> None:
        many = "&".join(["types[]=a"] * 21)
        assert stage.ask("GET", f"{EVENTS}?{many}").status == 400
        assert stage.ask("GET", f"{EVENTS}?types[]=a&type=b").status == 400
        assert stage.ask("GET", f"{EVENTS}?delivery_success=maybe").status == 400

    def test_is_walked_forward_from_the_last_one_that_arrived(self, stage: Stage) -> None:
        """Stripe's own recovery: what could not be delivered, oldest pages first."""
        charge = stage.charge()
        stage.run()
        mark = stage.heard[-1]["id"]
        for amount in ("1.00", "2.00", "3.00"):
            stage.world.stripe.refund(charge, amount)
        stage.run(1, answer=lambda _: 500)
        missed, pages = list[str](), 0
        while (page := stage.get(EVENTS, ending_before=mark, delivery_success="false", limit=4))["data"]:
            missed += reversed(ids(page))
            mark, pages = page["data"][0]["id"], pages + 1
        assert (len(missed), pages) == (6, 2)
        assert missed == [event["id"] for event in stage.heard[-6:]]
        assert ids(stage.get(EVENTS, delivery_success="true", type="refund.created")) == []

    def test_forgets_after_thirty_days(self, stage: Stage) -> None:
        stage.charge()
        stage.run(30 * 86_400 - 10)
        old = ids(stage.get(EVENTS))[0]
        stage.run(20)
        assert stage.get(EVENTS)["data"] == []
        assert stage.ask("GET", f"{EVENTS}/{old}").status == 404
        assert stage.ask("GET", f"{EVENTS}?starting_after={old}").status == 400

    def test_may_not_know_of_the_onramp_at_all(self) -> None:
        stage = make_stage(stripe_onramp_events_listed=False)
        stage.world.stripe.pay_onramp(stage.session())
        assert len(stage.run()) == 3
        assert stage.get(EVENTS)["data"] == []

    def test_says_which_request_was_the_cause(self, stage: Stage) -> None:
        charge = stage.charge()
        answer = stage.send("/v1/refunds", {"charge": charge}, "k1")
        newest = stage.get(EVENTS)["data"][0]
        assert newest["request"] == {"id": answer.headers["Request-Id"], "idempotency_key": "k1"}

    def test_can_lose_an_event_too(self, stage: Stage) -> None:
        stage.world.faults.set("webhook_dropped", "stripe", times=1, logged="absent")
        stage.world.stripe.refund(stage.charge())
        assert "charge.succeeded" not in [event["type"] for event in stage.get(EVENTS)["data"]]


class TestWebhooks:
    def test_are_signed_by_each_secret_beside_a_decoy(self) -> None:
        stage = make_stage(stripe_webhook_secrets=["whsec_old", "whsec_new"])
        stage.charge()
        stage.run()
        for delivery in stage.tries:
            found = schemes(delivery.headers)
            assert [name for name, _ in found] == ["t", "v1", "v1", "v0"]
            assert [value for name, value in found if name == "v1"] == [
                expected(delivery, "whsec_old"),
                expected(delivery, "whsec_new"),
            ]

    def test_are_tried_for_three_days_and_signed_anew_each_time(self, stage: Stage) -> None:
        stage.world.stripe.abandon_onramp(stage.session())
        began = stage.clock.at
        stage.run(60, answer=lambda _: 503)
        stage.world.renew_keys(stripe_webhook_secrets=["whsec_renewed"])
        stage.run(10 * 86_400, answer=lambda _: None)
        times = [int(dict(schemes(delivery.headers))["t"]) for delivery in stage.tries]
        assert len({delivery.body for delivery in stage.tries}) == 1
        assert times == sorted(set(times))
        assert 2 * 86_400 < times[-1] - began.timestamp() < 3 * 86_400
        last = stage.tries[-1]
        assert dict(schemes(last.headers))["v1"] == expected(last, "whsec_renewed")

    @pytest.mark.parametrize("name", ["crypto.onramp_session.updated", "crypto.onramp_session_updated"])
    def test_of_the_onramp_have_either_name(self, name: str) -> None:
        stage = make_stage(stripe_onramp_event=name)
        stage.world.stripe.reject_onramp(stage.session())
        assert stage.run() == [name]
        assert stage.heard[0]["data"]["previous_attributes"] == {"status": "initialized"}

    def test_go_only_where_they_are_wanted(self) -> None:
        stage = make_stage(stripe_webhook_events=["charge.refunded"])
        stage.world.stripe.refund(stage.charge())
        assert stage.run() == ["charge.refunded"]

    def test_come_twice_late_and_out_of_order_on_request(self, stage: Stage) -> None:
        faults = stage.world.faults
        faults.set("webhook_doubled", "stripe", only="charge.refunded")
        faults.set("webhook_reordered", "stripe", only="refund.created", seconds=5)
        stage.world.stripe.refund(stage.charge())
        heard = stage.run()
        assert heard.count("charge.refunded") == 2
        assert heard.index("charge.refunded") < heard.index("refund.created")

    def test_can_be_sent_once_more(self, stage: Stage) -> None:
        stage.world.stripe.abandon_onramp(stage.session())
        stage.run()
        stage.world.stripe.events.resend(stage.heard[0]["id"])
        stage.run()
        assert stage.heard[0] == stage.heard[1]


def test_a_served_sandbox_tells_a_real_socket(receiver: Receiver) -> None:
    with SandboxServer(config={"stripe_webhook_url": receiver.url}) as server:
        ready = server.ready()
        control = Caller(server.urls["control"])
        stripe = Caller(server.urls["stripe"], auth=(ready["stripe_secret_key"], ""))
        made = stripe.call("POST", "/v1/crypto/onramp_sessions", data={"metadata[flow]": "dep_1"}).json()
        path = f"/_control/stripe/onramp_sessions/{made['id']}/pay"
        assert control.post(path, {"step_seconds": 0}).status_code == 200
        wait_for(lambda: len(receiver.got) == 3)
        (known,) = control.get("/_control/stripe/onramp_sessions").json()
        assert [one["status"] for one in known["history"]][::3] == ["initialized", "fulfillment_complete"]
        assert known["to_come"] == []
        effects = control.get("/_control/effects").json()["stripe"]
    headers, body = receiver.got[-1]
    delivery = Delivery("", "", headers, body)
    assert dict(schemes(headers))["v1"] == expected(delivery, ready["stripe_webhook_secret"])
    assert {json.loads(raw)["data"]["object"]["id"] for _, raw in receiver.got} == {made["id"]}
    assert effects["onramp_sessions"] == 1


def _encoded(query: dict[str, Any]) -> str:
    pairs = [(name, one) for name, value in query.items() for one in ([value] if isinstance(value, str) else value)]
    return "&".join(f"{name}={value}" for name, value in pairs)


def _age(page: dict[str, Any]) -> Any:
    order: Sequence[str] = ids(page)
    return lambda event: order.index(event["id"])
