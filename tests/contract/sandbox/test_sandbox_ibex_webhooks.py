"""What IBEX tells by webhook: shapes, secrets, silence, repeats."""

import json
from typing import Any

import pytest

from tests.contract.sandbox.ibex_stage import SECRET, URL, listening, make_ibex


def told(**config: Any) -> Any:
    """The only body told of a deposit of 100 tokens."""
    stage = listening(**config)
    stage.world.ibex.deposit(stage.receive_at(), "100")
    (body,) = stage.run()
    return body


class TestShapes:
    def test_account(self) -> None:
        body = told()
        transaction = body.pop("transaction")
        assert body == {"secret": SECRET}
        assert (transaction["amount"], transaction["currencyId"], transaction["transactionTypeId"]) == (100, 29, 9)
        assert (transaction["status"], transaction["settledAt"]) == ("completed", "2026-01-01T10:00:00.2Z")

    def test_flat(self) -> None:
        body = told(webhook_shapes=["flat"])
        assert set(body) == {"tx_hash", "address", "amount", "currency", "network", "webhookSecret"}
        assert (body["amount"], body["currency"], body["network"]) == ("100.00", "USDT", "ethereum")
        assert body["webhookSecret"] == SECRET

    def test_envelope_has_its_secret_in_a_header(self) -> None:
        stage = listening(webhook_shapes=["envelope"])
        stage.world.ibex.deposit(stage.receive_at("tron"), "100")
        (body,) = stage.run()
        assert stage.told[0].headers["X-Webhook-Secret"] == SECRET
        assert (body["event"], body["data"]["network"], body["data"]["amount"]) == ("crypto.received", "tron", "100.00")
        assert body["data"]["account_id"] == stage.account
        assert SECRET not in json.dumps(body, default=str)

    @pytest.mark.parametrize(
        ("where", "path"),
        [("secret", ("secret",)), ("webhookSecret", ("webhookSecret",)), ("data", ("data", "webhookSecret"))],
    )
    def test_have_the_secret_where_it_was_chosen(self, where: str, path: tuple[str, ...]) -> None:
        value = told(webhook_shapes=["envelope"], webhook_secret_in=where)
        for name in path:
            value = value[name]
        assert value == SECRET

    def test_may_lack_the_address_or_hide_it(self) -> None:
        assert "address" not in told(webhook_address="missing")["transaction"]
        hidden = told(webhook_address="metadata")["transaction"]
        assert "address" not in hidden
        assert hidden["metadata"]["address"].startswith("0x")
        assert told(webhook_address="upper")["transaction"]["address"][2:].isupper()

    def test_may_count_in_smallest_units(self) -> None:
        assert told(webhook_unit="smallest")["transaction"]["amount"] == 100_000_000
        assert told(webhook_unit="smallest", webhook_shapes=["flat"])["amount"] == "100000000"

    def test_may_both_come_for_one_deposit(self) -> None:
        stage = listening(webhook_shapes=["account", "flat"])
        transaction = stage.world.ibex.deposit(stage.receive_at())
        account, flat = stage.run()
        assert account["transaction"]["id"] == transaction
        assert stage.get(f"/v2/transaction/{transaction}/details")["networkId"] == flat["tx_hash"]

    @pytest.mark.parametrize(
        ("how", "echoed"),
        [("wrong", "ibx_whsec_7Qm3"), ("other_case", "IBX_WHSEC_7qM2"), ("empty", ""), ("null", None), ("number", 1)],
    )
    def test_may_echo_another_secret(self, how: str, echoed: object) -> None:
        assert told(webhook_shapes=["flat"], webhook_secret_as=how)["webhookSecret"] == echoed

    def test_may_echo_none_at_all(self) -> None:
        stage = listening(webhook_shapes=["account", "flat", "envelope"], webhook_secret_as="missing")
        stage.world.ibex.deposit(stage.receive_at())
        bodies = stage.run()
        assert [name for body in bodies for name in body if "ecret" in name] == []
        assert [name for delivery in stage.told for name in delivery.headers if "Secret" in name] == []

    def test_are_checked_when_chosen(self) -> None:
        with pytest.raises(ValueError, match="known: account, envelope, flat"):
            make_ibex(webhook_shapes=["C"])


