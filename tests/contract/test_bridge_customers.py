"""Bridge's customers, their accounts and banks, and IBEX's addresses, spoken to the pretended ones."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from funding.errors import NotFound, OutcomeUnknown, ProviderRejected, UnexpectedAnswer
from funding.ports.bridge_customers import KycOrder, VirtualAccountOrder
from providers.bridge.adapter import BridgeAdapter
from providers.ibex.adapter import IbexAdapter
from sandbox.ibex.addresses import tron
from sandbox.server import SandboxServer
from tests.contract.bridge_client import pretended_with, speaking_to
from tests.contract.conftest import DEADLINE_S
from tests.contract.ibex.client import ByHand, an_adapter, by_client
from tests.support.odd_server import OddServer, always, answer

ANA = KycOrder(full_name="Ana Pires", email="ana@example.com")
HOME = tron(bytes(20))


@pytest.fixture
def bridge(pretended: SandboxServer) -> Iterator[BridgeAdapter]:
    with speaking_to(pretended.urls["bridge"], pretended.world.config.bridge_api_keys) as adapter:
        yield adapter


@pytest.fixture
def ibex(pretended: SandboxServer) -> Iterator[IbexAdapter]:
    with an_adapter(pretended.urls["ibex"], by_client(pretended), deadline=DEADLINE_S) as adapter:
        yield adapter


def an_order(customer: str, **changes: str) -> VirtualAccountOrder:
    given = {"address": HOME, "network": "tron", "asset": "USDT", "fee_percent": "0.5"}
    return VirtualAccountOrder(customer=customer, **{**given, **changes})


def opened(bridge: BridgeAdapter, customer: str, **changes: str) -> Any:
    request = bridge.virtual_account_request(an_order(customer, **changes))
    return bridge.create_virtual_account(request, customer=customer, key=uuid4())


class TestAKycLink:
    def test_leads_to_the_customer_it_is_for(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        link = bridge.create_kyc_link(ANA, key=uuid4())
        assert link.customer in pretended.world.bridge.customers
        assert link.page.startswith("https://")
        assert link.terms_page
        assert bridge.get_kyc_link(link.id) == link

    def test_is_found_by_its_email_however_it_is_written(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        pretended.world.bridge.add_customer(email="ben@example.com")
        link = bridge.create_kyc_link(ANA, key=uuid4())
        assert bridge.find_kyc_links(" Ana@Example.com ") == [link]
        assert bridge.find_kyc_links("na@example.com") == []

    def test_for_an_email_that_has_one_may_be_our_own(self, bridge: BridgeAdapter) -> None:
        """A lost answer, and then a dead key: taken for a refusal, the customer would never get theirs."""
        bridge.create_kyc_link(ANA, key=uuid4())
        with pytest.raises(OutcomeUnknown) as caught:
            bridge.create_kyc_link(ANA, key=uuid4())
        assert caught.value.answered
        assert ANA.email not in str(caught.value)

    def test_names_nobody_when_it_is_printed(self, bridge: BridgeAdapter) -> None:
        """What is printed is logged sooner or later."""
        shown = f"{ANA!r} {bridge.create_kyc_link(ANA, key=uuid4())!r}"
        assert "Ana" not in shown
        assert "ana@" not in shown
        assert "https" not in shown

    def test_of_a_customer_known_before_has_a_page_too(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        assert bridge.kyc_page(pretended.world.bridge.add_customer().id).startswith("https://")

    @pytest.mark.parametrize("page", ["http://kyc.example", "javascript:alert(1)", "https://a b", ""])
    def test_to_no_proper_page_is_no_answer(self, page: str) -> None:
        body = json.dumps({"id": "kl_1", "kyc_link": page}).encode()
        with (
            OddServer(always(answer(body=body))) as server,
            speaking_to(server.url) as bridge,
            pytest.raises(UnexpectedAnswer),
        ):
            bridge.get_kyc_link("kl_1")


class TestARejection:
    def test_keeps_what_is_for_developers_apart(self) -> None:
        reasons = [{"developer_reason": "Compromised ID detected", "reason": "Your information could not be verified"}]
        shown = {"id": "c", "status": "rejected", "has_accepted_terms_of_service": True, "rejection_reasons": reasons}
        with OddServer(always(answer(body=json.dumps(shown).encode()))) as server, speaking_to(server.url) as bridge:
            customer = bridge.get_customer("c")
        assert customer.rejections == ("Compromised ID detected",)
        assert customer.told == ("Your information could not be verified",)


class TestAVirtualAccount:
    def test_sends_on_to_the_address_less_our_fee(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        customer = pretended.world.bridge.add_customer().id
        account = opened(bridge, customer)
        assert (account.customer, account.address, account.active) == (customer, HOME, True)
        assert (account.network, account.asset, account.fee_percent) == ("tron", "USDT", "0.5")
        assert account.instructions["bank_account_number"]
        assert bridge.get_virtual_account(customer, account.id) == account
        assert account.instructions["bank_account_number"] not in repr(account)

    def test_is_found_by_where_it_sends_to_while_it_is_on(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        customer = pretended.world.bridge.add_customer().id
        opened(bridge, customer, address=tron(bytes([1] * 20)))
        account = opened(bridge, customer)
        assert bridge.find_virtual_accounts(customer, address=HOME) == [account]
        off = bridge.deactivate_virtual_account(customer, account.id, key=uuid4())
        assert not off.active
        assert bridge.find_virtual_accounts(customer, address=HOME) == []

    def test_that_is_off_already_is_no_plain_refusal(self, bridge: BridgeAdapter, pretended: SandboxServer) -> None:
        customer = pretended.world.bridge.add_customer().id
        account = opened(bridge, customer)
        bridge.deactivate_virtual_account(customer, account.id, key=uuid4())
        with pytest.raises(OutcomeUnknown):
            bridge.deactivate_virtual_account(customer, account.id, key=uuid4())

    @pytest.mark.parametrize(("kyc", "code"), [("paused", "frozen"), ("rejected", "requires_active_kyc_status")])
    def test_is_refused_to_who_may_not_have_one(
        self, bridge: BridgeAdapter, pretended: SandboxServer, kyc: str, code: str
    ) -> None:
        customer = pretended.world.bridge.add_customer(kyc=kyc).id
        with pytest.raises(ProviderRejected) as caught:
            opened(bridge, customer)
        assert caught.value.code == code

    @pytest.mark.parametrize(
        "odd", [{"asset": "USD"}, {"fee_percent": "-1"}, {"fee_percent": "0.5%"}, {"address": HOME[:-1]}]
    )
    def test_that_could_send_money_astray_is_never_ordered(self, bridge: BridgeAdapter, odd: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"tokens|address"):
            bridge.virtual_account_request(an_order("cust_1", **odd))


class TestABank:
    def test_is_linked_on_a_hosted_page_and_shown_by_four_digits(
        self, bridge: BridgeAdapter, pretended: SandboxServer
    ) -> None:
        customer = pretended.world.bridge.add_customer().id
        linking = bridge.link_bank(customer, key=uuid4())
        assert linking.token not in repr(linking)
        assert bridge.list_bank_accounts(customer) == []
        made = pretended.world.bridge.plaid.finish(linking.token)
        [bank] = bridge.list_bank_accounts(customer)
        assert (bank.id, bank.bank_name, bank.active) == (made.id, "First Platypus Bank", True)
        assert bank.last4 == made.number_last_4

    def test_that_shows_its_whole_number_is_not_read(self) -> None:
        body = json.dumps([{"id": "ea_1", "last_4": "900100200300", "active": True}]).encode()
        with OddServer(always(answer(body=body))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(UnexpectedAnswer, match="last_4") as caught:
                bridge.list_bank_accounts("cust_1")
            assert "900100200300" not in str(caught.value)

    @pytest.mark.parametrize("odd", ["../x", "", "a/b"])
    def test_of_nobody_is_asked_of_nobody(self, bridge: BridgeAdapter, odd: str) -> None:
        with pytest.raises(NotFound):
            bridge.list_bank_accounts(odd)


class TestAnAddress:
    def test_is_made_new_each_time_and_listed(self, ibex: IbexAdapter, pretended: SandboxServer) -> None:
        account = pretended.world.ibex.first_account_id
        network = ibex.receive_network("USDT", "TRON")
        assert network is not None
        request = ibex.address_request(account, network=network, name="flow-1")
        first, second = ibex.make_address(request), ibex.make_address(request)
        assert first.address != second.address
        assert [one.address for one in ibex.list_addresses(account)][-2:] == [first.address, second.address]

    def test_is_offered_on_the_networks_of_today(self, ibex: IbexAdapter) -> None:
        assert (ibex.receive_network("USDT", "Tron") or "").lower() == "tron"
        assert ibex.receive_network("USDT", "solana") is None
        assert ibex.receive_network("DAI", "tron") is None

    @pytest.mark.parametrize(
        "shown",
        [
            {"id": "1", "type": "crypto", "data": {"address": "Tdata"}},
            {"id": "1", "address": "Tdata", "name": "flow-1", "network": "tron"},
        ],
    )
    def test_stands_in_either_of_two_places(self, shown: dict[str, Any]) -> None:
        server = OddServer(always(answer(body=json.dumps([shown]).encode())))
        with server, an_adapter(server.url, ByHand()) as ibex:
            [found] = ibex.list_addresses("acc_1")
        assert found.address == "Tdata"
        assert found.name == shown.get("name")

    @pytest.mark.parametrize("body", [b"{}", b'{"options":null}', b'{"options":[{"currencyId":29}]}', b"[]"])
    def test_is_not_looked_for_among_options_that_cannot_be_read(self, body: bytes) -> None:
        with (
            OddServer(always(answer(body=body))) as server,
            an_adapter(server.url, ByHand()) as ibex,
            pytest.raises(UnexpectedAnswer),
        ):
            ibex.receive_network("USDT", "tron")

    @pytest.mark.parametrize(
        ("body", "count"),
        [
            (b"null", 0),
            (b"[]", 0),
            (b'{"receiveInfos":[{"id":"1","address":"T"}]}', 1),
            (b'{"data":null}', 0),
            (b"{}", None),
            (b'"none"', None),
            (b'[{"id":"1"}]', None),
        ],
    )
    def test_listing_that_cannot_be_read_is_never_an_empty_one(self, body: bytes, count: int | None) -> None:
        """Nothing there would be believed, and another address made."""
        with OddServer(always(answer(body=body))) as server, an_adapter(server.url, ByHand()) as ibex:
            if count is None:
                with pytest.raises(UnexpectedAnswer):
                    ibex.list_addresses("acc_1")
            else:
                assert len(ibex.list_addresses("acc_1")) == count

    def test_where_the_feature_is_off_is_refused_and_stops_nothing_else(
        self, ibex: IbexAdapter, pretended: SandboxServer
    ) -> None:
        account = pretended.world.ibex.first_account_id
        pretended.world.ibex.crypto_on = False
        asked: list[Callable[[], object]] = [
            lambda: ibex.receive_network("USDT", "tron"),
            lambda: ibex.make_address(ibex.address_request(account, network="tron", name="flow-1")),
            lambda: ibex.list_addresses(account),
        ]
        for ask in asked:
            with pytest.raises(ProviderRejected):
                ask()

    def test_of_no_account_is_asked_of_nobody(self, ibex: IbexAdapter) -> None:
        with pytest.raises(ValueError, match="account"):
            ibex.address_request("../x", network="tron", name="flow-1")

    def test_whose_answer_is_lost_may_be_there(self) -> None:
        with (
            OddServer(always(answer("504 X", b"{}"))) as server,
            an_adapter(server.url, ByHand()) as ibex,
            pytest.raises(OutcomeUnknown),
        ):
            ibex.make_address(ibex.address_request("acc_1", network="tron", name="flow-1"))


def test_seeds_customers_say_their_status_in_another_field() -> None:
    with pretended_with(bridge_seed_customers=True) as (bridge, server):
        customer = server.world.bridge.add_customer(kyc="paused").id
        assert bridge.get_customer(customer).raw_status == "paused"
