"""The doors to the providers, as one process's threads pass them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from providers.gate import Gate


@dataclass(frozen=True, slots=True)
class Doors:
    """How many threads of this process may be inside each provider at once. `left` is told of each place given back."""

    gates: Mapping[str, Gate]
    left: Callable[[str], None] = lambda _provider: None

    def try_enter(self, provider: str) -> bool:
        """Take a place; a provider that is not configured has none, so its rows wait."""
        gate = self.gates.get(provider)
        return gate is not None and gate.try_enter()

    def leave(self, provider: str) -> None:
        """Give it back."""
        self.gates[provider].leave()
        self.left(provider)


class Places(Protocol):
    """How many threads of this process may be inside one provider (`Doors`)."""

    def try_enter(self, provider: str) -> bool:
        """Take a place; False when all are taken."""
        ...

    def leave(self, provider: str) -> None:
        """Give it back."""
        ...


class Place:
    """Where a thread is while it runs a flow: at one provider, at two for as long as it takes to go over.

    `left` is told of each place given back. For one thread.
    """

    def __init__(self, doors: Places, *, left: Callable[[str], None]) -> None:
        self._doors = doors
        self._left = left
        self._held: list[str] = []
        self.been: set[str] = set()  # at all of these

    def take(self, provider: str | None) -> bool:
        """Be there too; False when every place is taken. Who asks nobody needs none."""
        if provider is None or provider in self._held:
            return True
        if not self._doors.try_enter(provider):
            return False
        self._held.append(provider)
        self.been.add(provider)
        return True

    def keep(self, provider: str | None) -> None:
        """Leave everywhere else."""
        for other in [held for held in self._held if held != provider]:
            self._held.remove(other)
            self._doors.leave(other)
            self._left(other)

    def leave(self) -> None:
        """Leave everywhere."""
        self.keep(None)
