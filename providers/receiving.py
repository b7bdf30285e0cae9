"""What the door needs to know of a route: whose it is, how it is signed, where its event's name stands.

Pure, and light on purpose: the receiver imports this and must not reach anything that calls out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.event_names import EventName
from providers.webhook_keys import Headers, MatchedKey

Verify = Callable[[bytes, Headers, datetime], MatchedKey]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receiving:
    """One route. `kept_headers` (lower case) are stored beside the body; none of them is a secret."""

    provider: str
    verify: Verify
    name: Callable[[bytes, Body], EventName]
    kept_headers: frozenset[str] = frozenset({"content-type", "user-agent"})
