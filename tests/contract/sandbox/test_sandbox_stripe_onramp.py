"""Stripe's onramp as its callers see it: sessions, what is refused, the customer's way."""

from typing import Any

import pytest

from tests.contract.sandbox.stripe_stage import ADDRESS, ONRAMP, SEED, WISH, Stage, make_stage

SEED_FORM = {
    "destination_currency": "usdc",
    "destination_network": "base",
    "destination_address": ADDRESS,
    "suggested_destination_amount": "248310000",
}


@pytest.fixture
def stage() -> Stage:
    return make_stage()


class TestSessions:
    def test_begin_with_little_but_what_was_asked(self, stage: Stage) -> None:
        made = stage.post(ONRAMP, **WISH)
        details = made["transaction_details"]
        assert (made["status"], made["metadata"], made["livemode"]) == ("initialized", {"flow": "dep_1"}, False)
        assert made["client_secret"].startswith(f"{made['id']}_secret_")
        assert made["redirect_url"]
        nulls = ("destination_amount", "fees", "transaction_id", "wallet_address")
        assert [details[name] for name in nulls] == [None] * 4
        assert details["wallet_addresses"]["ethereum"] == ADDRESS
        assert details["wallet_addresses"]["base_network"] is None
        assert stage.get(f"{ONRAMP}/{made['id']}") == made
        assert stage.run() == []

    def test_base_is_called_base_network_among_addresses(self, stage: Stage) -> None:
        """Whoever uses the network's own name is refused."""
        rest = {"destination_network": "base"}
        wrong = stage.refused(ONRAMP, {**rest, "wallet_addresses[base]": ADDRESS})
        assert (wrong["code"], wrong["param"]) == ("parameter_unknown", "wallet_addresses[base]")
        made = stage.post(ONRAMP, **rest, **{"wallet_addresses[base_network]": ADDRESS})
        assert made["transaction_details"]["destination_network"] == "base"

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            (
                {"source_amount": "1", "source_currency": "usd", "destination_amount": "1"},
                "invalid_source_destination_pair",
            ),
            ({"source_amount": "0", "source_currency": "usd"}, "invalid_source_amount"),
            ({"source_amount": "1.005", "source_currency": "usd"}, "invalid_source_amount"),
            ({"source_amount": "1"}, "missing_source_currency"),
            ({"destination_amount": "x", "destination_currency": "usdc"}, "invalid_destination_amount"),
            ({"destination_amount": "0.0000001", "destination_currency": "usdc"}, "invalid_destination_amount"),
            ({"destination_amount": "1", "destination_network": "ethereum"}, "missing_destination_currency"),
            (
                {"destination_amount": "1", "destination_currency": "usdc"},
                "incomplete_destination_currency_and_network_pair",
            ),
            (
                {"destination_currency": "btc", "destination_network": "ethereum"},
                "invalid_destination_currency_and_network_pair",
            ),
            (
                {"destination_currency": "eth", "destination_currencies[]": "usdc"},
                "conflicting_destination_currency",
            ),
            (
                {"destination_network": "base", "destination_networks[0]": "ethereum"},
                "conflicting_destination_network",
            ),
            ({"wallet_addresses[ethereum]": ADDRESS}, "wallet_addresses_not_all_networks_supported"),
            (
                {
                    "wallet_addresses[ethereum]": ADDRESS,
                    "destination_networks[0]": "ethereum",
                    "destination_networks[1]": "base",
                },
                "wallet_addresses_not_all_networks_supported",
            ),
            ({"lock_wallet_address": "true"}, "no_wallet_address_to_lock"),
        ],
    )
    def test_are_refused_under_the_onramps_own_codes(self, stage: Stage, form: dict[str, str], code: str) -> None:
        error = stage.refused(ONRAMP, form)
        assert (error["code"], error["type"]) == (f"crypto_onramp_{code}", "invalid_request_error")
        assert stage.get(ONRAMP)["data"] == []

    @pytest.mark.parametrize(
        "form",
        [
            {"destination_currency": "doge"},
            {"destination_networks[]": "moon"},
            {"lock_wallet_address": "1"},
            {"customer_ip_address": "here"},
            {"settlement_speed": "later"},
            {"metadata[a][b]": "x"},
            {"metadata": "x"},
            {"amount": "1"},
            {"destination_address": ADDRESS},
        ],
    )
    def test_are_refused_for_what_no_form_may_hold(self, stage: Stage, form: dict[str, str]) -> None:
        assert stage.refused(ONRAMP, form)["type"] == "invalid_request_error"

    def test_depend_on_who_the_customer_is_and_on_stripes_day(self, stage: Stage) -> None:
        stripe, form = stage.world.stripe, {"customer_ip_address": "192.0.2.7"}
        stripe.refuse_customer("192.0.2.7", "unsupported_country")
        assert stage.refused(ONRAMP, form)["code"] == "crypto_onramp_unsupported_country"
        stripe.refuse_customer("192.0.2.7")
        assert stage.refused(ONRAMP, form)["code"] == "crypto_onramp_unsupportable_customer"
        stripe.refuse_customer("192.0.2.7", None)
        stripe.onramp.disabled = True
        error = stage.refused(ONRAMP, form)
        assert (error["code"], error["type"]) == ("crypto_onramp_disabled", "api_error")
        stripe.onramp.disabled, stripe.onramp.merchant_ready = False, False
        assert stage.refused(ONRAMP, form)["code"] == "crypto_onramp_merchant_not_properly_setup"

    def test_bodies_that_are_no_form_are_refused(self, stage: Stage) -> None:
        content = {"Content-Type": "application/json"}
        assert stage.ask("POST", ONRAMP, b'{"source_currency":"usd"}', **content).status == 400


