"""A provider's rate limit, shared by the fleet through Redis; without Redis each session keeps to its share."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_log = structlog.get_logger(__name__)
_REDIS_ANSWERS_WITHIN_S: Final = 0.5
_REDIS_LEFT_ALONE_S: Final = 5.0  # after a failure, so that not every call waits for it


class SharedRate:
    """So many calls a minute, and a burst a second, over all processes that share a Redis.

    The sliding window is counted with Redis's own clock and keys that expire: emptying Redis is harmless.
    `live_sessions` tells how many processes share the limit while Redis is away.
    """

    def __init__(
        self,
        provider: str,
        *,
        per_minute: int,
        per_second: int | None = None,
        redis_url: str | None,
        live_sessions: Callable[[], int] = lambda: 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._per_minute = per_minute
        self._per_second = per_second
        self._live_sessions = live_sessions
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sessions = 1  # as last read
        self._redis_alone_until = float("-inf")
        self._shared = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())

    def spend(self) -> timedelta | None:
        """Take one call out of the limit: None when it may go, else how long until one may."""
        if self._shared is not None and self._monotonic() >= self._redis_alone_until:
            try:
                return self._hit(self._shared, self._items(1))
            except (RedisError, StorageError, OSError) as error:
                self._redis_alone_until = self._monotonic() + _REDIS_LEFT_ALONE_S
                _log.warning("gate.redis_unreachable", provider=self._provider, error=type(error).__name__)
        with self._lock:
            return self._hit(self._own, self._items(self._count_sessions()))

    def _items(self, sharers: int) -> list[RateLimitItem]:
        items: list[RateLimitItem] = []
        if self._per_second is not None:
            items.append(RateLimitItemPerSecond(max(self._per_second // sharers, 1)))
        items.append(RateLimitItemPerMinute(max(self._per_minute // sharers, 1)))
        return items

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, items: list[RateLimitItem]) -> timedelta | None:
        for item in items:
            if not limiter.hit(item, self._provider):
                reset = limiter.get_window_stats(item, self._provider).reset_time - time.time()
                return timedelta(seconds=min(max(reset, 0.05), float(item.get_expiry())))
        return None

    def _count_sessions(self) -> int:
        try:
            self._sessions = max(self._live_sessions(), 1)
        except Exception as error:  # noqa: BLE001 -- whatever keeps us from counting, the last count is the best there is
            _log.warning("gate.sessions_unknown", provider=self._provider, error=type(error).__name__)
        return self._sessions


def _redis(url: str) -> RedisStorage:
    pool = ConnectionPool.from_url(
        url,
        socket_timeout=_REDIS_ANSWERS_WITHIN_S,
        socket_connect_timeout=_REDIS_ANSWERS_WITHIN_S,
        retry=Retry(NoBackoff(), 0),  # the client's own retries would hold every call back for seconds
    )
    return RedisStorage(url, connection_pool=pool, key_prefix="rk:rate")
