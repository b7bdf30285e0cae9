"""The doors to the providers, as one process's threads pass them."""

from collections.abc import Mapping
from dataclasses import dataclass

from providers.gate import Gate


@dataclass(frozen=True, slots=True)
class Doors:
    """How many threads of this process may be inside each provider at once."""

    gates: Mapping[str, Gate]

    def try_enter(self, provider: str) -> bool:
        """Take a place; a provider that is not configured has none, so its rows wait."""
        gate = self.gates.get(provider)
        return gate is not None and gate.try_enter()

    def leave(self, provider: str) -> None:
        """Give it back."""
        self.gates[provider].leave()
