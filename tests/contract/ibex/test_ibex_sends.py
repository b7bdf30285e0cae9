"""IBEX's port, spoken to the pretended IBEX: what is sent on."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from funding.money import Money
from funding.ports.ibex import SendOrder, TokenStatus
from providers.ibex.adapter import IbexAdapter
from sandbox.server import SandboxServer
from tests.contract.ibex.client import ETHEREUM, ORDER, an_adapter, by_client
from tests.contract.ibex.odd import by_path, speaking_to
from tests.support.odd_server import answer

SINCE = datetime.now(UTC) - timedelta(hours=1)


def asked(server: SandboxServer) -> list[str]:
    return [f"{one['method']} {one['path'].partition('?')[0]}" for one in server.world.requests]


def sends(server: SandboxServer) -> int:
    return sum(one.type_id == 10 for one in server.world.ibex.transactions.values())


class TestASend:
    @pytest.mark.parametrize("network", ["ethereum", "Tron"])
    def test_moves_the_money_once(
        self, ibex: IbexAdapter, pretended: SandboxServer, account: str, network: str
    ) -> None:
        address = ETHEREUM if network == "ethereum" else "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
        order = SendOrder(account=account, address=address, network=network, amount=Money(25_000001, "USDT"), name="p")
        sent = ibex.send(ibex.send_request(order))
        assert sent.transaction_id is not None
        one = ibex.get_transaction(sent.transaction_id)
        assert (one.amount, one.status) == (Money(25_000001, "USDT"), TokenStatus.COMPLETED)
        (movement,) = pretended.world.chain.movements
        assert (movement.recipient, movement.amount) == (address, Decimal("25.000001"))
        assert sent.chain_hash in {None, movement.hash}

    @pytest.mark.parametrize(
        "config",
        [
            {"ibex_hash_at_once": True, "ibex_send_reply": parts, "ibex_hub_hash": name}
            for parts in ((), ("transaction",), ("transactionHub",), ("cryptoTransaction",))
            for name in ("txHash", "hash")
        ],
    )
    def test_is_done_whatever_its_answer_leaves_out(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, config: dict[str, Any]
    ) -> None:
        sent = ibex.send(ibex.send_request(order))
        assert (sent.transaction_id is not None) == ("transaction" in config["ibex_send_reply"])
        assert (sent.chain_hash is not None) == bool(
            {"transactionHub", "cryptoTransaction"} & {*config["ibex_send_reply"]}
        )
        assert sends(pretended) == 1

    @pytest.mark.parametrize("config", [{"ibex_error_style": style} for style in ("error", "message", "text")])
    def test_of_more_than_there_is_is_refused(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, account: str
    ) -> None:
        big = SendOrder(account=account, address=ETHEREUM, network="ethereum", amount=Money(10**10, "USDT"), name="p")
        with pytest.raises(ProviderRejected) as caught:
            ibex.send(ibex.send_request(big))
        assert caught.value.code == "insufficient_balance"
        assert account not in str(caught.value)
        assert sends(pretended) == 0

    def test_that_was_prepared_already_is_refused(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder
    ) -> None:
        pretended.world.ibex.decide_sends(["prepared"])
        with pytest.raises(ProviderRejected) as caught:
            ibex.send(ibex.send_request(order))
        assert caught.value.code == "payment_already_prepared"

    @pytest.mark.parametrize(("outcome", "made"), [("unknown_made", 1), ("unknown_not_made", 0)])
    def test_that_times_out_at_ibex_may_have_left(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, outcome: str, made: int
    ) -> None:
        pretended.world.ibex.decide_sends([outcome])
        with pytest.raises(OutcomeUnknown) as caught:
            ibex.send(ibex.send_request(order))
        assert caught.value.status == 504
        assert len(ibex.list_transactions(order.account, since=SINCE)) == made

    @pytest.mark.parametrize("fault", ["server_error", "unavailable", "server_error_after", "reply_lost", "slow_reply"])
    def test_whose_last_call_fails_may_have_left(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, fault: str
    ) -> None:
        pretended.world.faults.set(fault, "ibex", only="POST /accounts/{x}/crypto/send", times=1, seconds=5)
        with pytest.raises(OutcomeUnknown):
            ibex.send(ibex.send_request(order))

    @pytest.mark.parametrize("only", ["GET /crypto/send/requirements", "POST /crypto/send/infos"])
    @pytest.mark.parametrize(
        "fault", ["server_error", "unavailable", "throttled", "server_error_after", "reply_lost", "slow_reply"]
    )
    def test_whose_first_calls_fail_has_moved_nothing_and_is_made_again(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, only: str, fault: str
    ) -> None:
        request = ibex.send_request(order)
        pretended.world.faults.set(fault, "ibex", only=only, times=1, seconds=5)
        with pytest.raises(ProviderUnavailable):
            ibex.send(request)
        assert sends(pretended) == 0
        ibex.send(request)
        assert sends(pretended) == 1

    def test_on_a_network_ibex_does_not_serve_is_refused(self, pretended: SandboxServer, account: str) -> None:
        order = SendOrder(account=account, address=ETHEREUM, network="ethereum", amount=Money(1, "USDC"), name="p")
        with an_adapter(pretended.urls["ibex"], by_client(pretended)) as ibex, pytest.raises(ProviderRejected):
            ibex.send(ibex.send_request(order))
        assert "POST /crypto/send/infos" not in asked(pretended)

    def test_without_the_feature_is_refused_and_all_else_goes_on(
        self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder, account: str
    ) -> None:
        """Not our credentials are refused: a pause of the provider would stop what works."""
        pretended.world.ibex.crypto_on = False
        with pytest.raises(ProviderRejected):
            ibex.send(ibex.send_request(order))
        assert ibex.list_transactions(account, since=pretended.world.now() - timedelta(days=1)) == []

    def test_whose_token_ends_before_the_last_call_is_made_once(
        self, pretended: SandboxServer, order: SendOrder
    ) -> None:
        """A 401 had no effect: the same call goes out again under a new token."""
        way = by_client(pretended)
        with an_adapter(pretended.urls["ibex"], way) as ibex:
            ibex._info(order)
            pretended.world.ibex.tokens.expire()
            ibex.send(ibex.send_request(order))
        assert sends(pretended) == 1
        assert asked(pretended).count("POST /oauth/token") == 2


REQUIREMENTS = answer(body=b'{"requirementsId":"req_9","currencyId":29,"data":{"address":{"type":"string"}}}')
INFO = answer("201 X", b'{"id":"csi_31","name":"p_1","network":"ethereum"}')


class TestASendsLastCall:
    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (answer("400 X", b'{"error":"bad"}'), ProviderRejected),
            (answer("401 X"), Misconfigured),
            (answer("403 X", b"crypto is off"), ProviderRejected),
            (answer("404 X"), NotFound),
            (answer("408 X"), OutcomeUnknown),
            (answer("409 X"), OutcomeUnknown),
            (answer("422 X"), ProviderRejected),
            (answer("429 X"), ProviderThrottled),
            (answer("302 X"), OutcomeUnknown),
            (answer("500 X"), OutcomeUnknown),
            (answer("502 X", b"<html>insufficient balance</html>"), OutcomeUnknown),
            (answer("504 X"), OutcomeUnknown),
            (answer(body=b"<html>"), OutcomeUnknown),
            (answer(body=b""), OutcomeUnknown),
        ],
    )
    def test_comes_to_what_its_answer_leaves_room_for(self, reply: bytes, kind: type[ProviderError]) -> None:
        paths = {b"/requirements": REQUIREMENTS, b"/infos": INFO}
        with speaking_to(by_path(paths, reply)) as ibex, pytest.raises(ProviderError) as caught:
            ibex.send(ibex.send_request(ORDER))
        assert type(caught.value) is kind

    def test_is_the_three_of_the_documents(self) -> None:
        seen: list[bytes] = []
        paths = {b"/requirements": REQUIREMENTS, b"/infos": INFO}
        with speaking_to(by_path(paths, answer(), seen=seen)) as ibex:
            ibex.send(ibex.send_request(ORDER))
        lines = [one.split(b"\r\n")[0].decode().rsplit(" ", 1)[0] for one in seen]
        assert lines == [
            "GET /crypto/send/requirements?network=ethereum&currency-id=29",
            "POST /crypto/send/infos",
            "POST /accounts/acc_1/crypto/send",
        ]
        bodies = [one.partition(b"\r\n\r\n")[2] for one in seen]
        assert json.loads(bodies[1])["data"] == {"address": ETHEREUM}
        assert bodies[2] == b'{"cryptoSendInfosId":"csi_31","amount":25.000001}'

    @pytest.mark.parametrize(
        "paths",
        [
            {b"/requirements": answer(body=b'{"requirementsId":"r","currencyId":30}')},
            {b"/requirements": answer(body=b"{}")},
            {b"/requirements": REQUIREMENTS, b"/infos": answer(body=b'{"id":"c","network":"tron"}')},
            {b"/requirements": REQUIREMENTS, b"/infos": answer(body=b"")},
        ],
    )
    def test_is_not_made_when_those_before_cannot_be_read(self, paths: dict[bytes, bytes]) -> None:
        seen: list[bytes] = []
        with speaking_to(by_path(paths, answer(), seen=seen)) as ibex, pytest.raises(ProviderUnavailable):
            ibex.send(ibex.send_request(ORDER))
        assert not any(b"/accounts/" in one for one in seen)
