"""Right before something is created: the claim is proved; a slow step is no lost one, an unsent call no unknown one."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from funding.errors import ProviderRejected, ProviderUnavailable
from funding.ports.alpaca import CashJournal
from providers.alpaca.adapter import AlpacaAdapter
from tests.support.deposit_house import DepositHouse
from workers.session import Session


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


@pytest.fixture
def _beating(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker beats on a thread of its own, however slow its calls are; this one has no such thread."""
    monkeypatch.setattr(Session, "_check_beat", lambda _: None)


@pytest.mark.usefixtures("_beating")
class TestASlowProvider:
    def test_is_followed_all_the_same(self, house: DepositHouse) -> None:
        """Each reading takes longer than a claim is trusted: it is proved again, not given back for ever."""
        house.world.faults.set("slow_reply", "*", seconds=6.0)
        transfer = house.deposit(house.person(), ("funds_received", "payment_processed"), step_seconds=1.0)
        house.pass_time(600)
        assert house.state_of(transfer) == "broker_funded"
        assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'released'") == [(0,)]
        assert house.world.effects.summary()["made"] == 1

    def test_does_not_get_a_call_for_a_claim_that_was_freed_meanwhile(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The leader took it during the slow reading: nothing may be sent by this worker."""
        read = AlpacaAdapter.get_balances

        def freed(self: AlpacaAdapter, account: str) -> object:
            balances = read(self, account)
            house.clock.advance(timedelta(seconds=7))
            house.one("UPDATE flows SET fence = fence + 1 WHERE attempt_id IS NOT NULL RETURNING 1")
            return balances

        monkeypatch.setattr(AlpacaAdapter, "get_balances", freed)
        transfer = house.deposit(house.person(), ("payment_processed",))
        house.pass_time(5)
        assert house.state_of(transfer) == "off_ramp_completed"
        assert house.world.effects.summary()["made"] == 0


class TestACallThatNeverLeft:
    def test_hides_nothing_so_that_a_refusal_after_it_is_one(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Cash short is a wait that costs no try, also when the first sending met a closed breaker or a dead line."""
        answers: Iterator[Exception] = iter(
            [
                ProviderUnavailable("refused the connection", provider="alpaca"),
                ProviderUnavailable("refused the connection", provider="alpaca"),
                ProviderRejected("cash", provider="alpaca", status=403, code="40310000"),
            ]
        )
        create = AlpacaAdapter.create_journal

        def create_journal(self: AlpacaAdapter, request: str, *, key: UUID) -> CashJournal:
            error = next(answers, None)
            if error is not None:
                raise error
            return create(self, request, key=key)

        monkeypatch.setattr(AlpacaAdapter, "create_journal", create_journal)
        transfer = house.deposit(house.person(), ("payment_processed",))
        house.pass_time(600)
        assert house.state_of(transfer) == "broker_funded"
        sent = house.rows("SELECT generation, outcome, sends FROM intentions ORDER BY generation")
        assert sent == [(0, "refused", 3), (1, "done", 1)]
        assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'unknown'") == [(0,)]


def test_the_limit_of_a_claim_counts_from_its_last_sending(house: DepositHouse) -> None:
    """The leader frees claims past their limit: a call that has just begun must not be one of them."""
    kept: list[object] = []
    create: Callable[..., CashJournal] = house.worker.runner.ports.each["alpaca"].create_journal

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(house.worker.providers.ports()["alpaca"], name)

        def create_journal(self, request: str, *, key: UUID) -> CashJournal:
            kept.extend(house.rows("SELECT claim_until - rk_now() FROM flows"))
            kept.extend(house.rows("SELECT settle_from - rk_now() FROM intentions"))
            return create(request, key=key)

    ports = house.worker.runner.ports
    object.__setattr__(ports, "each", {**ports.each, "alpaca": Watched()})
    house.deposit(house.person(), ("payment_processed",))
    house.pass_time(5)
    assert kept == [(timedelta(seconds=30),), (timedelta(seconds=30),)]
