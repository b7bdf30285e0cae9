"""Whether a creating call may be sent, must look first, must wait, or must ask a person.

A key names an intention: flow, step, call, visit and generation. The generation rises only when the provider has
definitely refused, or when it is proved that nothing exists; never after an unknown outcome.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from funding.policy import Policy
from funding.snapshot import Intention

NAMESPACE = UUID("6f2b1c1e-52a7-4d0c-9c55-8f1c0c5d7a11")  # ours alone: keys of other systems cannot collide with these
LOOK_UPS_NEEDED = 2
KEY_MARGIN = timedelta(hours=1)  # a key is not relied on this close to its end: the two clocks need not agree
NOTHING_HAPPENED = frozenset({"refused", "unsent"})  # outcomes after which no effect can exist under that key
CACHED_ANSWERS = 2  # the same 5xx under the same key this often may be the key's own memory


@dataclass(frozen=True, slots=True)
class Send:
    """Send now, under this generation; `again` the bytes of the intention that is there."""

    generation: int
    again: bool


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the provider for an object with our reference before anything is sent.

    `then`: what may be sent when there is none; None: note the look-up, and plan again.
    """

    then: Send | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be sent yet: an old call may still be on its way."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class AskPerson:
    """No rule can tell whether the effect exists."""

    reason: str


Plan = Send | LookUp | Wait | AskPerson


def intention_key(flow: UUID, step: str, call: str, *, visit: int, generation: int) -> UUID:
    """The idempotency key of one intention: the same for every worker that comes to it."""
    return uuid5(NAMESPACE, f"{flow}/{step}/{call}/{visit}/{generation}")


def plan(intention: Intention | None, *, policy: Policy, now: datetime, look_first: bool) -> Plan:
    """What to do about an intention now. `look_first`: commits may have been lost; look before every create."""
    if intention is None or intention.outcome in NOTHING_HAPPENED:
        sending = Send(_next_generation(intention), again=False)
        # After lost commits a call may have been made that nobody remembers: look, and only then send.
        return LookUp(then=sending) if look_first and policy.can_look_up else sending
    key_lives = is_alive(intention, policy=policy, now=now)
    may_be_cached = intention.outcome == "answered_5xx" and intention.sends >= CACHED_ANSWERS
    under_its_key = Send(intention.generation, again=True) if key_lives and not may_be_cached else None
    if under_its_key is not None and not look_first:
        return under_its_key
    if not policy.can_look_up:
        return AskPerson(
            "the provider no longer honours the key of the last call and offers no look-up by our reference"
        )
    looking = _look_twice(intention, policy=policy, now=now)
    # What both listings hid is not made again under a key that lives: it is answered again.
    return looking or under_its_key or Send(intention.generation + 1, again=False)


def is_alive(intention: Intention, *, policy: Policy, now: datetime) -> bool:
    """Whether the provider surely honours the intention's key still."""
    return policy.key_lifetime is not None and now - intention.born_at < policy.key_lifetime - KEY_MARGIN


def _next_generation(intention: Intention | None) -> int:
    """A key that the provider has refused is not used again; one that never left us is."""
    if intention is None:
        return 0
    return intention.generation + 1 if intention.outcome == "refused" else intention.generation


def _look_twice(intention: Intention, *, policy: Policy, now: datetime) -> LookUp | Wait | None:
    """Two complete look-ups a settle time apart, after the old call's deadline; None when both found nothing."""
    if intention.settle_from is not None and now < intention.settle_from:
        return Wait(intention.settle_from - now)
    if intention.look_ups == 0 or intention.looked_at is None:
        return LookUp()
    if intention.look_ups < LOOK_UPS_NEEDED:
        settled = intention.looked_at + policy.settle_time
        return Wait(settled - now) if now < settled else LookUp()
    return None
