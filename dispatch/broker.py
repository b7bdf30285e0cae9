"""The broker: Dramatiq on Redis or Valkey, carrying hints. Its own retries, delays and dead letters are not used.

Without the Retries middleware a message whose actor raised is acknowledged and gone: its row is still due.
Flows have a queue for each provider, and a worker takes no more out of it than it has places at that provider: what
it cannot do now stays in the queue, for a worker that can.
"""

from typing import Final

from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Callbacks, ShutdownNotifications, TimeLimit
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dispatch.consumer import LOOKS_AGAIN_MS, Paced
from funding.flows.table import FLOWS

INGEST: Final = "ingest"
FUNDING: Final = "funding"
POLLS: Final = "polls"
NOTIFY: Final = "notify"
FUNDING_OF: Final[dict[str | None, str]] = {  # by whom a flow's next step asks; None: it asks nobody
    None: FUNDING,
    **{
        provider: f"{FUNDING}.{provider}"
        for provider in sorted(step.provider for flow in FLOWS.values() for step in flow.steps() if step.provider)
    },
}
QUEUES: Final = (INGEST, *FUNDING_OF.values(), POLLS, NOTIFY)

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


class HintBroker(RedisBroker):
    """Dramatiq's, but that a process holds no more messages of a provider than it has `places` there."""

    def __init__(self, *, client: Redis, places: int | None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # dramatiq leaves this constructor untyped
            client=client,
            namespace=NAMESPACE,
            middleware=[ShutdownNotifications(), Callbacks(), TimeLimit(time_limit=300_000)],
            maintenance_chance=MAINTENANCE_CHANCE,
            dead_message_ttl=60_000,
        )
        self._places = dict.fromkeys((queue for provider, queue in FUNDING_OF.items() if provider), places)
        for queue in QUEUES:
            self.declare_queue(queue)

    def declare_queue(self, queue_name: str) -> None:
        """Have a queue, without the one for delayed messages beside it: none is ever delayed, and asking costs."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Dramatiq's consumer of that queue, paced."""
        most = min(prefetch, self._places.get(queue_name) or prefetch)
        timeout = min(timeout, LOOKS_AGAIN_MS)
        return Paced(super().consume(queue_name, most, timeout), most=most, timeout_ms=timeout)


def make_broker(url: str, *, places: int | None = None) -> HintBroker:
    """A broker for sending and consuming hints; `places`: how many threads of this process one provider may have."""
    return HintBroker(client=make_client(url), places=places)
