"""Misbehaviour on request: each fault with a probability, drawn from the seed, and counted when it strikes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import Ids

WEBHOOK = ("webhook_dropped", "webhook_doubled", "webhook_late", "webhook_reordered")
BEFORE = ("reset_before", "throttled", "throttled_bare", "unavailable", "server_error")
AFTER = ("server_error_after", "reply_lost", "slow_reply", "dripping_reply")
EITHER = ("hanging_socket",)  # effect=False strikes before the request has had its effect
READ = (
    "stale_read",
    "amount_changed",
    "changed_after_listed",
    "truncated_listing",
    "unknown_status",
)
STREAM = (
    "stream_dropped",
    "stream_doubled",
    "stream_swapped",
    "stream_overrun",
    "stream_closed",
    "stream_error",
    "stream_silent",
)
NAMES = frozenset((*WEBHOOK, *BEFORE, *AFTER, *EITHER, *READ, *STREAM))
PROVIDERS = frozenset({"due", "alpaca", "bridge", "ibex", "stripe", "*"})


@dataclass(frozen=True)
class SocketFault:
    """What the server does to the real socket with this answer.

    Kinds: `lost` (effect done, closed without an answer), `slow` (answered after `seconds`), `drip` (a byte now and
    then for `seconds`, headers included), `hang` and `hang_before` (nothing for `seconds`, then closed; the effect is
    done for the first only), `reset_before` (closed before any effect).
    """

    kind: str
    seconds: float = 0.0


@dataclass
class Rule:
    """One fault as it was asked for."""

    name: str
    provider: str
    probability: float
    only: str | None  # "POST /v1/journals"; a segment {x} or * stands for any one; for webhooks the event's type
    times: int | None  # how often it may still strike; None: for ever
    params: dict[str, Any] = field(default_factory=dict)

    def covers(self, provider: str, route: str) -> bool:
        """Whether it concerns this provider and route ("GET /v1/transfers/tf_1")."""
        if provider not in PROVIDERS or self.provider not in {"*", provider} or self.times == 0:
            return False
        return self.only is None or _pattern(self.only).fullmatch(route) is not None

    def as_json(self) -> dict[str, Any]:
        """The rule as the control API shows it."""
        return {
            "name": self.name,
            "provider": self.provider,
            "probability": self.probability,
            "only": self.only,
            "times": self.times,
            **self.params,
        }


class Faults:
    """Every rule now in force, and how often each fault has struck. Not locked: its world is."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._rules: dict[tuple[str, str, str | None], Rule] = {}
        self.counts: Counter[str] = Counter()

    def set(
        self,
        name: str,
        provider: str = "*",
        probability: float = 1.0,
        *,
        times: int | None = None,
        only: str | None = None,
        **params: Any,
    ) -> None:
        """Ask for a fault; the same name, provider and `only` replaces, probability 0 takes it away.

        Raises: ValueError: no such fault or provider, or a probability outside 0 to 1.
        """
        if name not in NAMES:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}")
        if provider not in PROVIDERS:
            raise ValueError(f"unknown provider {provider!r}; known: {', '.join(sorted(PROVIDERS))}")
        if not 0 <= probability <= 1:
            raise ValueError("a probability lies between 0 and 1")
        key = (name, provider, only)
        rules = {other: rule for other, rule in self._rules.items() if other != key}
        if probability > 0:
            rules[key] = Rule(name, provider, probability, only, times, params)
        self._rules = rules  # replaced, never changed: a request may be walking through the old one

    def clear(self, name: str | None = None) -> None:
        """Take away every rule of this name, or all of them; counts stay."""
        self._rules = {key: rule for key, rule in self._rules.items() if name is not None and rule.name != name}

    def take(
        self,
        name: str,
        provider: str,
        route: str = "",
        when: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> Mapping[str, Any] | None:
        """Draw for a fault that could strike here; its parameters (and the strike is counted) or None.

        `when` says whether a fault with these parameters could show here at all: if not, no dice are thrown.
        """
        for rule in self._rules.values():
            if rule.name != name or not rule.covers(provider, route) or not (when is None or when(rule.params)):
                continue
            if self._ids.stream(f"fault:{name}").random() < rule.probability:
                if rule.times is not None:
                    rule.times -= 1
                self.counts[name] += 1
                return rule.params
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The rules in force, in the order they were set."""
        return [rule.as_json() for rule in self._rules.values()]


def _pattern(only: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}/]*\}|\*)", only)
    return re.compile("".join("[^/]+" if number % 2 else re.escape(part) for number, part in enumerate(parts)))
