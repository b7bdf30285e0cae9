"""The pretended world: all its memory, its plan and its dice."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sandbox.alpaca.state import AlpacaState
from sandbox.bridge.state import BridgeState
from sandbox.chain import Chain
from sandbox.config import Config
from sandbox.due.state import DueState
from sandbox.effects import Effects
from sandbox.faults import Faults
from sandbox.ibex.state import IbexState
from sandbox.ids import Ids
from sandbox.outbox import Delivery, Outbox
from sandbox.payouts import Payouts
from sandbox.schedule import Happening, Schedule
from sandbox.stripe.state import StripeState
from sandbox.times import utc_now

_REQUESTS_KEPT = 2000


class World:
    """Due, Alpaca, Bridge, IBEX and Stripe in memory, repeatable from a seed.

    It starts no thread and opens no socket: a server or a simulation calls `tick()` when `next_happening()` has come,
    sends what `due_deliveries()` gives and reports each answer. Everything is under `lock`, which is re-entrant.
    `clock` gives aware UTC moments; `config` takes the names of `sandbox.config.Config`.
    """

    def __init__(
        self,
        seed: int = 0,
        clock: Callable[[], datetime] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # notified whenever something new is planned or streamed
        self.clock = clock or utc_now
        self.config = Config.load(config)
        self.seed = seed
        self._acting_at: datetime | None = None
        self._build()

    def _build(self) -> None:
        self.ids = Ids(self.seed)
        self.schedule = Schedule()
        self.faults = Faults(self.ids)
        self.effects = Effects(self)
        self.outbox = Outbox(self, self.config.time_scale)
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REQUESTS_KEPT)
        self.payouts = Payouts(self)
        self.alpaca = AlpacaState(self)
        self.due = DueState(self)
        self.chain = Chain(self)
        self.bridge = BridgeState(self)
        self.ibex = IbexState(self)
        self.stripe = StripeState(self)

    def reset(self, seed: int | None = None) -> None:
        """Forget everything and begin again, from the same seed unless another is given."""
        with self.lock:
            self.seed = self.seed if seed is None else seed
            self._build()
            self.stir()

    def now(self) -> datetime:
        """The moment things happen at: the clock, or within `tick()` the moment the act was planned for."""
        return self._acting_at or self.clock()

    def after(self, seconds: float, act: Callable[[], None]) -> Happening:
        """Plan an act."""
        happening = self.schedule.add(self.now() + timedelta(seconds=seconds), act)
        self.stir()
        return happening

    def tick(self) -> int:
        """Do all that is due by now, in order of time, each at its own moment; how many acts that was."""
        with self.lock:
            if self._acting_at is not None:
                return 0
            done, now = 0, self.clock()
            try:
                while happening := self.schedule.pop_due(now):
                    self._acting_at = happening.when
                    happening.act()
                    done += 1
            finally:
                self._acting_at = None
            return done

    def next_happening(self) -> datetime | None:
        """When there is next something to do: an act, or a webhook to send."""
        with self.lock:
            moments = [moment for moment in (self.schedule.next_at(), self.outbox.next_at()) if moment is not None]
            return min(moments, default=None)

    def due_deliveries(self) -> list[Delivery]:
        """Take the webhooks whose time has come; report each with `delivery_answered`."""
        with self.lock:
            return self.outbox.take_due()

    def delivery_answered(self, delivery_id: str, status: int | None, body: str = "") -> None:
        """Record what a receiver answered; None for no answer. Raises: KeyError: unknown or already answered."""
        with self.lock:
            self.outbox.answered(delivery_id, status, body)

    def renew_keys(self, **keys: Any) -> None:
        """Take exactly these keys from now on, and sign with those secrets; None leaves one. Raises: ValueError."""
        with self.lock:
            self.config = self.config.renewed(keys)

    def link_firm_recipient(self, recipient_id: str) -> None:
        """Say that what is paid to this recipient of Due arrives in the firm's account at Alpaca."""
        with self.lock:
            self.due.firm_recipients.add(recipient_id)

    def stir(self) -> None:
        """Wake whoever waits for something new."""
        with self.lock:
            self.changed.notify_all()
