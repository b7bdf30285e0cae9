"""The fields of a request's body, each as it should be, with every bad one named at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from sandbox import amounts
from sandbox.bridge.errors import invalid

_LONGEST = 1024


class Fields:
    """A body read by dotted names ("source.currency"); `done` refuses it if anything was wrong."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._problems: dict[str, str] = {}

    def get(self, name: str) -> Any:
        """Whatever is there, or None."""
        found: Any = self._body
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def problem(self, name: str, text: str) -> None:
        """Note that a field is wrong."""
        self._problems.setdefault(name.replace(".", "__"), text)

    def text(self, name: str) -> str:
        """Text that must be there."""
        found = self.maybe(name)
        if found is None:
            self.problem(name, "is required")
        return found or ""

    def maybe(self, name: str) -> str | None:
        """Text, or None where there is none."""
        found = self.get(name)
        if found is None:
            return None
        if not isinstance(found, str) or not found.strip() or len(found) > _LONGEST:
            self.problem(name, "is not valid text")
            return None
        return found

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of these words."""
        found = self.maybe(name)
        if found is None and default is not None and self.get(name) is None:
            return default
        if found is None or found not in known:
            self.problem(name, f"must be one of {', '.join(sorted(known))}")
        return found or ""

    def amount(self, name: str) -> Decimal | None:
        """Decimal text, or None where there is none."""
        found = self.get(name)
        if found is None:
            return None
        try:
            if isinstance(found, str):
                return amounts.parse(found)
        except ValueError:
            pass
        self.problem(name, "must be a decimal number as text")
        return None

    def percent(self, name: str) -> Decimal | None:
        """Decimal text from "0" to below "100", in percent."""
        found = self.amount(name)
        if found is not None and found >= 100:  # noqa: PLR2004 - percent
            self.problem(name, "must be below 100 percent")
        return found

    def flags(self, name: str) -> dict[str, bool]:
        """An object of true and false."""
        found = self.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping) or not all(isinstance(flag, bool) for flag in found.values()):
            self.problem(name, "must be an object of booleans")
            return {}
        return dict(found)

    def words(self, name: str, known: Collection[str] | None = None) -> list[str]:
        """A list of text, of these words only if they are given; empty where there is none."""
        found = self.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            self.problem(name, "must be a list of text")
            return []
        if known is not None and not set(found) <= set(known):
            self.problem(name, f"must be of {', '.join(sorted(known))}")
        return found

    def done(self) -> None:
        """Raises: BridgeError 400 naming every bad field."""
        if self._problems:
            raise invalid(**self._problems)
