"""The broker: Dramatiq on Redis or Valkey, carrying hints. Its own retries, delays and dead letters are not used.

Without the Retries middleware a message whose actor raised is acknowledged and gone: its row is still due.
"""

from typing import Final

from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Callbacks, ShutdownNotifications, TimeLimit
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

INGEST: Final = "ingest"
FUNDING: Final = "funding"
POLLS: Final = "polls"
NOTIFY: Final = "notify"
QUEUES: Final = (INGEST, FUNDING, POLLS, NOTIFY)

NAMESPACE: Final = "rampkeeper"
MAINTENANCE_CHANCE: Final = 10_000  # of a million: a dead worker's messages come back within minutes; rows are sooner


def make_client(url: str) -> Redis:
    """A client that fails fast: an unreachable Redis costs an announcement, never a wait."""
    return Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


def make_broker(url: str) -> RedisBroker:
    """A broker for sending and consuming hints."""
    broker = RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves this constructor untyped
        client=make_client(url),
        namespace=NAMESPACE,
        middleware=[ShutdownNotifications(), Callbacks(), TimeLimit(time_limit=300_000)],
        maintenance_chance=MAINTENANCE_CHANCE,
        dead_message_ttl=60_000,
    )
    for queue in QUEUES:
        broker.declare_queue(queue)
    return broker
