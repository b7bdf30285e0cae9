"""What benchmarks count, on made-up worlds: a wrong count would be believed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks import simulate
from benchmarks.missed import Heard
from providers.due.policy import POLICY


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
        share_of_one = 1 / POLICY.assumed_rate_per_minute
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


class FakeWorld:
    """A fleet and its system in one, of which only the sandbox's log is read."""

    def __init__(self) -> None:
        self.system = self
        self.log: list[Mapping[str, Any]] = []

    def ask(self, *moments: str, path: str = "/v1/transfers?virtualAccountId=va_1") -> None:
        self.log[:0] = [{"at": moment, "path": path} for moment in reversed(moments)]

    def control(self, _method: str, _path: str) -> list[Mapping[str, Any]]:
        return self.log
