"""Stripe misbehaving: answers given once, limits, errors of its own, misleading reads, nonsense from outside."""

import json
from typing import Any

import pytest
from werkzeug.routing import Map

from sandbox.control import create_control_app
from sandbox.inprocess import call
from sandbox.stripe.app import create_stripe_app
from tests.contract.sandbox.stripe_stage import ONRAMP, SECRET_KEY, SEED, WISH, Stage, make_stage

ODD: tuple[Any, ...] = (None, True, -1, 1.5, "", "\x00", "x" * 2000, [], [1], {}, {"a": {"b": []}})
CONTROL_NAMES = (
    *("wallet_address", "network", "currency", "source_amount", "destination_amount", "metadata", "path", "amount"),
    *("step_seconds", "after_seconds", "status", "settles_after", "reason", "url", "events", "key", "seconds"),
    *("client_reference_id", "customer_ip_address", "refusal", "rate", "reinstate", "withdraw", "succeeds"),
)


@pytest.fixture
def stage() -> Stage:
    return make_stage()


class TestIdempotency:
    def test_answers_as_the_first_time_and_says_so(self, stage: Stage) -> None:
        first, again = (stage.send(ONRAMP, WISH, "k1") for _ in range(2))
        assert first.body == again.body
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert first.headers["Request-Id"] != again.headers["Request-Id"]

    def test_other_parameters_or_another_endpoint_are_refused(self, stage: Stage) -> None:
        stage.send(ONRAMP, WISH, "k1")
        for path, form in ((ONRAMP, WISH | {"source_amount": "251.00"}), (SEED, WISH)):
            answer = stage.send(path, form, "k1")
            assert (answer.status, json.loads(answer.body)["error"]["type"]) == (400, "idempotency_error")

    def test_a_form_that_was_refused_leaves_the_key_free(self, stage: Stage) -> None:
        assert stage.send(ONRAMP, WISH | {"source_amount": "x"}, "k1").status == 400
        answer = stage.send(ONRAMP, WISH, "k1")
        assert (answer.status, "Idempotent-Replayed" in answer.headers) == (200, False)

    def test_a_refusal_by_what_stripe_knows_stays(self, stage: Stage) -> None:
        """The same form under the same key is refused even once the customer is welcome."""
        form = {**WISH, "customer_ip_address": "192.0.2.7"}
        stage.world.stripe.refuse_customer("192.0.2.7")
        first = stage.send(ONRAMP, form, "k1")
        stage.world.stripe.refuse_customer("192.0.2.7", None)
        again = stage.send(ONRAMP, form, "k1")
        assert (first.status, again.status, again.body) == (400, 400, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert stage.send(ONRAMP, form, "k2").status == 200

    def test_keeps_even_a_500_for_a_day(self, stage: Stage) -> None:
        stage.world.faults.set("server_error_after", "stripe", times=1, cached=True)
        statuses = [stage.send(ONRAMP, WISH, "k1").status for _ in range(2)]
        stage.run(86_399)
        statuses.append(stage.send(ONRAMP, WISH, "k1").status)
        assert statuses == [500, 500, 500]
        stage.run(1)
        assert stage.send(ONRAMP, WISH, "k1").status == 200
        assert stage.world.stripe.effects()["duplicates"] == 1

    def test_while_the_first_still_runs_the_second_is_409(self, stage: Stage) -> None:
        stage.world.faults.set("slow_reply", "stripe", times=1, seconds=5)
        first = stage.send(ONRAMP, WISH, "k1")
        assert first.fault is not None
        clash = stage.send(ONRAMP, WISH, "k1")
        assert (clash.status, json.loads(clash.body)["error"]["code"]) == (409, "idempotency_key_in_use")
        stage.run(5)
        assert stage.send(ONRAMP, WISH, "k1").body == first.body

    def test_keys_have_a_length(self, stage: Stage) -> None:
        assert stage.send(ONRAMP, WISH, "k" * 255).status == 200
        assert stage.send(ONRAMP, WISH, "k" * 256).status == 400


class TestLimits:
    @pytest.mark.parametrize(("told", "header"), [(None, None), (True, "true"), (False, "false")])
    def test_hold_by_the_second(self, told: Any, header: str | None) -> None:
        stage = make_stage(stripe_rate_limit=2, stripe_should_retry=told)
        answers = [stage.ask("GET", ONRAMP) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].headers.get("Stripe-Should-Retry") == header
        assert answers[2].headers["Stripe-Rate-Limited-Reason"] == "global-rate"
        assert json.loads(answers[2].body)["error"]["code"] == "rate_limit"
        stage.run(1)
        assert stage.ask("GET", ONRAMP).status == 200

    def test_throttling_says_to_retry_or_says_nothing(self, stage: Stage) -> None:
        stage.world.faults.set("throttled", "stripe", times=1)
        told = stage.send(ONRAMP, WISH, "k1")
        stage.world.faults.set("throttled_bare", "stripe", times=1)
        bare = stage.send(ONRAMP, WISH, "k1")
        assert (told.status, told.headers["Stripe-Should-Retry"]) == (429, "true")
        assert bare.status == 429
        assert not {"Stripe-Should-Retry", "Retry-After"} & set(bare.headers)
        assert stage.send(ONRAMP, WISH, "k1").status == 200

    def test_faults_speak_in_stripes_shape(self, stage: Stage) -> None:
        stage.world.faults.set("unavailable", "stripe", times=1)
        answer = stage.ask("GET", ONRAMP)
        assert (answer.status, json.loads(answer.body)["error"]["type"]) == (503, "api_error")
        assert answer.headers["Request-Id"].startswith("req_")


class TestMisleadingReads:
    def test_stale_and_unknown_status(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.reject_onramp(session)
        stage.world.faults.set("stale_read", "stripe", times=1)
        stage.world.faults.set("unknown_status", "stripe", times=1)
        seen = [stage.get(f"{ONRAMP}/{session}")["status"] for _ in range(3)]
        assert seen == ["initialized", "under_observation", "rejected"]

    def test_amount_that_changes_once_it_is_final(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.faults.set("amount_changed", "stripe", after_reads=1, delta="-0.31")
        stage.world.stripe.pay_onramp(session, step_seconds=0)
        stage.run(1)
        amounts = [stage.get(f"{ONRAMP}/{session}")["transaction_details"]["destination_amount"] for _ in range(3)]
        assert amounts == ["250.000000", "249.690000", "249.690000"]

    def test_list_cut_short_claims_to_be_whole(self, stage: Stage) -> None:
        made = [stage.session() for _ in range(4)]
        stage.world.faults.set("truncated_listing", "stripe", times=1)
        page = stage.get(ONRAMP)
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (made[:1:-1], False)

    def test_session_that_moves_right_after_it_was_listed(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.pay_onramp(session, step_seconds=3600)
        stage.world.faults.set("changed_after_listed", "stripe", times=1)
        assert stage.get(ONRAMP)["data"][0]["status"] == "requires_payment"
        assert stage.get(f"{ONRAMP}/{session}")["status"] == "fulfillment_processing"


class TestNonsense:
    def test_nothing_crashes_stripe(self, stage: Stage) -> None:
        names = "source_amount destination_amount metadata line_items charge amount destination_networks types created"
        shots = ["%00", "x", "-1", "1e400", "%FF", "[]", "9" * 5000]
        forms = [f"{name}{tail}={shot}" for name in names.split() for tail in ("", "[]", "[a]") for shot in shots]
        queries = "limit={0}&starting_after={0}", "created[gte]={0}", "types[]={0}", "status={0}&created={0}"
        crashed = []
        for method, path in paths(create_stripe_app(stage.world).url_map, stage.session()):
            if method == "GET":
                answers = [stage.ask(method, f"{path}?{one.format(shot)}") for one in queries for shot in shots]
            else:
                answers = [stage.ask(method, path, form.encode()) for form in forms]
            crashed += [f"{method} {path}" for answer in answers if answer.status >= 500 or b"{" not in answer.body]
        assert crashed == []

    def test_nothing_crashes_its_control(self, stage: Stage) -> None:
        app = create_control_app(stage.world)
        bodies = [json.dumps(dict.fromkeys(CONTROL_NAMES, odd)) for odd in ODD]
        bodies += [json.dumps({name: odd}) for name in CONTROL_NAMES for odd in ODD]
        crashed = []
        session, charge = stage.session(), stage.charge()
        for values in (session, charge, "none"):
            for method, path in paths(app.url_map, values):
                if "/stripe/" not in path:
                    continue
                for body in bodies:
                    answer = call(app, method, path, {}, body.encode())
                    crashed += [f"{method} {path} {body[:80]}"] if answer.status >= 500 else []
        assert crashed == []
        assert stage.ask("GET", ONRAMP).status == 200
        assert call(app, "GET", "/_control/effects").status == 200
        assert call(app, "GET", "/_control/balances").status == 200


def paths(routes: Map, record_id: str) -> list[tuple[str, str]]:
    found = []
    for rule in routes.iter_rules():
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", record_id)
        found += [(method, path) for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})]
    return [(method, path) for method, path in found if "<" not in path]


def test_one_seed_tells_one_story() -> None:
    def tell(seed: int) -> list[Any]:
        stage = make_stage(seed)
        for name in ("reply_lost", "server_error_after", "throttled", "stale_read", "webhook_doubled", "slow_reply"):
            stage.world.faults.set(name, "stripe", 0.2)
        story: list[Any] = [stage.send(ONRAMP, WISH, f"k{number // 3}") for number in range(30)]
        for session in list(stage.world.stripe.onramp.by_id):
            stage.world.stripe.pay_onramp(session)
        story += [stage.run(), stage.heard, stage.ask("GET", ONRAMP)]
        return [*story, stage.world.stripe.effects(), stage.world.stripe.balances()]

    assert tell(7) == tell(7)
    assert tell(7) != tell(8)
    assert SECRET_KEY not in repr(tell(7))
