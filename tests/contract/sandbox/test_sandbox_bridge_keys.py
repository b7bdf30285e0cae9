"""Bridge's keys: who is let in, and what an idempotency key stands for."""

from datetime import timedelta

import pytest

from tests.contract.sandbox.bridge_stage import Stage, make_bridge_stage

PERSON = {"full_name": "Rui Lopes", "email": "rui@example.com", "type": "individual"}


@pytest.fixture
def stage() -> Stage:
    return make_bridge_stage()


class TestKeys:
    def test_several_are_accepted_and_a_renewed_one_at_once(self) -> None:
        stage = make_bridge_stage(bridge_api_keys=["new", "old"])
        told = [stage.call("GET", "/customers", **{"Api-Key": key}).status for key in ("new", "old", "none", "")]
        assert told == [200, 200, 401, 401]

        stage.world.renew_keys(bridge_api_keys=["newer"])

        told = [stage.call("GET", "/customers", **{"Api-Key": key}).status for key in ("new", "newer")]
        assert told == [401, 200]

    def test_made_by_a_caller_are_accepted_too(self, stage: Stage) -> None:
        made = stage.call("POST", "/api_keys", {"scopes": ["customer:read"]})
        assert made.status == 201
        assert stage.call("GET", "/customers", **{"Api-Key": made.body["value"]}).status == 200


class TestIdempotency:
    def test_one_key_has_one_effect(self, stage: Stage) -> None:
        first, again = (stage.order(key="k1") for _ in range(2))
        assert first.body == again.body
        assert len(stage.world.bridge.transfers()) == 1

    def test_another_body_under_the_key_is_refused(self, stage: Stage) -> None:
        stage.order(key="k1")
        other = stage.order("251.00", key="k1")
        assert (other.status, other.code) == (400, "not_truly_idempotent")

    def test_a_key_is_dead_after_a_day_and_makes_nothing(self, stage: Stage) -> None:
        stage.order(key="k1")
        stage.clock.at += timedelta(hours=23, minutes=59)
        assert stage.order(key="k1").status == 201
        stage.clock.at += timedelta(minutes=1)
        assert stage.order(key="k1").status == 422
        assert len(stage.world.bridge.transfers()) == 1

    def test_a_key_belongs_to_posts_and_nothing_else(self, stage: Stage) -> None:
        missing = stage.call("POST", "/kyc_links", PERSON)
        assert (missing.status, missing.body["source"]) == (400, {"key": "Idempotency-Key"})
        for method, path in (("GET", "/customers"), ("DELETE", "/transfers/x"), ("PUT", "/webhooks/x")):
            assert stage.call(method, path, key="k").body["source"] == {"key": "Idempotency-Key"}, path
        for path in ("/api_keys", "/plaid_exchange_public_token/x"):
            assert stage.call("POST", path, {}, key="k").body["source"] == {"key": "Idempotency-Key"}, path

    def test_a_refusal_is_the_keys_answer_too_unless_told_otherwise(self) -> None:
        for keeps, expected in ((True, 400), (False, 201)):
            stage = make_bridge_stage(bridge_keeps_refusals=keeps)
            stage.world.bridge.people.decide(stage.customer, kyc="under_review")
            assert stage.order(key="k").code == "requires_active_kyc_status"
            stage.world.bridge.people.decide(stage.customer, kyc="approved")
            assert stage.order(key="k").status == expected

    def test_a_lost_answer_is_had_again_under_the_key(self, stage: Stage) -> None:
        stage.world.faults.set("server_error_after", "bridge", times=1, only="POST /v0/transfers")
        assert stage.order(key="k").status == 500
        assert stage.order(key="k").status == 201
        assert len(stage.world.bridge.transfers()) == 1

    def test_a_cached_error_stays_the_keys_answer(self, stage: Stage) -> None:
        stage.world.faults.set("server_error_after", "bridge", times=1, cached=True, only="POST /v0/transfers")
        assert [stage.order(key="k").status for _ in range(2)] == [500, 500]
        assert len(stage.world.bridge.transfers()) == 1
