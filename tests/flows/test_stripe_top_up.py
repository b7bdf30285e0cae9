"""Coins bought at Stripe's onramp: ordered, paid, delivered to the customer's own wallet, claimed once."""

import threading
from typing import Any

import pytest

from funding.money import Money
from funding.refusals import CustomerMissing, ProviderDisabled
from ops.actions import top_ups as actions
from ops.actions.desk import Refused
from ops.actions.top_ups import Wanted
from tests.support.deposit_house import DepositHouse
from tests.support.top_ups import WALLET, WEEK, TopUps

POST = "POST /v1/crypto/onramp_sessions"
CREATED_TO_CLAIMABLE = ["created", "paid", "claimable"]
OTHER = "0x27b1fdb04752bbc536007a920d24acb045561c26"


@pytest.fixture
def top_ups(house: DepositHouse) -> TopUps:
    return TopUps(house)


def sessions(top_ups: TopUps) -> int:
    return len(top_ups.stripe.onramp.by_id)


class TestPaid:
    def test_is_credited_when_it_is_delivered_and_then_claimed_into_the_wallet(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        flow = top_ups.bought("100.00")
        assert top_ups.history(flow) == CREATED_TO_CLAIMABLE
        assert (top_ups.holds("top_up", "USDC"), top_ups.books()) == (100_000000, [])
        top_ups.claim(flow)
        assert top_ups.state(flow) == "claimed"
        assert top_ups.holds(f"wallet:ethereum:{WALLET}", "USDC") == 100_000000
        assert top_ups.holds("top_up", "USDC") == 0
        assert (house.told(), house.open_breaks(), top_ups.books()) == (["top_up.claimable"], [], [])

    @pytest.mark.parametrize(
        "house",
        [
            {"stripe_onramp_event": "crypto.onramp_session.updated"},
            {"stripe_onramp_event": "crypto.onramp_session_updated"},
            {"stripe_onramp_event": "onramp.session.succeeded"},
            {"stripe_pad_crypto": False},
        ],
        indirect=True,
    )
    def test_is_credited_under_every_name_of_the_event_and_however_the_amount_is_padded(self, top_ups: TopUps) -> None:
        flow = top_ups.bought("100.5")
        assert top_ups.state(flow) == "claimable"
        assert (top_ups.holds("top_up", "USDC"), top_ups.books()) == (100_500000, [])

    def test_is_not_credited_while_the_coins_are_on_their_way(self, house: DepositHouse, top_ups: TopUps) -> None:
        """`fulfillment_processing` means that Stripe has the customer's money, and nobody has coins."""
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        top_ups.stripe.pay_onramp(top_ups.session_of(flow), ("requires_payment", "fulfillment_processing"))
        house.pass_time(30)
        assert (top_ups.state(flow), top_ups.holds("top_up", "USDC")) == ("paid", 0)
        top_ups.stripe.pay_onramp(top_ups.session_of(flow))
        house.pass_time(5)
        assert (top_ups.state(flow), top_ups.holds("top_up", "USDC")) == ("claimable", 100_000000)

    def test_with_every_webhook_dropped_is_found_by_looking(self, house: DepositHouse, top_ups: TopUps) -> None:
        house.world.faults.set("webhook_dropped", "stripe")
        flow = top_ups.bought()
        house.pass_time(600)
        assert top_ups.state(flow) == "claimable"

    def test_is_credited_in_what_the_customer_chose_to_buy_in_the_end(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        """The ordered amount is only what the page shows first."""
        top_ups.customer()
        flow = top_ups.order("100.00")
        house.pass_time(1)
        top_ups.stripe.pay_onramp(top_ups.session_of(flow), destination_amount="80.25")
        house.pass_time(5)
        assert (top_ups.state(flow), top_ups.holds("top_up", "USDC"), top_ups.books()) == ("claimable", 80_250000, [])

    @pytest.mark.parametrize(
        ("network", "address"),
        [
            ("base", WALLET),
            ("polygon", WALLET),
            ("solana", "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"),
        ],
    )
    def test_is_delivered_on_other_networks_too(
        self, house: DepositHouse, top_ups: TopUps, network: str, address: str
    ) -> None:
        top_ups.customer(network=network, address=address)
        flow = top_ups.order(network=network)
        house.pass_time(1)
        top_ups.stripe.pay_onramp(top_ups.session_of(flow))
        house.pass_time(5)
        top_ups.claim(flow)
        assert top_ups.holds(f"wallet:{network}:{address}", "USDC") == 100_000000


class TestNotPaid:
    def test_because_stripe_refused_the_customer_is_over(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        top_ups.stripe.reject_onramp(top_ups.session_of(flow))
        house.pass_time(5)
        assert (top_ups.state(flow), top_ups.flow(flow)["status"]) == ("rejected", "closed")
        assert (house.told(), house.open_breaks()) == (["top_up.failed"], [])

    def test_for_a_week_is_given_up_and_wakes_when_it_is_paid_after_all(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        session = top_ups.session_of(flow)
        top_ups.stripe.abandon_onramp(session)
        house.pass_time(WEEK - 3600)
        assert top_ups.state(flow) == "created"
        house.pass_time(3600)
        assert (top_ups.state(flow), top_ups.flow(flow)["status"]) == ("abandoned", "resting")
        house.pass_time(3 * 24 * 3600)
        top_ups.stripe.pay_onramp(session)
        house.pass_time(5)
        assert top_ups.history(flow) == ["created", "abandoned", "paid", "claimable"]
        assert top_ups.books() == []

    def test_and_unheard_of_closes_when_its_watch_ends(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(WEEK + 92 * 24 * 3600)
        assert (top_ups.state(flow), top_ups.flow(flow)["status"]) == ("abandoned", "closed")


class TestDeliveredOtherwise:
    """Coins that went elsewhere, or are others, are nobody's credit: a person looks."""

    @pytest.mark.parametrize(
        ("changes", "found"),
        [
            ({"wallet_address": OTHER}, "state_differs"),
            ({"destination_network": "base"}, "state_differs"),
            ({"destination_currency": "usdt"}, "currency_differs"),
        ],
    )
    def test_is_not_credited(self, house: DepositHouse, top_ups: TopUps, changes: dict[str, Any], found: str) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        session = top_ups.stripe.onramp.by_id[top_ups.session_of(flow)]
        top_ups.stripe.pay_onramp(session.id, ("requires_payment", "fulfillment_processing"))
        for name, value in changes.items():
            setattr(session, name, value)
        top_ups.stripe.pay_onramp(session.id)
        house.pass_time(5)
        assert top_ups.flow(flow)["parked_at"] is not None
        assert (top_ups.holds("top_up", "USDC"), house.open_breaks()) == (0, [("stripe", found)])
        with pytest.raises(Refused, match="is not claimable, it is"):
            top_ups.claim(flow)

    def test_of_nothing_is_set_aside(self, house: DepositHouse, top_ups: TopUps) -> None:
        house.world.faults.set("amount_changed", "stripe", delta="-100.00", times=1)
        flow = top_ups.bought("100.00")
        assert top_ups.flow(flow)["parked_at"] is not None
        assert house.open_breaks() == [("stripe", "amount_differs")]

    def test_after_it_was_credited_stops_the_claim(self, house: DepositHouse, top_ups: TopUps) -> None:
        flow = top_ups.bought("100.00")
        house.world.faults.set("amount_changed", "stripe", delta="-1.00", times=1)
        top_ups.claim(flow)
        assert (top_ups.state(flow), top_ups.flow(flow)["parked_at"] is not None) == ("claimable", True)
        assert house.open_breaks() == [("stripe", "amount_differs")]
        assert top_ups.holds("top_up", "USDC") == 100_000000

    def test_in_a_status_nobody_documented_stays_open_until_it_is_known(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        session = top_ups.session_of(flow)
        top_ups.stripe.force_onramp(session, "under_observation")
        house.pass_time(5)
        assert (top_ups.state(flow), house.open_breaks()) == ("created", [("stripe", "state_differs")])
        top_ups.stripe.force_onramp(session, "fulfillment_complete")
        house.pass_time(5)
        assert (top_ups.state(flow), house.open_breaks()) == ("claimable", [])


class TestStaleReadings:
    def test_older_than_the_event_are_read_again(self, house: DepositHouse, top_ups: TopUps) -> None:
        house.world.faults.set("stale_read", "stripe", age_seconds=20)
        flow = top_ups.bought()
        house.pass_time(60)
        assert (top_ups.state(flow), top_ups.holds("top_up", "USDC")) == ("claimable", 100_000000)


class TestCreating:
    @pytest.mark.parametrize(
        ("fault", "params"), [("reply_lost", {}), ("server_error", {}), ("server_error_after", {"cached": True})]
    )
    def test_makes_one_session_whatever_becomes_of_the_reply(
        self, house: DepositHouse, top_ups: TopUps, fault: str, params: dict[str, Any]
    ) -> None:
        house.world.faults.set(fault, "stripe", times=1, only=POST, **params)
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(900)
        assert sessions(top_ups) == 1
        top_ups.stripe.pay_onramp(top_ups.session_of(flow))
        house.pass_time(5)
        assert top_ups.state(flow) == "claimable"

    def test_waits_while_the_onramp_is_switched_off(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.stripe.onramp.disabled = True
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(60)
        assert top_ups.flow(flow)["parked_at"] is None
        top_ups.stripe.onramp.disabled = False
        house.pass_time(900)
        assert sessions(top_ups) == 1

    def test_the_same_again_is_the_same_top_up(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        first = top_ups.order("10.00", reference="r1")
        house.pass_time(1)
        assert top_ups.order("10.00", reference="r1") == first
        house.pass_time(1)
        assert sessions(top_ups) == 1
        with pytest.raises(Refused, match="names another top-up"):
            top_ups.order("11.00", reference="r1")

    def test_goes_to_a_wallet_of_the_customers_own_only(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        with pytest.raises(Refused, match="no wallet of this customer"):
            top_ups.order(address=OTHER)
        with pytest.raises(Refused, match="0 wallets on base"):
            top_ups.order(network="base")
        with pytest.raises(Refused, match="not a network we know"):
            top_ups.customer(network="bitcoin", address="1BoatSLRHtKNngkdXEeobR76b53LETtpyT")
        top_ups.customer(address=OTHER)
        with pytest.raises(Refused, match="choose one with --address"):
            top_ups.order()
        flow = top_ups.order(address=OTHER.upper().replace("X", "x"))
        assert top_ups.flow(flow)["data"]["address"] == OTHER

    def test_knows_one_address_on_two_networks_apart(self, top_ups: TopUps) -> None:
        top_ups.customer()
        top_ups.customer(network="base", address=f"base/{WALLET}")
        chosen = [top_ups.flow(top_ups.order(network=network))["data"] for network in ("ethereum", "base")]
        assert [(one["network"], one["address"]) for one in chosen] == [("ethereum", WALLET), ("base", WALLET)]

    def test_for_an_address_of_another_network_is_refused(self, top_ups: TopUps) -> None:
        with pytest.raises(Refused, match="not an address of Base"):
            top_ups.customer(network="base", address="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")

    def test_is_refused_to_strangers_and_while_switched_off(self, house: DepositHouse, top_ups: TopUps) -> None:
        wanted = Wanted(customer="nobody", network="ethereum", amount=Money(1, "USDC"))
        with pytest.raises(CustomerMissing):
            actions.create(house.desk, wanted, enabled=True)
        with pytest.raises(ProviderDisabled):
            actions.create(house.desk, wanted, enabled=False)
        with pytest.raises(Refused, match="more than none"):
            top_ups.order("0")
        assert house.one("SELECT count(*) FROM flows") == 0


class TestClaiming:
    def test_twice_is_refused(self, top_ups: TopUps) -> None:
        flow = top_ups.bought()
        assert top_ups.claim(top_ups.session_of(flow)) == flow
        with pytest.raises(Refused, match="already claimed"):
            top_ups.claim(flow)
        assert top_ups.holds(f"wallet:ethereum:{WALLET}", "USDC") == 100_000000

    @pytest.mark.parametrize("said", ["cos_nobodys", "5b0f3a0e-4a1c-5a5d-9d5e-2f60a1b2c3d4", ""])
    def test_what_there_is_not_is_not_found(self, top_ups: TopUps, said: str) -> None:
        with pytest.raises(Refused, match="not found"):
            top_ups.claim(said)

    def test_before_it_is_paid_is_refused(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        flow = top_ups.order()
        house.pass_time(1)
        with pytest.raises(Refused, match="is not claimable, it is created"):
            top_ups.claim(flow)

    def test_from_many_sides_at_once_happens_once(self, house: DepositHouse, top_ups: TopUps) -> None:
        flow = top_ups.bought()
        said: list[str] = []
        start = threading.Barrier(4)

        def claim() -> None:
            start.wait()
            try:
                actions.claim(house.desk, str(flow))
                said.append("done")
            except Refused as refused:
                said.append(str(refused).partition(":")[0])

        sides = [threading.Thread(target=claim) for _ in range(4)]
        for side in sides:
            side.start()
        for side in sides:
            side.join()
        house.pass_time(1)
        assert sorted(said) == ["already claimed"] * 3 + ["done"]
        assert top_ups.holds(f"wallet:ethereum:{WALLET}", "USDC") == 100_000000
