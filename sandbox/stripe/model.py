"""What every object of Stripe has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig


@dataclass(kw_only=True)
class Record:
    """One object; `number` rises with each made of its kind."""

    name: ClassVar[str] = "object"  # in errors: "No such charge"

    id: str
    number: int
    created_at: datetime
    livemode: bool
    status: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    before: dict[str, Any] | None = None  # as it was shown before its last change
    changed_at: datetime | None = None
    reads: int = 0  # times it was shown to a caller

    @property
    def created(self) -> int:
        """In seconds."""
        return int(self.created_at.timestamp())

    def as_json(self, config: StripeConfig) -> dict[str, Any]:
        """As the API shows it."""
        raise NotImplementedError

    def remember(self, config: StripeConfig, now: datetime) -> dict[str, Any]:
        """Keep how it looks before a change that is coming, for stale reads; that look."""
        self.before, self.changed_at = self.as_json(config), now
        return self.before


def previous(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What the members that changed were before, maps within maps alike."""
    found: dict[str, Any] = {}
    for name, new in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := previous(old, new):
                found[name] = inner
        elif old != new:
            found[name] = old
    return found
