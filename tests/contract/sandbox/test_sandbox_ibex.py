"""IBEX as its callers see it: tokens, errors, accounts, addresses."""

from decimal import Decimal

import pytest
import requests

from sandbox.ibex.addresses import is_valid
from sandbox.server import SandboxServer
from tests.contract.sandbox.ibex_stage import make_ibex

LOGIN = {"email": "ops@example.com", "password": "ibex-sandbox-password"}


class TestTokens:
    def test_come_from_a_server_that_is_its_own_auth_url(self) -> None:
        with SandboxServer() as server:
            ready = server.ready()
            form = {
                "grant_type": "client_credentials",
                "client_id": ready["ibex_client_id"],
                "client_secret": ready["ibex_client_secret"],
                "audience": ready["ibex_audience"],
            }
            given = requests.post(f"{ready['ibex']}/oauth/token", data=form, timeout=5).json()
            assert (given["token_type"], given["expires_in"]) == ("Bearer", 86400)
            path = f"{ready['ibex']}/v2/account/{ready['ibex_account_id']}"
            bare, with_word = (
                requests.get(path, headers={"Authorization": f"{word}{given['access_token']}"}, timeout=5)
                for word in ("", "Bearer ")
            )
        assert (bare.status_code, bare.json()["id"]) == (200, ready["ibex_account_id"])
        assert (with_word.status_code, with_word.json()) == (401, {"error": "unauthorized"})

    def test_are_worth_nothing_when_too_old(self) -> None:
        stage = make_ibex(token_seconds=60)
        stage.run(59)
        assert stage.call("GET", "/currency/all")[0] == 200
        stage.run(1)
        assert stage.call("GET", "/currency/all")[0] == 401

    def test_end_with_the_client_they_were_given_to(self) -> None:
        stage = make_ibex(clients=[["old", "s1"], ["new", "s2"]])
        stage.world.renew_keys(ibex_clients=[["new", "s2"]])
        assert stage.call("GET", "/currency/all")[0] == 401
        assert stage.oauth(client_id="old", client_secret="s1")[0] == 401
        stage.token = stage.oauth(client_id="new", client_secret="s2")[1]["access_token"]
        assert stage.call("GET", "/currency/all")[0] == 200

    @pytest.mark.parametrize(
        ("changes", "status"), [({"client_secret": "x"}, 401), ({"audience": "x"}, 403), ({"grant_type": "x"}, 400)]
    )
    def test_are_refused_in_the_shape_of_oauth(self, changes: dict[str, str], status: int) -> None:
        answered, body = make_ibex().oauth(**changes)
        assert (answered, set(body)) == (status, {"error", "error_description"})

    def test_may_not_say_when_they_end(self) -> None:
        assert "expires_in" not in make_ibex(says_expiry=False).oauth()[1]


class TestSignIn:
    def test_gives_two_tokens_whose_ends_have_two_names(self) -> None:
        stage = make_ibex()
        now = int(stage.clock.at.timestamp())
        first = stage.post("/auth/signin", LOGIN)
        assert (first["accessTokenExpiresAt"], first["refreshTokenExpiresAt"]) == (now + 86_400, now + 604_800)
        stage.run(86_400)
        assert stage.call("GET", "/currency/all", token=first["accessToken"])[0] == 401

        second = stage.post("/auth/refresh-access-token", {"refreshToken": first["refreshToken"]})

        assert second["expiresAt"] == now + 2 * 86_400
        assert stage.call("GET", "/currency/all", token=second["accessToken"])[0] == 200

    def test_can_be_taken_back(self) -> None:
        stage = make_ibex()
        mine = {"refreshToken": stage.post("/auth/signin", LOGIN)["refreshToken"]}
        assert stage.call("POST", "/auth/revoke-refresh-token", mine)[0] == 204
        assert stage.call("POST", "/auth/refresh-access-token", mine)[0] == 401

    def test_that_fails_too_often_blocks_even_the_right_password(self) -> None:
        stage = make_ibex(failed_signins=3)
        wrong = {**LOGIN, "password": "x"}
        assert [stage.call("POST", "/auth/signin", wrong)[0] for _ in range(4)] == [400, 400, 400, 403]
        assert stage.call("POST", "/auth/signin", LOGIN)[0] == 403
        stage.world.ibex.tokens.block(LOGIN["email"], on=False)
        assert stage.call("POST", "/auth/signin", LOGIN)[0] == 200

    def test_that_succeeds_forgets_failures(self) -> None:
        stage = make_ibex(failed_signins=2)
        tries = [{**LOGIN, "password": "x"}, LOGIN] * 3
        assert [stage.call("POST", "/auth/signin", one)[0] for one in tries] == [400, 200] * 3


