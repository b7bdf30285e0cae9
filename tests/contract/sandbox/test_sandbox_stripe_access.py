"""Who may call Stripe, and what they then see."""

import json

import pytest

from tests.contract.sandbox.stripe_stage import ONRAMP, WISH, Stage, basic, make_stage


@pytest.fixture
def stage() -> Stage:
    return make_stage()


class TestAccess:
    def test_takes_each_accepted_key_as_bearer_and_as_basic(self) -> None:
        stage = make_stage(stripe_secret_keys=["sk_test_new", "sk_test_old"])
        for value in ("Bearer sk_test_new", basic("sk_test_old")):
            answer = stage.ask("GET", ONRAMP, Authorization=value)
            assert answer.status == 200
            assert answer.headers["Request-Id"].startswith("req_")
        stage.world.renew_keys(stripe_secret_keys=["sk_test_new"])
        assert stage.ask("GET", ONRAMP, Authorization="Bearer sk_test_old").status == 401

    @pytest.mark.parametrize("value", ["", "Bearer", "Bearer no", "Basic !!!", "Basic Og==", basic("sk_test_x", "y")])
    def test_is_denied_without_one_in_stripes_shape(self, stage: Stage, value: str) -> None:
        answer = stage.ask("GET", ONRAMP, Authorization=value)
        assert (answer.status, json.loads(answer.body)["error"]["type"]) == (401, "invalid_request_error")
        assert "Request-Id" in answer.headers

    def test_restricted_keys_may_read_and_not_write(self) -> None:
        stage = make_stage(stripe_restricted_keys=["rk_test_1"])
        stage.key = "rk_test_1"
        assert stage.ask("GET", ONRAMP).status == 200
        assert stage.send(ONRAMP, WISH).status == 403

    def test_live_and_test_objects_do_not_see_each_other(self) -> None:
        stage = make_stage(stripe_secret_keys=["sk_test_sandbox0001", "sk_live_1"])
        session = stage.session()
        stage.key = "sk_live_1"
        assert stage.ask("GET", f"{ONRAMP}/{session}").status == 404
        assert stage.get(ONRAMP)["data"] == []
        assert stage.post(ONRAMP)["livemode"] is True

    def test_unknown_paths_have_stripes_shape(self, stage: Stage) -> None:
        answer = stage.ask("GET", "/v1/nothing")
        assert answer.status == 404
        assert "Unrecognized request URL" in json.loads(answer.body)["error"]["message"]
