"""What the door needs to know of a route: whose it is, how it is signed, where its event's name stands.

Pure, and light on purpose: the receiver imports this and must not reach anything that calls out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.event_names import EventName
from providers.webhook_keys import Headers, MatchedKey

Body = Mapping[str, Any]
Verify = Callable[[bytes, Headers, datetime], MatchedKey]
Name = Callable[[bytes, Body], EventName]
KEPT_HEADERS = frozenset({"content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class Receiving:
    """One route. `kept_headers` (lower case) are stored beside the body; none of them is a secret."""

    provider: str
    verify: Verify
    name: Name
    kept_headers: frozenset[str] = KEPT_HEADERS


@dataclass(frozen=True, slots=True)
class Proved:
    """A body that carried its own proof: the key that it was, and the body without it, as it is to be kept."""

    key: MatchedKey
    body: bytes


class SourceRefused(Exception):
    """The request comes from an address that is not the provider's."""


Prove = Callable[[bytes, Headers, str | None, datetime], Proved]  # the third: whose request it is


@dataclass(frozen=True, slots=True)
class ProofWithin:
    """A route whose proof stands within the body: named, stored and logged is only what `prove` leaves of it.

    `prove` raises, in this order: SourceRefused, WrongShape (not a JSON object), SignatureRefused.
    """

    provider: str
    prove: Prove
    name: Name
    kept_headers: frozenset[str] = KEPT_HEADERS


Route = Receiving | ProofWithin