class TestErrors:
    @pytest.mark.parametrize(
        ("style", "body"),
        [("error", {"error": "account not found"}), ("message", {"message": "account not found"})],
    )
    def test_are_json_of_one_of_two_shapes(self, style: str, body: dict[str, str]) -> None:
        assert make_ibex(error_style=style).call("GET", "/v2/account/x") == (404, body)

    def test_may_be_bare_words(self) -> None:
        assert make_ibex(error_style="text").call("GET", "/v2/account/x") == (404, "account not found")

    def test_of_unknown_paths_faults_and_limits_look_alike(self) -> None:
        stage = make_ibex(rate_limit=3)
        assert stage.call("GET", "/nowhere") == (404, {"error": "not found"})
        stage.world.faults.set("unavailable", "ibex", times=1)
        assert stage.call("GET", "/currency/all") == (503, {"error": "service unavailable"})
        assert stage.call("GET", "/currency/all") == (429, {"error": "too many requests"})

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 5000, b'{"name":1}', b'{"name":"a"}'])
    def test_name_bad_bodies(self, body: bytes) -> None:
        stage = make_ibex()
        for path in (f"/accounts/{stage.account}/crypto/receive-infos", "/crypto/send/infos"):
            status, answer = stage.call("POST", path, body)
            assert (status, set(answer)) == (400, {"error"})

    def test_of_bitcoin_say_that_it_is_off(self) -> None:
        stage = make_ibex()
        assert stage.call("POST", "/v2/invoice/add", {})[0] == 403
        assert stage.call("POST", "/onchain/address", {})[0] == 403
        assert stage.call("GET", "/invoice/from-hash/4c7b")[0] == 404


class TestAccounts:
    def test_have_one_currency_which_only_their_making_tells(self) -> None:
        stage = make_ibex(account_balance="12.5")
        made = stage.post("/account/create", {"name": "acct_dep_01", "currencyId": 29})
        assert (made["name"], made["currencyId"]) == ("acct_dep_01", 29)
        assert "currencyId" not in stage.get(f"/v2/account/{made['id']}")
        assert stage.balance() == Decimal("12.5")
        assert stage.call("POST", "/account/create", {"name": "x", "currencyId": 7})[0] == 400

    def test_are_listed_by_tens(self) -> None:
        stage = make_ibex()
        for number in range(12):
            stage.post("/account/create", {"name": f"acct_{number}", "currencyId": 29})
        pages = [stage.get(f"/v2/account?page={page}&limit=10") for page in (1, 2, 3)]
        assert [len(page) for page in pages] == [10, 3, 0]
        assert "balance" not in pages[0][0]
        assert stage.get("/v2/account?expand=true")[0]["balance"] == 0
        assert stage.call("GET", "/v2/account?limit=9")[0] == 400

    def test_currencies_have_rates(self) -> None:
        stage = make_ibex()
        assert [one["id"] for one in stage.get("/currency/all")["currencies"]] == [0, 3, 29, 30]
        assert stage.get("/v2/currencies/rate/29/3")["rate"] == 1
        assert stage.get("/v2/currencies/rate/3/0")["rate"] == 1_000_000
        assert stage.get("/v2/currencies/rate/0/3")["rate"] == Decimal("0.000001")


class TestReceiving:
    @pytest.mark.parametrize("network", ["tron", "ethereum", "TRON"])
    def test_makes_another_good_address_each_time(self, network: str) -> None:
        stage = make_ibex()
        made = [stage.receive_at(network) for _ in range(3)]
        assert len(set(made)) == 3
        assert all(is_valid(network, address) for address in made)
        listed = stage.get(f"/accounts/{stage.account}/crypto/receive-infos")
        assert [one["data"]["address"] for one in listed] == made

    @pytest.mark.parametrize(("which", "shown"), [("all", 2), ("some", 1), ("none", 0)])
    def test_options_may_lack_their_id(self, which: str, shown: int) -> None:
        options = make_ibex(option_ids=which).get("/crypto/receive-infos/options")["options"]
        assert {(one["currencyId"], one["network"], one["name"]) for one in options} == {
            (29, "ethereum", "USDT"),
            (29, "tron", "USDT"),
        }
        assert sum("id" in one for one in options) == shown

    def test_by_the_simpler_path_has_the_address_on_top(self) -> None:
        stage = make_ibex(option_ids="all")
        tron = stage.get("/crypto/receive-infos/options")["options"][1]["id"]
        for body in (
            {"account_id": stage.account, "crypto_option_id": tron},
            {"wallet_id": stage.account, "option_id": tron},
        ):
            assert is_valid("tron", stage.post("/crypto/receive-infos", body)["address"])

    def test_is_refused_where_the_feature_is_off(self) -> None:
        stage = make_ibex(crypto=False)
        assert stage.call("GET", "/crypto/receive-infos/options")[0] == 403
        body = {"name": "dep_01", "network": "tron"}
        assert stage.call("POST", f"/accounts/{stage.account}/crypto/receive-infos", body)[0] == 403
        assert stage.call("GET", f"/v2/account/{stage.account}")[0] == 200

    def test_needs_an_account_of_the_right_currency(self) -> None:
        stage = make_ibex()
        dollars = stage.post("/account/create", {"name": "usd", "currencyId": 3})["id"]
        body = {"name": "dep_01", "network": "tron"}
        assert stage.call("POST", f"/accounts/{dollars}/crypto/receive-infos", body)[0] == 400

    @pytest.mark.parametrize(("unit", "balance"), [("smallest", 2_500_000), ("whole", Decimal("2.5"))])
    def test_balance_is_in_another_unit_than_the_accounts(self, unit: str, balance: object) -> None:
        stage = make_ibex(receive_unit=unit)
        info = stage.world.ibex.add_receive_info(network="tron")
        stage.world.ibex.deposit(info.address, "2.5")
        assert stage.get(f"/crypto/receive-infos/{info.id}/balance")["balance"] == 0
        stage.run()
        assert stage.get(f"/crypto/receive-infos/{info.id}/balance")["balance"] == balance
        assert stage.balance() == Decimal("2.5")
