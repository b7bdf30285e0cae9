"""What benchmarks count, on made-up worlds: a wrong count would be believed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks import simulate
from benchmarks._heard import Heard
from benchmarks._missed import Size, evenly
from benchmarks._watch import Statements
from benchmarks.flows import Round, beside_deposits
from providers.registry import POLICIES


class TestSimulate:
    def test_a_history_that_breaks_off_is_told_and_the_rest_play_on_another_database(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        played: list[tuple[str, int]] = []
        monkeypatch.setattr(simulate, "Databases", NumberedDatabases)
        monkeypatch.setattr(simulate, "Stage", FakeStage)

        def play(stage: FakeStage, seed: int, _plan: str) -> str | None:
            played.append((stage.url, seed))
            if seed == 1:
                raise RuntimeError("no such row")
            return "seed 2 ends badly" if seed == 2 else None

        monkeypatch.setattr(simulate, "play", play)

        broken, bad = simulate._play("server", range(4), "rough")
        assert "no such row" in broken
        assert "python -m tests.simulation 1 --plan rough" in broken
        assert bad == "seed 2 ends badly"
        assert played == [("database 1", 0), ("database 1", 1), ("database 2", 2), ("database 2", 3)]


class FakeStage:
    def __init__(self, url: str) -> None:
        self.url = url

    def close(self) -> None:
        pass


class NumberedDatabases:
    def __init__(self, _url: str) -> None:
        self.made = 0

    @contextmanager
    def clone(self, _template: str) -> Iterator[str]:
        self.made += 1
        yield f"database {self.made}"


class TestMissed:
    def test_each_request_counts_once_and_the_busiest_minute_is_the_share(self) -> None:
        world = FakeWorld()
        heard = Heard(world)  # type: ignore[arg-type] # asks only for what the sandbox logged
        share_of_one = 1 / POLICIES["due"].assumed_rate_per_minute
        assert set(heard.shares().values()) == {0}

        world.ask("2026-11-02T10:00:59.5Z", "2026-11-02T10:01:00Z")
        heard.look()
        heard.look()
        assert heard.shares()["share_of_rate_limit"] == pytest.approx(share_of_one)

        world.ask("2026-11-02T10:01:00.25Z")
        world.ask("2026-11-02T10:01:01Z", path="/v1/transfers/tf_1")
        heard.look()
        assert heard.shares() == pytest.approx(
            {"share_of_rate_limit": 2 * share_of_one, "share_with_steps": 3 * share_of_one}
        )

    @pytest.mark.parametrize(
        ("provider", "listing", "one"),
        [
            ("bridge", "/v0/webhook_events?category=transfer", "/v0/transfers/tr_1"),
            ("bridge", "/v0/transfers?limit=100", "/v0/customers/c/virtual_accounts/v/history?deposit_id=d"),
            ("ibex", "/v2/transaction/account/a/all?limit=50", "/v2/transaction/tx_1/details"),
            ("stripe", "/v1/refunds?created%5Bgte%5D=1", "/v1/refunds?payment_intent=pi_1"),
            ("stripe", "/v1/crypto/onramp_sessions?created%5Bgte%5D=1", "/v1/crypto/onramp_sessions/cos_1"),
        ],
    )
    def test_what_a_listing_and_what_a_step_asks_for_are_told_apart(
        self, provider: str, listing: str, one: str
    ) -> None:
        world = FakeWorld()
        heard = Heard(world, provider)  # type: ignore[arg-type] # as above
        world.ask("2026-11-02T10:00:00Z", path=listing)
        world.ask("2026-11-02T10:00:01Z", "2026-11-02T10:00:02Z", path=one)
        heard.look()
        assert (heard.walks.total(), heard.steps.total(), heard.calls()) == (1, 2, 3)

    def test_acts_are_as_far_apart_as_they_may_be(self) -> None:
        size = Size(flows=4, waiting=2, minutes_of_waiting=0.5)
        assert size.decided_within_s == 60, "two at a time, half a minute each"
        acts = evenly([list] * size.flows, after_s=10, within_s=size.decided_within_s)
        assert [at for at, _ in acts] == [10, 25, 40, 55]


class TestFlows:
    def test_a_kind_with_more_calls_is_held_against_as_many_of_deposits(self) -> None:
        """Half the flows of twice the calls each is as quick; a slow round of both changes nothing."""
        found = beside_deposits(
            [a_round(10, calls=10), a_round(5, calls=10)], [a_round(20, calls=5), a_round(10, calls=5)]
        )
        assert (found["ratio_due"], found["ratio_due_per_call"]) == (0.5, 1.0)
        assert (found["flows_per_s"], found["due_deposit_per_s"]) == (7.5, 15)


def a_round(per_s: float, *, calls: float) -> Round:
    nothing = dict.fromkeys(("cpu_ms", "postgres_cpu_ms", "valkey_cpu_ms", "statements", "commits"), 1.0)
    return Round(per_s=per_s, calls=calls, counted=Statements(calls=[]), **nothing)


class FakeWorld:
    """A fleet and its system in one, of which only the sandbox's log is read."""

    def __init__(self) -> None:
        self.system = self
        self.log: list[Mapping[str, Any]] = []

    def ask(self, *moments: str, path: str = "/v1/transfers?virtualAccountId=va_1") -> None:
        self.log[:0] = [{"at": moment, "path": path} for moment in reversed(moments)]

    def control(self, _method: str, _path: str) -> list[Mapping[str, Any]]:
        return self.log
