"""What this worker has no key, no reader or no credentials for is set aside or waits: whatever else is due goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from funding.calls import Ports
from tests.support.deposit_house import DepositHouse
from tests.support.rows import add_event
from workers.desk import Absent


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def set_aside(house: DepositHouse) -> Sequence[tuple[Any, ...]]:
    """(state, reason) of each event that somebody else's deposit did not bring."""
    return house.rows("SELECT state, reason FROM inbox_events WHERE event_id = 'odd'")


class TestAnEvent:
    """It comes in one batch with a deposit, which is followed all the same."""

    def comes_with_a_deposit(
        self, house: DepositHouse, *, provider: str = "due", sealed_with: str | None = None
    ) -> str:
        with house.begin() as connection:
            row = add_event(connection, "odd", provider=provider)
            key = text("UPDATE inbox_events SET body_key = :key WHERE id = :row")
            connection.execute(key, {"key": sealed_with, "row": row})
        transfer = house.deposit(house.person(), ("funds_received",))
        house.world.tick()
        house.deliver()
        house.ingest()
        return transfer

    def test_of_a_provider_of_another_release_gets_a_letter(self, house: DepositHouse) -> None:
        transfer = self.comes_with_a_deposit(house, provider="moonbank")

        assert set_aside(house) == [("dead", "nothing here reads events of moonbank")]
        assert house.letters() == [("unusable_event", "open", None)]
        assert house.state_of(transfer) == "received"

    def test_sealed_with_a_key_that_is_not_here_gets_a_letter(self, house: DepositHouse) -> None:
        """Nobody reads its bytes as if they were open: with the key back, a replay reads it."""
        transfer = self.comes_with_a_deposit(house, sealed_with="0123456789abcdef")

        assert set_aside(house) == [("dead", "no key at hand opens its stored body")]
        assert house.letters() == [("unusable_event", "open", None)]
        assert house.state_of(transfer) == "received"

    def test_over_which_its_reader_stumbles_is_told_as_our_bug_and_quotes_nothing(self, house: DepositHouse) -> None:
        ingest = house.worker.ingest
        read = ingest.interpreters["due"]

        def stumbles(body: bytes, *, source: str) -> Any:
            if body == b"{}":
                raise KeyError("Jane Doe, IBAN DE89")
            return read(body, source=source)

        house.worker.ingest = replace(ingest, interpreters={**ingest.interpreters, "due": stumbles})
        transfer = self.comes_with_a_deposit(house)

        assert set_aside(house) == [("dead", "a bug of ours while reading it: KeyError")]
        assert "Jane" not in house.one("SELECT message FROM dead_letters")
        assert house.state_of(transfer) == "received"


class TestAProvider:
    @contextmanager
    def absent(self, house: DepositHouse, provider: str) -> Iterator[None]:
        """Its credentials are not among this worker's settings."""
        runner = house.worker.runner
        ports = Ports(each={**runner.ports.each, provider: Absent(provider)}, policies=runner.ports.policies)
        house.worker.runner = replace(runner, ports=ports)
        yield
        house.worker.runner = runner

    def test_without_credentials_keeps_its_money_waiting_and_costs_no_try(self, house: DepositHouse) -> None:
        """A setting that is missing for an afternoon is no reason to ask a person about each deposit."""
        transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
        with self.absent(house, "alpaca"):
            house.pass_time(4 * 3600)
            assert house.flow_of(transfer)["snooze_reason"] == "alpaca is not configured"
            assert (house.flow_of(transfer)["tries"], house.letters()) == (0, [])
            assert len(house.world.alpaca.journals.by_id) == 0

        house.pass_time(600)

        assert house.state_of(transfer) == "broker_funded"
        assert len(house.world.alpaca.journals.by_id) == 1
