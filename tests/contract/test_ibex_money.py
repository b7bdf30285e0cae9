"""IBEX's port, spoken to the pretended IBEX: what came in, and what is sent on."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    UnexpectedAnswer,
)
from funding.facts import LookDue
from funding.money import Money
from funding.ports.ibex import SendOrder, TokenStatus
from providers.ibex import door, secret
from providers.ibex.adapter import IbexAdapter
from providers.ibex.interpret import interpret
from providers.rotation import Secret, Windowed
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.contract.ibex_client import ByHand, an_adapter, by_client
from tests.support.odd_server import Behave, OddServer, always, answer, read_request

SINCE = datetime.now(UTC) - timedelta(hours=1)
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
ORDER = SendOrder(account="acc_1", address=ETHEREUM, network="ethereum", amount=Money(25_000001, "USDT"), name="p_1")
CONFIG = {"ibex_account_balance": "1000", "ibex_settle_seconds": 0, "ibex_send_seconds": 0}


@pytest.fixture
def config() -> dict[str, Any]:
    return {}


@pytest.fixture
def pretended(config: dict[str, Any]) -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, config=CONFIG | config) as server:
        yield server


@pytest.fixture
def ibex(pretended: SandboxServer) -> Iterator[IbexAdapter]:
    with an_adapter(pretended.urls["ibex"], by_client(pretended), deadline=DEADLINE_S) as adapter:
        yield adapter


@pytest.fixture
def account(pretended: SandboxServer) -> str:
    return pretended.world.ibex.first_account_id


@pytest.fixture
def deposit(pretended: SandboxServer) -> Callable[..., str]:
    state = pretended.world.ibex
    address = state.add_receive_info(network="tron").address
    return lambda amount="100.00", **more: state.deposit(address, amount, **more)


@pytest.fixture
def order(account: str) -> SendOrder:
    return SendOrder(account=account, address=ETHEREUM, network="ethereum", amount=ORDER.amount, name="p_1")


def asked(server: SandboxServer) -> list[str]:
    return [f"{one['method']} {one['path'].partition('?')[0]}" for one in server.world.requests]


def sends(server: SandboxServer) -> int:
    return sum(one.type_id == 10 for one in server.world.ibex.transactions.values())


class TestATransaction:
    def test_is_read_with_its_chain_hash(self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]) -> None:
        made = deposit("49.5", tx_hash="ab" * 32)
        one = ibex.get_transaction(made)
        assert (one.id, one.account, one.incoming, one.status) == (made, account, True, TokenStatus.COMPLETED)
        assert (one.amount, one.chain_hash) == (Money(49_500000, "USDT"), "ab" * 32)
        assert one.settled_at is not None

    @pytest.mark.parametrize("config", [{"ibex_decimals": 11}])
    def test_of_eleven_places_is_cut_down_and_kept_in_raw(
        self, ibex: IbexAdapter, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        made = deposit("0.29")
        one = ibex.get_transaction(made)
        assert one.amount == Money(290000, "USDT")
        assert Decimal(one.raw_amount) == pretended.world.ibex.transaction(made).amount > Decimal("0.29")

    @pytest.mark.parametrize("config", [{"ibex_unset_time": text} for text in ("zero", "number", "null")])
    def test_that_waits_is_not_settled(self, ibex: IbexAdapter, deposit: Callable[..., str]) -> None:
        one = ibex.get_transaction(deposit(settle_seconds=60))
        assert (one.status, one.settled_at) == (TokenStatus.PENDING, None)

    def test_of_a_word_nobody_documented_waits(
        self, ibex: IbexAdapter, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        pretended.world.faults.set("unknown_status", "ibex", status="Under_Observation")
        one = ibex.get_transaction(deposit())
        assert (one.status, one.raw_status) == (TokenStatus.UNKNOWN, "Under_Observation")

    def test_unknown_to_ibex_is_not_found(self, ibex: IbexAdapter) -> None:
        with pytest.raises(NotFound):
            ibex.get_transaction("tx_none")

    @pytest.mark.parametrize("odd", ["..", "../../account", "a/b", "a\r\nb", "", "%2e%2e"])
    def test_is_not_asked_for_under_an_odd_id(self, ibex: IbexAdapter, pretended: SandboxServer, odd: str) -> None:
        for ask in (ibex.get_transaction, lambda text: ibex.list_transactions(text, since=SINCE)):
            with pytest.raises(NotFound):
                ask(odd)
        assert not pretended.world.requests

    @pytest.mark.parametrize("details", [answer("404 X"), answer("400 X"), answer(body=b'{"networkId":""}')])
    def test_without_details_has_no_chain_hash(self, details: bytes) -> None:
        with speaking_to(by_path({b"/details": details}, answer(body=shown()))) as ibex:
            assert ibex.get_transaction("tx_1").chain_hash is None

    def test_whose_details_cannot_be_had_now_is_read_again(self) -> None:
        """Taken for no hash, an arrival could not be matched."""
        with (
            speaking_to(by_path({b"/details": answer("503 X")}, answer(body=shown()))) as ibex,
            pytest.raises(ProviderUnavailable),
        ):
            ibex.get_transaction("tx_1")

    @pytest.mark.parametrize("reply", [b'{"id":"tx_1"}', b"[]", b"<html>", b""])
    def test_in_another_shape_is_no_answer(self, reply: bytes) -> None:
        with speaking_to(always(answer(body=reply))) as ibex, pytest.raises(UnexpectedAnswer):
            ibex.get_transaction("tx_1")

    def test_that_is_another_than_was_asked_for_is_no_answer(self) -> None:
        with speaking_to(always(answer(body=shown()))) as ibex, pytest.raises(UnexpectedAnswer):
            ibex.get_transaction("tx_2")

    @pytest.mark.parametrize("fault", ["slow_reply", "dripping_reply", "hanging_socket"])
    def test_is_given_up_at_the_deadline(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer, fault: str
    ) -> None:
        made = deposit()
        ibex.get_transaction(made)
        pretended.world.faults.set(fault, "ibex", seconds=30)
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            ibex.get_transaction(made)
        assert time.monotonic() - began < DEADLINE_S + 1

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (answer("400 X", b'{"error":"no"}'), ProviderRejected),
            (answer("401 X"), Misconfigured),
            (answer("403 X", b"account is blocked"), Misconfigured),
            (answer("404 X"), NotFound),
            (answer("422 X", b'{"message":"no"}'), ProviderRejected),
            (answer("429 X", headers={"Retry-After": "4"}), ProviderThrottled),
            (answer("500 X"), ProviderUnavailable),
            (answer("504 X"), ProviderUnavailable),
        ],
    )
    def test_that_is_refused_is_what_the_status_says(self, reply: bytes, kind: type[ProviderError]) -> None:
        with speaking_to(always(reply)) as ibex, pytest.raises(ProviderError) as caught:
            ibex.get_transaction("tx_1")
        assert type(caught.value) is kind


class TestTheListing:
    @pytest.mark.parametrize(
        "config",
        [
            {"ibex_minus_sort": sort, "ibex_first_page": first, "ibex_unset_time": unset}
            for sort in ("newest", "oldest")
            for first in (0, 1)
            for unset in ("zero", "null")
        ],
    )
    def test_shows_every_one_of_them(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.ibex.adapter.PAGE", 2)
        waiting = [deposit(settle_seconds=600)]
        made = [deposit(str(number)) for number in range(1, 8)]
        waiting += [deposit(settle_seconds=600)]
        found = ibex.list_transactions(account, since=SINCE)
        assert {one.id for one in found} == {*made, *waiting}
        assert {one.id for one in found if one.settled_at is None} == set(waiting)
        assert [one.created_at for one in found] == sorted(one.created_at for one in found)

    def test_shows_what_is_not_settled_however_old_the_rest(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer, monkeypatch: Any
    ) -> None:
        """It stands behind all the years: a walk that stops at `since` would lose a send under way."""
        monkeypatch.setattr("providers.ibex.adapter.PAGE", 2)
        for _ in range(30):
            deposit()
        waiting = deposit(settle_seconds=600)
        before = len(pretended.world.requests)
        found = ibex.list_transactions(account, since=datetime.now(UTC) + timedelta(hours=1))
        assert [one.id for one in found] == [waiting]
        assert len(pretended.world.requests) - before < 17

    def test_shows_a_send_that_waits(self, ibex: IbexAdapter, pretended: SandboxServer, order: SendOrder) -> None:
        pretended.world.ibex.decide_sends(["pending"])
        sent = ibex.send(ibex.send_request(order))
        (found,) = ibex.list_transactions(order.account, since=SINCE)
        assert (found.id, found.amount, found.incoming) == (sent.transaction_id, order.amount, None)

    def test_of_another_account_is_not_believed(self) -> None:
        with (
            speaking_to(always(answer(body=b"[%s]" % shown()))) as ibex,
            pytest.raises(UnexpectedAnswer, match="another account"),
        ):
            ibex.list_transactions("acc_2", since=SINCE)

    def test_that_shows_the_same_for_ever_is_left(self) -> None:
        with (
            speaking_to(always(answer(body=b"[%s]" % shown()))) as ibex,
            pytest.raises(UnexpectedAnswer, match="never end"),
        ):
            ibex.list_transactions("acc_1", since=SINCE)

    def test_of_an_account_that_is_not_there_is_not_empty(self, ibex: IbexAdapter) -> None:
        with pytest.raises(NotFound):
            ibex.list_transactions("acc_none", since=SINCE)


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


class TestAWebhook:
    """As the pretended IBEX tells of a deposit, through our door's checks, to a look."""

    @pytest.mark.parametrize("shape", ["account", "flat", "envelope"])
    @pytest.mark.parametrize("place", ["usual", "header"])
    def test_is_proved_stripped_named_and_read(self, shape: str, place: str) -> None:
        config = CONFIG | {"ibex_webhook_url": "http://127.0.0.1:9/", "ibex_webhook_shapes": (shape,)}
        with SandboxServer(seed=7, config=config | {"ibex_webhook_secret_in": place}) as server:
            address = server.world.ibex.add_receive_info(network="tron").address
            made = server.world.ibex.deposit(address)
            (event,) = [one for events in server.world.outbox.events.values() for one in events]
            said = server.world.config.ibex_webhook_secret
        keys = secret.load_secrets([Windowed(Secret(said))])
        proved = door.check(event.body, event.headers, None, datetime.now(UTC), secrets=keys)
        assert said.encode() not in proved.body
        name = door.name(proved.body, json.loads(proved.body))
        assert name.id.startswith("fields:" if shape != "account" else f"{made}:completed")
        subject = made if shape == "account" else f"tron/{address}"
        (fact,) = interpret(proved.body, source="webhook").facts
        assert isinstance(fact, LookDue)
        assert fact.subject == subject


@contextmanager
def speaking_to(behave: Behave) -> Iterator[IbexAdapter]:
    """The port, over an IBEX that behaves as it is told."""
    with OddServer(behave) as server, an_adapter(server.url, ByHand()) as adapter:
        yield adapter


def shown() -> bytes:
    return (
        b'{"id":"tx_1","createdAt":"2026-03-04T15:20:01Z","settledAt":"2026-03-04T15:20:11Z","accountId":"acc_1",'
        b'"amount":100.0,"currencyId":29,"transactionTypeId":9,"status":"completed"}'
    )


def by_path(replies: dict[bytes, bytes], otherwise: bytes, *, seen: list[bytes] | None = None) -> Behave:
    """To each request the first reply whose name stands in its first line."""

    def behave(connection: Any, stopping: threading.Event) -> None:
        while request := read_request(connection):
            if seen is not None:
                seen.append(request)
            line = request.split(b"\r\n")[0]
            connection.sendall(next((reply for name, reply in replies.items() if name in line), otherwise))

    return behave
