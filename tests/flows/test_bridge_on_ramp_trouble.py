"""On-ramps that do not go well: disagreements, refunds that come late, money nobody has a link for."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from db import inbox
from db.inbox import Arrival
from providers.bridge.interpret import polled
from sandbox.ibex.model import Transaction
from tests.support.deposit_house import DepositHouse
from tests.support.on_ramps import HAPPY, OnRamps


@pytest.fixture
def ramps(house: DepositHouse) -> Iterator[OnRamps]:
    ramps = OnRamps(house)
    yield ramps
    if ramps.books_differ is None:
        assert ramps.disagreements() == []


def tokens(ramps: OnRamps) -> list[Transaction]:
    return list(ramps.world.ibex.transactions.values())


class TestRefunds:
    def test_after_payment_processed_without_tokens_reverses_everything(self, ramps: OnRamps) -> None:
        """Bridge takes back what it said; nothing had left. People look at it."""
        deposit = ramps.deposit(ramps.person(), path=(*HAPPY, "refunded"), step_seconds=[5.0, 5.0, 300.0])
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "sent_on_chain"

        ramps.house.pass_time(600)
        assert ramps.history_of(deposit)[-2:] == ["sent_on_chain", "refunded"]
        assert ramps.house.balance("on_chain", "USDT") == ramps.house.balance("bridge:markup", "USDT") == (0, 0)
        assert ramps.house.balance("deposit", "USD") == (0, 0)
        assert ramps.house.open_breaks() == [("bridge", "state_differs")]

    def test_after_the_credit_is_a_break_and_takes_nothing_back(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(7200)
        ramps.move(deposit, "refunded")
        ramps.house.pass_time(120)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.balance("wallet", "USDT") == (248_750_000, 0)
        assert ramps.house.open_breaks() == [("bridge", "state_differs")]

    @pytest.mark.parametrize("house", [{"ibex_settle_seconds": 600.0}], indirect=True)
    def test_with_tokens_at_ibex_goes_to_people(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(60)
        ramps.move(deposit, "refunded")
        ramps.house.pass_time(3600)
        assert (ramps.state_of(deposit), ramps.is_parked(deposit)) == ("sent_on_chain", True)
        assert ("ibex", "state_differs") in ramps.house.open_breaks()
        ramps.books_differ = "Bridge refunded, and IBEX has the tokens"


class TestDisagreements:
    def test_another_amount_at_ibex_parks_and_a_replay_credits_once_they_agree(self, ramps: OnRamps) -> None:
        ana = ramps.person()
        deposit = ramps.deposit(ana, step_seconds=[5.0, 600.0])
        ramps.house.pass_time(60)
        [came] = tokens(ramps)
        came.amount -= Decimal("0.000001")
        ramps.house.pass_time(700)
        assert ramps.is_parked(deposit)
        assert ramps.house.open_breaks() == [("ibex", "amount_differs")]
        assert ramps.house.balance("wallet", "USDT") == (0, 0)

        came.amount += Decimal("0.000001")
        assert ramps.house.replay() == ["replaying"]
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.open_breaks() == []

    def test_dollars_that_change_park_before_anything_is_credited(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person(), path=("funds_received",))
        ramps.house.pass_time(60)
        received = next(one for one in ramps.world.bridge.activities.values() if one.type == "funds_received")
        received.amount = Decimal("2500.00")
        ramps.move(deposit, "payment_submitted", "payment_processed")
        ramps.house.pass_time(120)
        assert (ramps.state_of(deposit), ramps.is_parked(deposit)) == ("converting", True)
        assert ramps.house.open_breaks() == [("bridge", "amount_differs")]
        ramps.books_differ = "parked"

    @pytest.mark.parametrize(
        ("amount", "currency", "found"),
        [
            ("24875", "usdt", "amount_differs"),  # cents
            ("248750000", "usdt", "amount_differs"),  # millionths
            ("248.75", "usd", "currency_differs"),
            ("0", "usdt", "amount_differs"),
        ],
    )
    def test_what_was_sent_on_in_another_unit_or_asset_parks(
        self, ramps: OnRamps, amount: str, currency: str, found: str
    ) -> None:
        deposit = ramps.deposit(ramps.person(), path=("funds_received", "payment_submitted"))
        ramps.house.pass_time(60)
        ramps.world.faults.set("webhook_dropped", "bridge")
        ramps.move(deposit, "payment_processed")
        sent = list(ramps.world.bridge.activities.values())[-1]
        sent.amount, sent.currency = Decimal(amount), currency
        ramps.house.pass_time(600)
        assert ramps.is_parked(deposit)
        assert ramps.house.open_breaks() == [("bridge", found)]
        ramps.books_differ = "parked"

    def test_tokens_without_a_hash_are_taken_by_amount_where_only_one_can_be_meant(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person(), step_seconds=[5.0, 60.0])
        ramps.house.pass_time(30)
        tokens(ramps)[0].hash = None
        ramps.house.pass_time(120)
        assert ramps.state_of(deposit) == "credited"

    def test_equal_tokens_without_a_hash_go_to_people(self, ramps: OnRamps) -> None:
        ana = ramps.person()
        first, second = (ramps.deposit(ana, step_seconds=[5.0, 60.0]) for _ in range(2))
        ramps.house.pass_time(30)
        for one in tokens(ramps):
            one.hash = None
        ramps.house.pass_time(120)
        assert [ramps.state_of(first), ramps.state_of(second)] == ["sent_on_chain"] * 2
        assert ramps.is_parked(first)
        assert ramps.is_parked(second)
        assert ramps.house.open_breaks() == [("ibex", "duplicate")] * 2
        ramps.books_differ = "parked"

    @pytest.mark.parametrize("house", [{"bridge_chain_seconds": 100_000.0}], indirect=True)
    def test_one_receipt_for_two_equal_deposits_is_nobodys_while_nothing_tells_whose(self, ramps: OnRamps) -> None:
        """Both wait; tokens of that amount come from somewhere, and bear no hash."""
        ana = ramps.person()
        first, second = ramps.deposit(ana), ramps.deposit(ana)
        ramps.house.pass_time(60)
        ramps.world.ibex.deposit(ana.address, "248.75")
        tokens(ramps)[0].hash = None
        ramps.house.pass_time(600)
        assert [ramps.is_parked(first), ramps.is_parked(second)] == [True, True]
        assert ramps.house.balance("wallet", "USDT") == (0, 0)
        ramps.books_differ = "parked"


class TestUnknownWords:
    def test_an_undocumented_stage_stays_open_and_is_told(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person(), path=("funds_received", "under_observation"))
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "converting"
        assert ramps.house.open_breaks() == [("bridge", "state_differs")]

        ramps.move(deposit, "payment_submitted", "payment_processed")
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.open_breaks() == []

    def test_an_undocumented_status_of_the_tokens_waits_and_is_told(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person(), step_seconds=[5.0, 60.0])
        ramps.house.pass_time(30)
        [came] = tokens(ramps)
        ramps.world.ibex.move(came.id, "screening")
        ramps.house.pass_time(120)
        assert ramps.state_of(deposit) == "sent_on_chain"
        assert ramps.house.open_breaks() == [("ibex", "state_differs")]

        ramps.world.ibex.move(came.id, "completed")
        ramps.house.pass_time(3600)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.open_breaks() == []


class TestReadings:
    def test_an_old_history_is_read_again_not_believed(self, ramps: OnRamps) -> None:
        ramps.world.faults.set("stale_read", "bridge", times=4)
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(90)
        assert ramps.state_of(deposit) == "credited"

    def test_a_history_cut_short_posts_nothing_it_does_not_show(self, ramps: OnRamps) -> None:
        ramps.world.faults.set("truncated_listing", "bridge", times=3)
        deposit = ramps.deposit(ramps.person())
        ramps.house.pass_time(120)
        assert ramps.state_of(deposit) == "credited"

    def test_a_deposit_that_bridge_never_shows_is_no_money_and_a_break(self, ramps: OnRamps) -> None:
        ana = ramps.person()
        told = {"id": "act_1", "type": "payment_processed", "deposit_id": "dep_forged", "amount": "1000.00"}
        told |= {"currency": "usdt", "customer_id": ana.customer, "virtual_account_id": ana.virtual_account}
        with ramps.house.begin() as connection:
            event = Arrival(
                provider="bridge",
                event_id="poll:deposit_stage:act_1:1",
                route="bridge",
                type=None,
                source="poll",
                body=polled("deposit_stage", told),
            )
            inbox.insert_events(connection, [event])
        ramps.house.pass_time(3600)
        assert ramps.state_of("dep_forged") == "announced"
        assert ramps.house.open_breaks() == [("bridge", "missing_there")]
        assert ramps.house.one("SELECT count(*) FROM journal_entries") == 0


class TestLinks:
    def test_an_unknown_virtual_account_goes_to_suspense_and_resumes_with_its_link(self, ramps: OnRamps) -> None:
        nobody = ramps.person(bridge=False, ibex=False)
        deposit = ramps.deposit(nobody, path=("funds_received",))
        ramps.house.pass_time(30)
        flow = ramps.flow_of(deposit)
        assert (flow["customer_id"], flow["state"], ramps.is_parked(deposit)) == (None, "converting", True)
        assert ramps.house.balance("suspense", "USD") == (250_00, 0)
        assert ramps.house.open_breaks() == [("bridge", "unmatched_event")]
        assert "add the link" in flow["parked_reason"]

        assert ramps.house.link(nobody.bridge_link(), nobody.ibex_link()) == (flow["id"],)
        ramps.house.pass_time(1)
        assert ramps.house.letters() == [("unknown_virtual_account", "resolved", "link")]
        ramps.move(deposit, "payment_submitted", "payment_processed")
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.balance("suspense", "USD") == ramps.house.balance("suspense", "USDT") == (0, 0)
        assert ramps.house.open_breaks() == []

    def test_tokens_of_nobody_wait_in_suspense_and_are_credited_once_they_are_somebodys(self, ramps: OnRamps) -> None:
        nobody = ramps.person(bridge=False, ibex=False)
        deposit = ramps.deposit(nobody)
        ramps.house.pass_time(120)
        assert (ramps.state_of(deposit), ramps.is_parked(deposit)) == ("sent_on_chain", True)
        assert ramps.house.balance("suspense", "USDT") == (248_750_000, 0)

        ramps.house.link(nobody.bridge_link(), nobody.ibex_link())
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.balance("suspense", "USDT") == (0, 0)
        assert ramps.house.open_breaks() == []

    def test_the_same_id_at_another_provider_makes_nobody_its_owner(self, ramps: OnRamps) -> None:
        nobody = ramps.person(bridge=False, ibex=False)
        deposit = ramps.deposit(nobody, path=("funds_received",))
        ramps.house.pass_time(30)
        assert ramps.house.link(replace(nobody.bridge_link(), provider="due")) == ()
        assert ramps.flow_of(deposit)["customer_id"] is None

    def test_money_refunded_before_anybody_knows_whose_it_was_leaves_suspense(self, ramps: OnRamps) -> None:
        deposit = ramps.deposit(ramps.person(bridge=False, ibex=False), path=("funds_received", "refunded"))
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "refunded"
        assert ramps.house.balance("suspense", "USD") == (0, 0)
        assert ramps.house.letters() == [("unknown_virtual_account", "resolved", "event")]
        assert ramps.house.open_breaks() == []

    def test_a_customer_without_an_account_at_ibex_waits_until_it_is_linked(self, ramps: OnRamps) -> None:
        ana = ramps.person(ibex=False)
        deposit = ramps.deposit(ana)
        ramps.house.pass_time(60)
        assert (ramps.state_of(deposit), ramps.is_parked(deposit)) == ("sent_on_chain", True)
        assert ramps.house.balance("deposit", "USDT") == (248_750_000, 0), "the customer's, not suspense"
        assert ramps.house.open_breaks() == [("ibex", "missing_here")]

        assert ramps.house.link(ana.ibex_link()) == (ramps.flow_of(deposit)["id"],)
        ramps.house.pass_time(60)
        assert ramps.state_of(deposit) == "credited"
        assert ramps.house.letters() == [("needs_person", "resolved", "link")]
        assert ramps.house.open_breaks() == []
