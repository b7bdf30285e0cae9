"""What found every place at its provider taken: whoever leaves a place there sends for the next of them."""

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Final

MOST: Final = 1_000  # of each provider; a row that is not kept here is announced again 15 s later


class TurnedAway:
    """Remembers it by provider, the oldest first, each once. Only a hint: rows stay due whatever becomes of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Hashable, Callable[[], object]]] = defaultdict(dict)

    def enter(self, provider: str, what: Hashable, *, take: Callable[[], bool], announce: Callable[[], object]) -> bool:
        """Take a place there by `take`; False when all are taken: `what` is announced when one is left.

        Tried once more after the note is made: whoever left a place meanwhile had not seen it.
        """
        if take():
            return True
        self.note(provider, what, announce)
        if not take():
            return False
        self._forget(provider, what)
        return True

    def note(self, provider: str, what: Hashable, announce: Callable[[], object]) -> None:
        """Keep what was turned away, unless too much is kept already."""
        with self._lock:
            kept = self._kept[provider]
            if len(kept) < MOST:
                kept[what] = announce

    def waiting(self) -> set[str]:
        """The providers at which something was turned away."""
        with self._lock:
            return {provider for provider, kept in self._kept.items() if kept}

    def send_for_next(self, provider: str) -> None:
        """A place is free there: announce what was turned away first, if anything was."""
        with self._lock:
            kept = self._kept[provider]
            announce = kept.pop(next(iter(kept))) if kept else None
        if announce is not None:
            announce()

    def _forget(self, provider: str, what: Hashable) -> None:
        with self._lock:
            self._kept[provider].pop(what, None)
