"""Bridge's payouts and customers, spoken to the pretended Bridge."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from funding.money import Money
from funding.ports.bridge import CustomerStatus, PayoutOrder, TransferState
from providers.bridge.adapter import BridgeAdapter
from sandbox.server import SandboxServer
from tests.contract.bridge_client import pretended_with, speaking_to
from tests.contract.conftest import DEADLINE_S

SINCE = datetime.now(UTC) - timedelta(hours=1)
POST = "POST /v0/transfers"


@pytest.fixture
def bridge(pretended: SandboxServer) -> Iterator[BridgeAdapter]:
    with speaking_to(pretended.urls["bridge"], pretended.world.config.bridge_api_keys) as adapter:
        yield adapter


def an_order(server: SandboxServer, *, reference: str = "wd_1", units: int = 250_000000) -> PayoutOrder:
    """A payout for a new customer who may be paid."""
    customer = server.world.bridge.add_customer().id
    bank = server.world.bridge.add_external_account(customer).id
    return PayoutOrder(
        customer=customer, external_account=bank, amount=Money(units, "USDT"), network="tron", reference=reference
    )


def made(server: SandboxServer) -> int:
    return len(server.world.bridge.transfers())


class TestCreating:
    def test_waits_for_our_tokens_at_an_address(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        order = an_order(pretended)
        payout = bridge.create_payout(bridge.payout_request(order), key=uuid4())
        assert (payout.reference, payout.customer, payout.amount) == ("wd_1", order.customer, order.amount)
        assert payout.state is TransferState.AWAITING_FUNDS
        assert payout.pay_to is not None
        assert payout.pay_to.startswith("T")
        assert bridge.get_payout(payout.id) == payout

    def test_ends_at_the_bank_whoever_sends_the_tokens(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        payout = bridge.create_payout(bridge.payout_request(an_order(pretended)), key=uuid4())
        pretended.world.bridge.payments.prepare(
            pretended.world.bridge.payments.by_id[payout.id],
            ("funds_received", "payment_submitted", "payment_processed"),
            0,
        )
        pretended.world.bridge.pay_transfer(payout.id, sender="TWhoeverSends")
        paid = bridge.get_payout(payout.id)
        assert paid.state is TransferState.PAYMENT_PROCESSED
        assert paid.sent_on == Money(250_00, "USD")
        assert paid.chain_hash is not None
        assert paid.updated_at > paid.created_at

    @pytest.mark.parametrize(
        ("fault", "params"),
        [
            ("reply_lost", {}),
            ("slow_reply", {"seconds": 30}),
            ("dripping_reply", {"seconds": 30}),
            ("hanging_socket", {"seconds": 30}),
        ],
    )
    def test_is_unknown_without_a_reply_and_the_same_key_finds_the_payout(
        self, bridge: BridgeAdapter, pretended: SandboxServer, fault: str, params: dict[str, float]
    ) -> None:
        order, key = an_order(pretended), uuid4()
        pretended.world.faults.set(fault, "bridge", times=1, only=POST, **params)
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            bridge.create_payout(bridge.payout_request(order), key=key)
        assert time.monotonic() - began < DEADLINE_S + 1
        assert not caught.value.answered

        again = bridge.create_payout(bridge.payout_request(order), key=key)
        assert made(pretended) == 1
        assert list(bridge.find_payouts("wd_1", customer=order.customer, since=SINCE)) == [again]

    @pytest.mark.parametrize("fault", ["reset_before", "server_error", "unavailable"])
    def test_is_unknown_even_if_nothing_happened(
        self, bridge: BridgeAdapter, pretended: SandboxServer, fault: str
    ) -> None:
        order = an_order(pretended)
        pretended.world.faults.set(fault, "bridge", times=1, only=POST)
        with pytest.raises(OutcomeUnknown):
            bridge.create_payout(bridge.payout_request(order), key=uuid4())
        assert bridge.find_payouts("wd_1", customer=order.customer, since=SINCE) == []

    def test_did_not_happen_when_throttled(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        request = bridge.payout_request(an_order(pretended))
        pretended.world.faults.set("throttled", "bridge", times=1, only=POST, seconds=3)
        with pytest.raises(ProviderThrottled) as caught:
            bridge.create_payout(request, key=uuid4())
        assert caught.value.retry_after == timedelta(seconds=3)
        assert made(pretended) == 0

    @pytest.mark.parametrize(
        ("kyc", "tos", "code"),
        [
            ("under_review", "approved", "requires_active_kyc_status"),
            ("approved", "pending", "has_not_accepted_tos"),
            ("paused", "approved", "frozen"),
        ],
    )
    def test_is_refused_for_a_customer_who_may_not(
        self, bridge: BridgeAdapter, pretended: SandboxServer, kyc: str, tos: str, code: str
    ) -> None:
        order = an_order(pretended)
        pretended.world.bridge.people.decide(pretended.world.bridge.customers[order.customer], kyc=kyc, tos=tos)
        with pytest.raises(ProviderRejected) as caught:
            bridge.create_payout(bridge.payout_request(order), key=uuid4())
        assert caught.value.code == code

    def test_is_refused_for_a_bank_account_that_is_closed(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        order = an_order(pretended)
        bank = pretended.world.bridge.external_accounts[order.external_account]
        pretended.world.bridge.people.change_bank(bank, active=False)
        with pytest.raises(ProviderRejected) as caught:
            bridge.create_payout(bridge.payout_request(order), key=uuid4())
        assert caught.value.code == "deactivated_external_account"

    def test_under_a_dead_key_is_unknown_and_found_by_its_reference(self) -> None:
        """What the key made a day ago is not told again, and a new key would make another."""
        with pretended_with(bridge_key_seconds=0) as (bridge, server):
            order, key = an_order(server), uuid4()
            first = bridge.create_payout(bridge.payout_request(order), key=key)
            with pytest.raises(OutcomeUnknown) as caught:
                bridge.create_payout(bridge.payout_request(order), key=key)
            assert (caught.value.status, caught.value.answered) == (422, True)
            assert list(bridge.find_payouts("wd_1", customer=order.customer, since=SINCE)) == [first]

    def test_under_a_key_that_named_another_payout_is_unknown(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        """After lost commits we may not know what we asked for before."""
        key = uuid4()
        bridge.create_payout(bridge.payout_request(an_order(pretended)), key=key)
        with pytest.raises(OutcomeUnknown):
            bridge.create_payout(bridge.payout_request(an_order(pretended)), key=key)
        assert made(pretended) == 1


class TestReading:
    def test_keeps_a_state_nobody_knows_open(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        payout = bridge.create_payout(bridge.payout_request(an_order(pretended)), key=uuid4())
        pretended.world.faults.set("unknown_status", "bridge", status="Being_Considered")
        read = bridge.get_payout(payout.id)
        assert (read.state, read.raw_state) == (TransferState.UNKNOWN, "Being_Considered")

    @pytest.mark.parametrize("status", [400, 404])
    def test_finds_nothing_under_an_unknown_id_in_either_way_of_saying_so(self, status: int) -> None:
        with pretended_with(bridge_not_found_status=status) as (bridge, _):
            for ask in (bridge.get_payout, bridge.get_customer):
                with pytest.raises(NotFound):
                    ask("no-such")
            with pytest.raises(NotFound):
                bridge.find_payouts("wd_1", customer="no-such", since=SINCE)

    @pytest.mark.parametrize("odd", ["..", "../customers", "a/b", "a?b", "a\r\nb", "", "%2e%2e", "x" * 200])
    def test_asks_nothing_under_an_odd_id(self, bridge: BridgeAdapter, pretended: SandboxServer, odd: str) -> None:
        """Ids come out of event bodies: they must not lead to another path."""
        asks: list[Callable[[], object]] = [
            lambda: bridge.get_payout(odd),
            lambda: bridge.get_customer(odd),
            lambda: bridge.find_payouts("wd_1", customer=odd, since=SINCE),
        ]
        for ask in asks:
            with pytest.raises(NotFound):
                ask()
        assert not pretended.world.requests

    @pytest.mark.parametrize("fault", ["server_error", "unavailable", "reset_before", "reply_lost"])
    def test_is_to_be_asked_again_after_a_failure(
        self, bridge: BridgeAdapter, pretended: SandboxServer, fault: str
    ) -> None:
        customer = pretended.world.bridge.add_customer().id
        pretended.world.faults.set(fault, "bridge", times=1)
        with pytest.raises(ProviderUnavailable):
            bridge.get_customer(customer)
        assert bridge.get_customer(customer).id == customer

    def test_with_a_wrong_key_is_our_mistake_and_with_the_next_one_is_none(self, pretended: SandboxServer) -> None:
        customer, right = pretended.world.bridge.add_customer().id, pretended.world.config.bridge_api_keys[0]
        with speaking_to(pretended.urls["bridge"], ["wrong"]) as bridge, pytest.raises(Misconfigured):
            bridge.get_customer(customer)
        with speaking_to(pretended.urls["bridge"], ["wrong", right]) as bridge:
            assert bridge.get_customer(customer).id == customer


class TestFinding:
    def test_matches_our_reference_and_the_customer_oldest_first(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        order, other = an_order(pretended), an_order(pretended)
        wanted = [bridge.create_payout(bridge.payout_request(order), key=uuid4()).id for _ in range(4)]
        bridge.create_payout(bridge.payout_request(other), key=uuid4())
        bridge.create_payout(bridge.payout_request(order).replace("wd_1", "wd_2"), key=uuid4())
        found = bridge.find_payouts("wd_1", customer=order.customer, since=SINCE)
        assert [one.id for one in found] == wanted

    @pytest.mark.parametrize("bare", [False, True])
    @pytest.mark.parametrize("truncated", [False, True])
    def test_walks_every_page_though_some_are_short(
        self, monkeypatch: pytest.MonkeyPatch, *, bare: bool, truncated: bool
    ) -> None:
        """Nothing says that there is more, and a short page does not say that there is none."""
        monkeypatch.setattr("providers.bridge.adapter.PAGE", 2)
        with pretended_with(bridge_bare_lists=bare) as (bridge, server):
            order = an_order(server)
            first = bridge.create_payout(bridge.payout_request(order), key=uuid4())
            for number in range(5):
                bridge.create_payout(bridge.payout_request(order).replace("wd_1", f"no_{number}"), key=uuid4())
            if truncated:
                server.world.faults.set("truncated_listing", "bridge", keep=0.5)
            assert list(bridge.find_payouts("wd_1", customer=order.customer, since=SINCE)) == [first]

    def test_stops_at_a_page_that_is_all_older(
        self, bridge: BridgeAdapter, pretended: SandboxServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.bridge.adapter.PAGE", 2)
        order = an_order(pretended)
        for _ in range(5):
            bridge.create_payout(bridge.payout_request(order), key=uuid4())
        pretended.world.requests.clear()
        late = datetime.now(UTC) + timedelta(hours=1)
        assert bridge.find_payouts("wd_1", customer=order.customer, since=late) == []
        assert len(pretended.world.requests) == 1


class TestACustomer:
    @pytest.mark.parametrize("seed_way", [False, True])
    def test_is_read_in_our_words(self, *, seed_way: bool) -> None:
        with pretended_with(bridge_seed_customers=seed_way) as (bridge, server):
            people = server.world.bridge
            approved, waiting = people.add_customer(), people.add_customer(kyc="awaiting_ubo", tos="pending")
            read = bridge.get_customer(approved.id)
            assert (read.status, read.terms_accepted, read.rejections) == (CustomerStatus.APPROVED, True, ())
            assert read.raw_status == ("approved" if seed_way else "active")
            read = bridge.get_customer(waiting.id)
            assert (read.status, read.terms_accepted) == (CustomerStatus.INCOMPLETE, False)

    def test_that_was_rejected_says_why(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        customer = pretended.world.bridge.add_customer()
        pretended.world.bridge.people.decide(customer, kyc="rejected", reasons=["ID expired"])
        read = bridge.get_customer(customer.id)
        assert (read.status, read.rejections) == (CustomerStatus.REJECTED, ("ID expired",))