class TestLists:
    def test_are_walked_both_ways_by_id(self, stage: Stage) -> None:
        made = [stage.session() for _ in range(5)]
        newest = stage.get(ONRAMP, limit=2)
        assert ([one["id"] for one in newest["data"]], newest["has_more"]) == ([made[4], made[3]], True)
        assert newest["url"] == ONRAMP
        older = stage.get(ONRAMP, limit=3, starting_after=made[3])
        assert ([one["id"] for one in older["data"]], older["has_more"]) == ([made[2], made[1], made[0]], False)
        newer = stage.get(ONRAMP, limit=2, ending_before=made[0])
        assert ([one["id"] for one in newer["data"]], newer["has_more"]) == ([made[2], made[1]], True)

    def test_filter_by_status_destination_and_creation(self, stage: Stage) -> None:
        early = stage.session()
        stage.run(100)
        late = stage.post(ONRAMP, destination_currency="sol", destination_network="solana")
        stage.world.stripe.reject_onramp(early)
        for query, expected in (
            ({"status": "rejected"}, [early]),
            ({"destination_currency": "sol"}, [late["id"]]),
            ({"destination_network": "ethereum"}, [early]),
            ({"created[gt]": late["created"] - 1}, [late["id"]]),
            ({"created[lt]": late["created"], "created[gte]": 0}, [early]),
            ({"created": late["created"]}, [late["id"]]),
        ):
            assert [one["id"] for one in stage.get(ONRAMP, **query)["data"]] == expected

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "starting_after=cos_none", "created[eq]=x", "created[x]=1", "q=1"]
    )
    def test_refuse_nonsense(self, stage: Stage, query: str) -> None:
        assert stage.ask("GET", f"{ONRAMP}?{query}").status == 400

    def test_refuse_two_cursors(self, stage: Stage) -> None:
        session = stage.session()
        assert stage.ask("GET", f"{ONRAMP}?starting_after={session}&ending_before={session}").status == 400


