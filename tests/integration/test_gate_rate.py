"""The rate limit over a real Valkey, and without it."""

import socket
import threading
from datetime import timedelta

import pytest
import redis

from providers.rates import SharedRate


def allowed(rates: list[SharedRate], calls: int) -> int:
    return sum(rates[number % len(rates)].spend() is None for number in range(calls))


def redis_commands(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("stats")["total_commands_processed"])


@pytest.fixture
def nobody() -> str:
    """Where no Redis listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


class TestASharedRate:
    def test_counts_the_calls_of_all_processes_together(self, valkey_url: str) -> None:
        fleet = [SharedRate("due", per_minute=30, redis_url=valkey_url) for _ in range(3)]
        assert allowed(fleet, 60) == 30

    def test_counts_each_provider_for_itself(self, valkey_url: str) -> None:
        assert allowed([SharedRate("due", per_minute=5, redis_url=valkey_url)], 10) == 5
        assert allowed([SharedRate("alpaca", per_minute=5, redis_url=valkey_url)], 10) == 5

    def test_holds_a_burst_back(self, valkey_url: str) -> None:
        rate = SharedRate("due", per_minute=1000, per_second=10, redis_url=valkey_url)
        assert 10 <= allowed([rate], 30) <= 20  # a second may turn while we count

    def test_says_how_long_to_wait(self, valkey_url: str) -> None:
        rate = SharedRate("due", per_minute=1, redis_url=valkey_url)
        assert rate.spend() is None
        wait = rate.spend()
        assert wait is not None
        assert timedelta(0) < wait <= timedelta(minutes=1)

    def test_holds_between_threads(self, valkey_url: str) -> None:
        rate = SharedRate("due", per_minute=40, redis_url=valkey_url)
        counts: list[int] = []
        threads = [threading.Thread(target=lambda: counts.append(allowed([rate], 20))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts) == 40

    def test_a_generous_one_is_asked_once_for_many_calls_and_still_kept(self, valkey_url: str) -> None:
        """What a process took and did not use in time is not used later."""
        moments = [0.0]
        rate = SharedRate("due", per_minute=240_000, redis_url=valkey_url, monotonic=lambda: moments[0])
        asked = redis_commands(valkey_url)
        assert allowed([rate], 60) == 60
        assert redis_commands(valkey_url) - asked < 60
        moments[0] = 1.0
        assert rate._one_in_hand() is False

        fleet = [SharedRate("alpaca", per_minute=6_000, redis_url=valkey_url) for _ in range(3)]
        assert allowed(fleet, 7_000) == 6_000

    def test_survives_an_emptied_redis(self, valkey_url: str) -> None:
        rate = SharedRate("due", per_minute=5, redis_url=valkey_url)
        allowed([rate], 10)
        with redis.Redis.from_url(valkey_url) as client:
            client.flushdb()
        assert allowed([rate], 10) == 5


class TestWithoutRedis:
    def test_each_session_keeps_to_its_share(self, nobody: str) -> None:
        fleet = [SharedRate("due", per_minute=40, redis_url=nobody, live_sessions=lambda: 4) for _ in range(4)]
        assert allowed(fleet, 100) == 40

    def test_a_count_that_fails_is_the_last_one(self, nobody: str) -> None:
        counts = iter([4])
        rate = SharedRate("due", per_minute=40, redis_url=nobody, live_sessions=lambda: next(counts))
        assert allowed([rate], 30) == 10

    def test_somebody_may_always_call(self, nobody: str) -> None:
        """With more sessions than calls in a minute, none would be left."""
        rate = SharedRate("due", per_minute=2, redis_url=nobody, live_sessions=lambda: 50)
        assert allowed([rate], 10) == 1

    def test_it_is_asked_again_after_a_while(self, nobody: str, valkey_url: str) -> None:
        moments = [0.0]
        rate = SharedRate("due", per_minute=10, redis_url=valkey_url, monotonic=lambda: moments[0])
        allowed([rate], 10)
        shared, rate._shared = rate._shared, SharedRate("due", per_minute=1, redis_url=nobody)._shared
        assert rate.spend() is None  # its own share, Redis being away
        rate._shared = shared
        assert rate.spend() is None  # left alone for a while
        moments[0] = 6.0
        assert rate.spend() is not None  # the shared count is full

    def test_none_configured_is_a_fleet_of_one(self) -> None:
        assert allowed([SharedRate("due", per_minute=5, redis_url=None)], 10) == 5
