"""Tells people, by Apprise. Its addresses are secrets: none is ever logged, raised or stored.

Apprise opens its own connections, so the guard of `providers.outgoing` cannot pin what it talks to, and it obeys
the environment's proxies. Its addresses come from the deployer's own settings, never from a customer.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from providers.rotation import Secret

DEADLINE: Final = timedelta(seconds=30)  # for all addresses of one message together
Tell = Callable[[str, str, str], bool]


@dataclass(frozen=True, slots=True)
class Told:
    """How far a message came: fingerprints of the addresses that took it, and how many did not."""

    reached: tuple[str, ...]
    missed: int


class People:
    """The addresses to tell. Each is named by a fingerprint, so that a repeat leaves out whom it reached before."""

    def __init__(self, urls: Sequence[Secret], *, tell: Tell | None = None, deadline: timedelta = DEADLINE) -> None:
        self._urls = {_fingerprint(url): url for url in urls}
        self._tell = tell or _tell
        self._deadline = deadline

    def __bool__(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._urls)

    def tell(self, title: str, text: str, *, besides: Collection[str] = ()) -> Told:
        """Send to every address whose fingerprint is not in `besides`, all at once. Never raises.

        One that has not answered within the deadline counts as missed; its thread is left to end by itself.
        """
        reached: list[str] = []
        open_still = {name: url for name, url in self._urls.items() if name not in besides}

        def one(name: str, url: Secret) -> None:
            if self._tell(url.reveal(), title, text):
                reached.append(name)

        threads = [threading.Thread(target=one, args=item, name="people", daemon=True) for item in open_still.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self._deadline.total_seconds())
        took = tuple(reached)
        return Told(took, len(open_still) - len(took))


def _tell(url: str, title: str, text: str) -> bool:
    """One address, by Apprise; false for any reason, which only its provider may know."""
    # It logs addresses with their secrets when one is malformed or refused.
    logging.getLogger("apprise").disabled = True
    import apprise  # noqa: PLC0415 - slow to load, and only those who use it should wait

    sender = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    try:
        return bool(sender.add(url) and sender.notify(body=text, title=title))
    except Exception:  # noqa: BLE001 - a plugin may raise anything, with the address in it
        return False


def _fingerprint(url: Secret) -> str:
    return hashlib.sha256(url.reveal().encode()).hexdigest()[:12]