class TestCustomer:
    def test_pays_and_the_hash_comes_only_at_the_end(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.pay_onramp(session, step_seconds=10, rate="0.993240")
        seen = []
        for _ in range(3):
            shown = stage.get(f"{ONRAMP}/{session}")
            seen.append((shown["status"], shown["transaction_details"]["transaction_id"] is not None))
            stage.run(10)
        assert seen == [
            ("requires_payment", False),
            ("fulfillment_processing", False),
            ("fulfillment_complete", True),
        ]
        details = stage.get(f"{ONRAMP}/{session}")["transaction_details"]
        assert (details["source_amount"], details["destination_amount"]) == ("250.00", "248.310000")
        assert details["fees"] == {"network_fee_amount": "1.12", "transaction_fee_amount": "4.90"}
        (movement,) = stage.world.chain.movements
        assert (movement.hash, movement.recipient, movement.asset) == (details["transaction_id"], ADDRESS, "USDC")
        assert stage.world.stripe.balances()["onramp_delivered"] == {"usdc": "248.31"}

    def test_is_told_of_step_by_step_with_what_was_before(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.pay_onramp(session)
        assert stage.run() == ["crypto.onramp_session.updated"] * 3
        assert [event["data"]["object"]["status"] for event in stage.heard][-1] == "fulfillment_complete"
        assert stage.heard[0]["data"]["previous_attributes"]["transaction_details"]["fees"] is None
        assert stage.heard[1]["data"]["previous_attributes"] == {"status": "requires_payment"}
        assert stage.heard[2]["data"]["object"] == stage.get(f"{ONRAMP}/{session}")

    @pytest.mark.parametrize(("pad", "shown"), [(True, "0.1" + "0" * 17), (False, "0.10")])
    def test_gets_ether_written_with_all_its_places_or_not(self, pad: object, shown: str) -> None:
        stage = make_stage(stripe_pad_crypto=pad)
        session = stage.world.stripe.add_onramp_session(currency="eth", destination_amount="0.1").id
        stage.world.stripe.pay_onramp(session, rate="0.0004")
        details = stage.get(f"{ONRAMP}/{session}")["transaction_details"]
        assert (details["destination_amount"], details["source_amount"]) == (shown, "250.00")

    def test_goes_away_and_nothing_follows(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.abandon_onramp(session)
        stage.run(7 * 86_400)
        assert stage.get(f"{ONRAMP}/{session}")["status"] == "requires_payment"
        assert len(stage.heard) == 1

    def test_whose_payment_fails_stays_where_they_are_and_may_try_again(self, stage: Stage) -> None:
        session = stage.session()
        path = ("requires_payment", "requires_payment", "fulfillment_processing", "fulfillment_complete")
        stage.world.stripe.pay_onramp(session, path)
        assert len(stage.run()) == 3
        assert stage.get(f"{ONRAMP}/{session}")["status"] == "fulfillment_complete"

    def test_who_is_rejected_is_so_for_good(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.reject_onramp(session, after_seconds=5)
        stage.run(10)
        assert stage.get(f"{ONRAMP}/{session}")["status"] == "rejected"
        with pytest.raises(ValueError, match="rejected"):
            stage.world.stripe.pay_onramp(session)

    def test_may_choose_another_wallet_unless_it_is_locked(self, stage: Stage) -> None:
        locked = stage.session()
        with pytest.raises(ValueError, match="locked"):
            stage.world.stripe.pay_onramp(locked, wallet_address="0xother")
        free = stage.post(ONRAMP, **(WISH | {"lock_wallet_address": "false"}))["id"]
        stage.world.stripe.pay_onramp(free, wallet_address="0xother")
        assert stage.get(f"{ONRAMP}/{free}")["transaction_details"]["wallet_address"] == "0xother"

    def test_can_be_put_where_no_diagram_leads_and_the_hash_hides_again(self, stage: Stage) -> None:
        session = stage.session()
        stage.world.stripe.pay_onramp(session, ("fulfillment_complete",))
        stage.world.stripe.force_onramp(session, "under_audit")
        shown = stage.get(f"{ONRAMP}/{session}")
        assert (shown["status"], shown["transaction_details"]["transaction_id"]) == ("under_audit", None)


class TestSeedShape:
    def test_is_the_same_session_in_smaller_words_and_units(self, stage: Stage) -> None:
        made = stage.post(SEED, **SEED_FORM)
        real = stage.get(f"{ONRAMP}/{made['id']}")["transaction_details"]
        assert (real["destination_amount"], real["wallet_addresses"]["base_network"]) == ("248.310000", ADDRESS)
        stage.world.stripe.pay_onramp(made["id"], step_seconds=0)
        stage.run(1)
        shown = stage.get(f"{SEED}/{made['id']}")
        assert shown["status"] == "succeeded"
        assert shown["destination"] == {"amount": 248_310_000, "currency": "usdc", "network": "base"}
        assert (shown["amount_total"], shown["currency"]) == (24_831, "usd")
        assert "transaction_details" not in shown
        assert stage.get(SEED)["data"] == [shown]

    @pytest.mark.parametrize(
        "change",
        [
            {"destination_amount": "1"},
            {"suggested_destination_amount": "1.5"},
            {"destination_network": ""},
            {"destination_currency": ""},
        ],
    )
    def test_refuses_what_makes_no_sense(self, stage: Stage, change: dict[str, str]) -> None:
        assert stage.send(SEED, SEED_FORM | change).status == 400

    def test_event_is_told_once_and_of_success_only(self) -> None:
        stage = make_stage(stripe_onramp_event="onramp.session.succeeded")
        stage.world.stripe.pay_onramp(stage.session())
        assert stage.run() == ["onramp.session.succeeded"]
        told: dict[str, Any] = stage.heard[0]["data"]
        assert told["object"]["status"] == "succeeded"
        assert "previous_attributes" not in told


class TestEffects:
    def test_name_what_a_caller_made_twice(self, stage: Stage) -> None:
        """Two keys, one flow: by key alone nobody would see it."""
        for key in ("k1", "k1", "k2"):
            stage.post(ONRAMP, key, **WISH)
        stage.session(**{"metadata[flow]": "dep_2"})
        stage.post(ONRAMP)
        effects = stage.world.stripe.effects()
        assert (effects["onramp_sessions"], effects["duplicates"], effects["unnamed"]) == (4, 1, 1)
        assert effects["doubled"]["onramp_sessions"] == {"dep_1": 2}
