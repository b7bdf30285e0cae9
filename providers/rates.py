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
AT_ONCE_OF_A_SECOND: Final = 40  # a process takes at once what the limit allows within 25 ms
MOST_AT_ONCE: Final = 50
IN_HAND_S: Final = 0.5  # so long they may be used: within the window they were counted in
_REDIS_ANSWERS_WITHIN_S: Final = 0.5
_REDIS_LEFT_ALONE_S: Final = 5.0  # after a failure, so that not every call waits for it


class SharedRate:
    """So many calls a minute, and a burst a second, over all processes that share a Redis.

    Where a second has room for many calls, a process takes the part it may need within the next moment at once, and
    what it has not used by then is lost to it: the limit, as near as a sliding window keeps it, without a question to
    Redis for each call.
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
        a_second = min(per_minute // 60, per_second or per_minute)
        self._at_once = min(max(a_second // AT_ONCE_OF_A_SECOND, 1), MOST_AT_ONCE)
        self._in_hand = 0
        self._in_hand_until = float("-inf")
        self._shared = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())

    def spend(self) -> timedelta | None:
        """Take one call out of the limit: None when it may go, else how long until one may."""
        if self._shared is not None and self._monotonic() >= self._redis_alone_until:
            if self._one_in_hand():
                return None
            try:
                return self._take(self._shared)
            except (RedisError, StorageError, OSError) as error:
                self._redis_alone_until = self._monotonic() + _REDIS_LEFT_ALONE_S
                _log.warning("gate.redis_unreachable", provider=self._provider, error=type(error).__name__)
        with self._lock:
            return self._hit(self._own, self._items(self._count_sessions()))

    def _one_in_hand(self) -> bool:
        with self._lock:
            if self._in_hand == 0 or self._monotonic() >= self._in_hand_until:
                return False
            self._in_hand -= 1
            return True

    def _take(self, shared: SlidingWindowCounterRateLimiter) -> timedelta | None:
        """Take as many as are taken at once; when so many are not left, one."""
        asked = self._monotonic()
        if self._at_once > 1 and self._hit(shared, self._items(1), cost=self._at_once) is None:
            with self._lock:
                self._in_hand, self._in_hand_until = self._at_once - 1, asked + IN_HAND_S
            return None
        return self._hit(shared, self._items(1))

    def _items(self, sharers: int) -> list[RateLimitItem]:
        items: list[RateLimitItem] = []
        if self._per_second is not None:
            items.append(RateLimitItemPerSecond(max(self._per_second // sharers, 1)))
        items.append(RateLimitItemPerMinute(max(self._per_minute // sharers, 1)))
        return items

    def _hit(
        self, limiter: SlidingWindowCounterRateLimiter, items: list[RateLimitItem], *, cost: int = 1
    ) -> timedelta | None:
        for item in items:
            if not limiter.hit(item, self._provider, cost=cost):
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
