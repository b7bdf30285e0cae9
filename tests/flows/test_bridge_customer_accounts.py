"""A customer's virtual account: opened once, on a good address of theirs, and switched off when they leave."""

import json
from typing import Any

import pytest

from db.customers import NewLink
from funding.refusals import (
    ApiError,
    CustomerMissing,
    CustomerSuspended,
    KycPending,
    KycRejected,
    LevelTooLow,
    ProviderDisabled,
    Refusal,
    TimedOut,
)
from ops.actions import customers
from ops.actions.desk import Refused
from sandbox.ibex import addresses
from tests.support.bridge_desks import BridgeOffice
from tests.support.deposit_house import DepositHouse

ADDRESS = "POST /accounts/*/crypto/receive-infos"
ACCOUNT = "POST /v0/customers/*/virtual_accounts"
DAY = 86_400


@pytest.fixture
def office(house: DepositHouse) -> BridgeOffice:
    return BridgeOffice(house)


class TestOpening:
    def test_shows_where_to_pay_in_and_the_same_again(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.open()
        assert account.instructions["bank_account_number"]
        assert (account.network, account.asset, account.fee_percent) == ("tron", "USDT", "0.5")
        assert office.open() == account
        assert len(office.world.bridge.virtual_accounts) == 1
        assert len(office.world.ibex.receive_infos) == 1

    def test_links_the_address_and_the_account_and_stores_no_number(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.open()
        assert office.links("ana", "ibex", "address") == [(account.address, {"network": "tron", "asset": "USDT"})]
        assert office.link("ana", "bridge", "virtual_account") == account.id
        number = account.instructions["bank_account_number"]
        assert number not in json.dumps(office.flow("bridge_virtual_account")["data"])
        assert office.house.one("SELECT count(*) FROM attempts WHERE attempts::text LIKE :n", n=f"%{number}%") == 0

    def test_takes_the_fee_of_the_settings(self, office: BridgeOffice) -> None:
        """0.5 is half a percent: as half of everything it would be noticed too late."""
        office.approved()
        office.desk.virtual_account("ana", network="tron", fee_percent="1.25")
        [account] = office.world.bridge.virtual_accounts.values()
        assert str(account.fee_percent) == "1.25"

    @pytest.mark.parametrize("house", [{"ibex_option_ids": "none"}, {"ibex_receive_extras": True}], indirect=True)
    def test_finds_its_network_whatever_ibex_shows_of_it(self, house: DepositHouse) -> None:
        office = BridgeOffice(house)
        office.approved()
        assert office.desk.virtual_account("ana", network="tron", fee_percent="0.5").network == "tron"

    def test_uses_the_address_that_the_customer_has(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.link("ana", "ibex", "account")
        own = office.world.ibex.add_receive_info(account, "tron").address
        link = NewLink(
            customer="ana",
            provider="ibex",
            kind="address",
            external_id=own,
            attributes={"network": "tron", "asset": "USDT"},
        )
        customers.add_customer(office.house.desk, "ana", level=None, links=[link])
        assert office.open().address == own
        assert len(office.world.ibex.receive_infos) == 1


class TestTrouble:
    @pytest.mark.parametrize("fault", ["reply_lost", "server_error"])
    @pytest.mark.parametrize(("provider", "only"), [("ibex", ADDRESS), ("bridge", ACCOUNT)])
    def test_on_the_way_makes_nothing_twice(self, office: BridgeOffice, fault: str, provider: str, only: str) -> None:
        """IBEX takes no key and shows no name: what an earlier call made is taken up."""
        office.approved()
        office.world.faults.set(fault, provider, only=only, times=1)
        with pytest.raises(TimedOut):
            office.open()
        office.house.pass_time(1800)
        account = office.open()
        assert len(office.world.bridge.virtual_accounts) == 1
        assert [one.address for one in office.world.ibex.receive_infos.values()] == [account.address]

    def test_with_three_bad_addresses_opens_no_account(
        self, office: BridgeOffice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mistyped address takes dollars and gives nobody anything."""
        office.approved()
        drawn = addresses.draw
        monkeypatch.setattr(addresses, "draw", lambda network, dice: drawn(network, dice)[:-1] + "1")
        with pytest.raises(ApiError):
            office.open()
        assert office.flow("bridge_virtual_account")["state"] == "failed"
        assert len(office.world.ibex.receive_infos) == 3
        assert office.links("ana", "ibex", "address") == []
        assert not office.world.bridge.virtual_accounts
        monkeypatch.undo()
        assert office.open().active, "asked again it begins anew"

    def test_with_one_bad_address_uses_the_next(self, office: BridgeOffice, monkeypatch: pytest.MonkeyPatch) -> None:
        office.approved()
        drawn, made = addresses.draw, []

        def once_bad(network: str, dice: Any) -> str:
            made.append(drawn(network, dice))
            return made[-1] if len(made) > 1 else f"{made[-1][:-1]}1"

        monkeypatch.setattr(addresses, "draw", once_bad)
        assert office.open().address == made[1]

    @pytest.mark.parametrize("house", [{"ibex_crypto": False}], indirect=True)
    def test_with_the_feature_off_at_ibex_is_for_us_and_pauses_nobody_else(self, house: DepositHouse) -> None:
        """403 is also what a blocked login gets: taken for that, every deposit would stand still."""
        office = BridgeOffice(house)
        office.approved()
        with pytest.raises((TimedOut, ApiError)):
            office.open()
        flow = office.flow("bridge_virtual_account")
        assert (flow["state"], house.letters()) == ("requested", [("rejected_403", "open", None)])
        assert "crypto is not enabled" in flow["parked_reason"]
        assert house.rows("SELECT provider FROM provider_gates WHERE paused") == []

        office.world.ibex.crypto_on = True
        assert house.replay() == ["replaying"]
        house.pass_time(5)
        assert office.open().active

    def test_of_a_network_that_ibex_does_not_offer_is_for_us(self, office: BridgeOffice) -> None:
        office.approved()
        with pytest.raises(ApiError, match="team"):
            office.desk.virtual_account("ana", network="solana", fee_percent="0.5")
        assert "IBEX_NETWORK" in str(
            office.house.rows("SELECT message, suggested_action FROM dead_letters, breaks")
        ) or ("solana" in office.flow("bridge_virtual_account")["parked_reason"])
        assert not office.world.bridge.virtual_accounts

    def test_of_another_account_than_was_ordered_waits_for_a_person(
        self, office: BridgeOffice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A virtual account that pays somebody else must not be given to anybody."""
        office.approved()
        made = office.world.bridge.deposits.open
        other = addresses.tron(bytes([7] * 20))

        def elsewhere(owner: Any, currency: str, destination: dict[str, Any], percent: Any) -> Any:
            return made(owner, currency, {**destination, "address": other}, percent)

        monkeypatch.setattr(office.world.bridge.deposits, "open", elsewhere)
        with pytest.raises(ApiError):
            office.open()
        assert office.links("ana", "bridge", "virtual_account") == []
        assert ("bridge", "state_differs") in office.house.open_breaks()

    def test_with_an_account_switched_off_at_bridge_is_noticed(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.world.bridge.virtual_accounts[office.open().id]
        office.world.bridge.deposits.change(account, status="deactivated")
        office.house.pass_time(DAY)
        assert ("bridge", "state_differs") in office.house.open_breaks()


class TestRefusing:
    @pytest.mark.parametrize(
        ("to", "refusal"),
        [
            ({"kyc": "under_review", "tos": "approved"}, KycPending),
            ({"kyc": "approved"}, KycPending),
            ({"kyc": "rejected"}, KycRejected),
            ({"kyc": "paused", "tos": "approved"}, CustomerSuspended),
            ({"kyc": "offboarded", "tos": "approved"}, CustomerSuspended),
        ],
    )
    def test_says_plainly_how_the_customer_stands(
        self, office: BridgeOffice, to: dict[str, str], refusal: type[Refusal]
    ) -> None:
        office.customer()
        office.begin()
        office.decide(**to)
        for operation in (office.open, lambda: office.desk.link_bank("ana")):
            with pytest.raises(refusal):
                operation()
        assert office.flow("bridge_virtual_account") == {}

    def test_of_who_never_began_or_has_no_account_at_ibex(self, office: BridgeOffice) -> None:
        office.customer()
        with pytest.raises(CustomerMissing):
            office.open()
        office.customer("ben", ibex=False)
        office.begin("ben", email="ben@example.com")
        office.decide("ben", kyc="approved", tos="approved")
        with pytest.raises(CustomerMissing) as caught:
            office.open("ben")
        assert "ibex:account" in (caught.value.detail or "")

    def test_asks_both_flags_and_the_level(self, house: DepositHouse) -> None:
        BridgeOffice(house).approved()
        with pytest.raises(ProviderDisabled):
            BridgeOffice(house, ibex=False).open()
        customers.set_level(house.desk, "ana", 1)
        with pytest.raises(LevelTooLow):
            BridgeOffice(house).open()

    def test_by_bridge_after_we_had_looked_is_the_same_answer(self, office: BridgeOffice) -> None:
        """Paused between our reading and the order: the address is made, the account is refused."""
        office.approved()
        office.world.faults.set("server_error", "bridge", only=ACCOUNT, times=1)
        with pytest.raises(TimedOut):
            office.open()
        office.decide(kyc="paused")
        office.house.pass_time(DAY)
        flow = office.flow("bridge_virtual_account")
        assert (flow["state"], flow["data"]["refused"]) == ("failed", "customer_suspended")


class TestBanks:
    def test_are_kept_by_name_and_four_digits_alone(self, office: BridgeOffice) -> None:
        office.approved()
        linking = office.desk.link_bank("ana")
        made = office.world.bridge.plaid.finish(linking.token)
        [bank] = office.desk.external_accounts("ana")
        assert office.links("ana", "bridge", "external_account") == [
            (made.id, {"bank_name": bank.bank_name, "last4": made.number_last_4})
        ]
        assert office.desk.external_accounts("ana") == [bank]

    def test_that_are_closed_are_shown_and_not_kept(self, office: BridgeOffice) -> None:
        office.approved()
        made = office.world.bridge.add_external_account(office.at_bridge().id)
        office.world.bridge.people.change_bank(made, active=False)
        assert [one.active for one in office.desk.external_accounts("ana")] == [False]
        assert office.links("ana", "bridge", "external_account") == []


class TestLeaving:
    def test_switches_the_account_off_once(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.open()
        assert [one.state for one in office.desk.leave("ana")] == ["leaving"]
        office.house.pass_time(60)
        assert office.flow("bridge_leaving")["state"] == "left"
        assert not office.open().active
        assert office.desk.leave("ana") == []
        office.house.pass_time(8 * DAY)
        assert office.flow("bridge_virtual_account")["status"] == "closed"
        assert office.house.open_breaks() == []
        assert office.world.bridge.virtual_accounts[account.id].status == "deactivated"

    def test_lets_what_is_under_way_finish_first(self, office: BridgeOffice) -> None:
        """Switched off at once, a deposit on its way would be sent back."""
        office.approved()
        account = office.open()
        office.world.bridge.deposit(account.id, step_seconds=7200)
        office.house.pass_time(60)
        office.desk.leave("ana")
        office.house.pass_time(3600)
        assert office.open().active
        office.house.pass_time(DAY)
        assert office.flow("bridge_on_ramp")["state"] == "credited"
        assert not office.open().active

    @pytest.mark.parametrize("fault", ["reply_lost", "server_error"])
    def test_ends_though_the_answer_is_lost(self, office: BridgeOffice, fault: str) -> None:
        """Off already, Bridge refuses it a second time."""
        office.approved()
        office.open()
        office.world.faults.set(fault, "bridge", only=f"{ACCOUNT}/*/deactivate", times=1)
        office.desk.leave("ana")
        office.house.pass_time(1800)
        assert office.flow("bridge_leaving")["state"] == "left"
        assert office.house.letters() == []

    def test_is_allowed_with_the_flag_off(self, house: DepositHouse) -> None:
        office = BridgeOffice(house)
        office.approved()
        office.open()
        assert BridgeOffice(house, bridge=False).desk.leave("ana")

    def test_says_so_when_bridge_has_switched_it_on_again(self, office: BridgeOffice) -> None:
        office.approved()
        account = office.open()
        office.desk.leave("ana")
        office.house.pass_time(60)
        office.world.bridge.deposits.change(office.world.bridge.virtual_accounts[account.id], status="activated")
        with pytest.raises(Refused, match="at Bridge"):
            office.desk.leave("ana")
