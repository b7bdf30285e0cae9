"""What moves a served world: a thread that does what is due, and a few that carry webhooks."""

from __future__ import annotations

import queue
import threading

import requests

from sandbox.outbox import Delivery
from sandbox.world import World

_CARRIERS = 8
_ANSWER_WITHIN = 10.0  # seconds a receiver may take
_LONGEST_WAIT = 0.5  # seconds between two looks at the plan, should a wake-up be missed


class Pump:
    """Drives one world in real time until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._deliveries: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._drive, name="sandbox-pump", daemon=True)]
        self._threads += [
            threading.Thread(target=self._carry, name=f"sandbox-carrier-{number}", daemon=True)
            for number in range(_CARRIERS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; a delivery in flight is left to its own deadline."""
        self._stopping.set()
        self._world.stir()
        for _ in range(_CARRIERS):
            self._deliveries.put(None)
        self._threads[0].join(timeout=2)
        for thread in self._threads[1:]:
            thread.join(timeout=0.2)

    def _drive(self) -> None:
        while not self._stopping.is_set():
            self._world.tick()
            for delivery in self._world.due_deliveries():
                self._deliveries.put(delivery)
            with self._world.lock:
                upcoming = self._world.next_happening()
                wait = _LONGEST_WAIT
                if upcoming is not None:
                    wait = min(wait, (upcoming - self._world.clock()).total_seconds())
                if wait > 0 and not self._stopping.is_set():
                    self._world.changed.wait(wait)

    def _carry(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (delivery := self._deliveries.get()) is not None:
                status, text = _post(session, delivery)
                try:
                    self._world.delivery_answered(delivery.id, status, text)
                except KeyError:
                    continue  # the world was reset meanwhile


def _post(session: requests.Session, delivery: Delivery) -> tuple[int | None, str]:
    try:
        answer = session.post(
            delivery.url,
            data=delivery.body,
            headers=delivery.headers,
            timeout=_ANSWER_WITHIN,
            allow_redirects=False,
        )
    except requests.RequestException:
        return None, ""
    return answer.status_code, answer.text
