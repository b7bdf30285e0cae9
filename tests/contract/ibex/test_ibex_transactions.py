"""IBEX's port, spoken to the pretended IBEX: what came in, and what tells of it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
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
from tests.contract.ibex.client import CONFIG
from tests.contract.ibex.odd import by_path, shown, speaking_to
from tests.support.odd_server import always, answer

SINCE = datetime.now(UTC) - timedelta(hours=1)


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