class TestWebhooks:
    def test_are_one_an_account(self) -> None:
        stage = make_ibex()
        path, body = f"/accounts/{stage.account}/webhooks", {"url": URL, "secret": SECRET}
        assert stage.call("GET", path)[0] == 404
        assert stage.call("POST", path, {**body, "url": "receiver"})[0] == 400
        assert stage.call("POST", path, {"url": URL, "secret": ""})[0] == 400
        made = stage.post(path, body)
        assert stage.call("POST", path, body) == (409, {"error": "webhook already exists"})
        assert stage.get(path) == made
        assert SECRET not in json.dumps(made)
        assert stage.call("DELETE", path)[0] == 204
        assert stage.call("PUT", path, body)[0] == 404

    def test_may_conflict_with_400(self) -> None:
        stage = make_ibex(webhook_url=URL, webhook_conflict=400)
        body = {"url": URL, "secret": SECRET}
        assert stage.call("POST", f"/accounts/{stage.account}/webhooks", body)[0] == 400

    def test_take_a_new_secret(self) -> None:
        stage = listening()
        assert stage.call("PUT", f"/accounts/{stage.account}/webhooks", {"secret": "s2"})[0] == 200
        stage.world.ibex.deposit(stage.receive_at())
        assert stage.run()[0]["secret"] == "s2"

    def test_of_the_config_follow_its_secret(self) -> None:
        stage = make_ibex(webhook_url=URL, webhook_secret="s1")
        stage.world.renew_keys(ibex_webhook_secret="s2")
        stage.world.ibex.deposit(stage.receive_at())
        assert stage.run()[0]["secret"] == "s2"

    def test_can_be_silent_until_triggered(self) -> None:
        stage = listening(webhook_silent=True)
        transaction = stage.world.ibex.deposit(stage.receive_at())
        assert (stage.run(), stage.balance()) == ([], 100)
        for _ in range(2):
            stage.get(f"/transactions/{transaction}/webhooks/trigger")
        first, second = stage.run()
        assert first == second
        assert first["transaction"]["id"] == transaction

    def test_cannot_be_triggered_for_nobody(self) -> None:
        stage = make_ibex()
        transaction = stage.world.ibex.deposit(stage.receive_at())
        assert stage.call("GET", f"/transactions/{transaction}/webhooks/trigger")[0] == 404
        assert stage.call("GET", "/transactions/x/webhooks/trigger")[0] == 404

    def test_come_twice_late_and_in_another_order_when_faults_say_so(self) -> None:
        stage = listening()
        address = stage.receive_at()
        stage.world.faults.set("webhook_doubled", "ibex", times=1)
        stage.world.faults.set("webhook_reordered", "ibex", times=1, seconds=5)
        first = stage.world.ibex.deposit(address, "1")
        second = stage.world.ibex.deposit(address, "2", settle_seconds=0.5)
        order = [body["transaction"]["id"] for body in stage.run(10)]
        assert order[0] == second
        assert sorted(order[1:]) == [first] * len(order[1:])
        assert len(order) == 3

    def test_are_tried_again_as_they_were(self) -> None:
        stage = listening()
        stage.world.ibex.deposit(stage.receive_at())
        answers = iter([500, 200])
        assert len(stage.run(90, lambda: next(answers))) == 2
        assert stage.told[0].body == stage.told[1].body

    def test_can_be_told_again_in_another_manner_for_once(self) -> None:
        stage = listening()
        transaction = stage.world.ibex.deposit(stage.receive_at())
        stage.run()
        stage.world.ibex.announce(transaction, shapes=["flat"], secret_as="wrong")
        stage.world.ibex.announce(transaction)
        odd, usual = stage.run()
        assert odd["webhookSecret"] == "ibx_whsec_7Qm3"
        assert usual["secret"] == SECRET

    def test_may_tell_of_what_is_pending(self) -> None:
        stage = listening(webhook_statuses=["pending", "completed"])
        stage.world.ibex.deposit(stage.receive_at())
        seen = [(one["transaction"]["status"], one["transaction"]["settledAt"]) for one in stage.run()]
        assert seen == [("pending", "0001-01-01T00:00:00Z"), ("completed", "2026-01-01T10:00:00.2Z")]
