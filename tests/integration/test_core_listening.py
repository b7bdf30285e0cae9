"""Who waits listens: a parked flow reads until it knows what woke it, a reading spends no try, the end is not deaf."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from db import claims, flows
from funding.errors import Misconfigured, UnexpectedAnswer
from funding.flows.due_deposit import due_deposit
from funding.ports.due import Transfer
from providers.due.adapter import DueAdapter
from tests.support.deposit_house import DepositHouse
from tests.support.rows import add_session

READING = "GET /v1/transfers/{id}"


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def parked(house: DepositHouse) -> str:
    """A deposit whose amount changed at Due, and was then put right there."""
    transfer = house.deposit(house.person(), ("funds_received",))
    house.pass_time(10)
    at_due = house.world.due.transfers[transfer]
    at_due.source.amount = Decimal("240.00")
    house.move(transfer, "approved")
    house.pass_time(60)
    assert house.flow_of(transfer)["parked_at"] is not None
    at_due.source.amount = Decimal("250.00")
    return transfer


class TestAParkedFlow:
    @pytest.mark.parametrize("fault", ["server_error", "stale_read", "throttled"])
    def test_reads_again_until_it_knows_what_woke_it(self, house: DepositHouse, fault: str) -> None:
        """The one event that would close its letter came while Due could not be read: no other will come."""
        transfer = parked(house)
        house.world.faults.set(fault, "due", only=READING)
        house.move(transfer, "payment_processed")
        house.pass_time(20)
        assert house.letters()[0][1] == "open"
        house.world.faults.clear()
        house.pass_time(600)
        assert house.state_of(transfer) == "broker_funded"
        assert house.letters() == [("needs_person", "resolved", "event")]

    def test_given_back_unsent_is_due_again(self, house: DepositHouse) -> None:
        transfer = parked(house)
        flow: UUID = house.flow_of(transfer)["id"]
        step = due_deposit.step_of("off_ramp_initiated")
        assert step is not None
        with house.begin() as connection:
            flows.wake(connection, [flow])
            claim = claims.claim(
                connection,
                flow,
                step,
                attempt=uuid4(),
                session=add_session(connection),
                hard_limit=timedelta(seconds=30),
                quick=False,
            )
            assert claim is not None
            claims.release(connection, claim, reason="the last beat was too old")
        assert house.flow_of(transfer)["due_at"] is not None

    def test_sleeps_when_it_has_read_that_nothing_changed(self, house: DepositHouse) -> None:
        transfer = parked(house)
        house.world.due.transfers[transfer].source.amount = Decimal("240.00")
        house.move(transfer, "payment_submitted")
        house.pass_time(60)
        flow = house.flow_of(transfer)
        assert (flow["parked_at"] is not None, flow["due_at"]) == (True, None)


class TestAReading:
    def test_in_an_unknown_shape_waits_and_spends_no_try(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ten minutes of an error page that says 200 must not leave a thousand letters behind."""
        read = DueAdapter.get_transfer
        recovery = house.clock.now + timedelta(minutes=10)

        def get_transfer(self: DueAdapter, transfer_id: str, *, account: str) -> Transfer:
            if house.clock.now < recovery:
                raise UnexpectedAnswer("a page for people", provider="due")
            return read(self, transfer_id, account=account)

        monkeypatch.setattr(DueAdapter, "get_transfer", get_transfer)
        transfer = house.deposit(house.person())
        house.pass_time(1200)
        assert house.state_of(transfer) == "broker_funded"
        assert house.letters() == []
        assert house.rows("SELECT max(number) FROM attempts") == [(1,)]

    def test_that_is_old_is_made_again_soon_however_long_the_flow_had_waited(self, house: DepositHouse) -> None:
        transfer = house.deposit(house.person(), ("funds_received", "manual_review"))
        house.pass_time(12 * 3600)
        assert house.flow_of(transfer)["snoozes"] > 8
        house.world.faults.set("stale_read", "due", only=READING, times=2)
        house.move(transfer, "payment_processed")
        house.pass_time(30)
        assert house.state_of(transfer) == "broker_funded"

    def test_refused_to_us_stops_that_provider_and_no_other(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Due's key is wrong while the journal is to be made: Alpaca has done nothing to be paused for."""
        transfer = house.deposit(house.person(), ("funds_received",))
        house.pass_time(10)
        house.one("UPDATE flows SET state = 'off_ramp_completed', provider = 'alpaca', due_at = rk_now() RETURNING 1")

        def get_transfer(*_: object, **__: object) -> Transfer:
            raise Misconfigured("401", provider="due", status=401)

        monkeypatch.setattr(DueAdapter, "get_transfer", get_transfer)
        house.pass_time(1)
        assert house.flow_of(transfer)["snooze_reason"] == "401"
        assert house.rows("SELECT provider FROM provider_gates WHERE paused") == [("due",)]


class TestAClosedFlow:
    def ended(self, house: DepositHouse) -> str:
        transfer = house.deposit(house.person(), ("funds_received", "manual_review", "refund_processed"))
        house.pass_time(60)
        assert house.flow_of(transfer)["status"] == "closed"
        house.poll()
        return transfer

    def test_hears_of_a_new_end_from_a_poll_too(self, house: DepositHouse) -> None:
        """The webhook was lost: what only a listing shows is news all the same."""
        transfer = self.ended(house)
        assert house.open_breaks() == []
        house.world.faults.set("webhook_dropped", "due")
        house.move(transfer, "payment_processed")
        house.pass_time(60)
        house.poll()
        assert house.rows("SELECT type, ours, theirs FROM breaks WHERE status = 'open'") == [
            ("state_differs", "closed", "payment_processed")
        ]

    def test_takes_an_old_listing_for_no_news(self, house: DepositHouse) -> None:
        transfer = self.ended(house)
        house.world.due.transfers[transfer].status = "manual_review"
        house.poll()
        assert house.open_breaks() == []
