"""Names as people read them: states, steps and outcomes without underscores, providers as they write themselves."""

from typing import Final

_PROVIDERS: Final = {"due": "Due", "alpaca": "Alpaca", "bridge": "Bridge", "stripe": "Stripe", "ibex": "IBEX"}

# What an attempt came to, with its provider's name put in.
_OUTCOMES: Final = {
    "advanced": "moved on",
    "snoozed": "not ready yet",
    "closed": "watch ended",
    "unavailable": "{provider} could not be reached",
    "throttled": "{provider} asked us to slow down",
    "unknown": "no answer: it may or may not have happened",
    "not_found": "{provider} does not know it",
    "rejected": "{provider} refused",
    "misconfigured": "{provider} refused our credentials",
    "unreadable": "{provider}'s answer could not be read",
    "parked": "a person is needed",
    "listening": "looked only: it is parked",
    "settling": "waits until an earlier call can no longer arrive",
    "error": "failed on our side",
    "lost": "its worker vanished",
    "released": "given back unused",
}
BAD_OUTCOMES: Final = frozenset({"rejected", "misconfigured", "parked", "error"})
TROUBLED_OUTCOMES: Final = frozenset({"unavailable", "throttled", "unknown", "not_found", "unreadable", "lost"})


def plain(name: str) -> str:
    """A name of the code, as words: "off_ramp_initiated" gives "off ramp initiated"."""
    return name.replace("_", " ")


def provider_name(provider: str | None) -> str:
    """A provider as it writes itself; an unknown one as it is named here."""
    return _PROVIDERS.get(provider or "", (provider or "the provider"))


def outcome_text(outcome: str | None, provider: str | None) -> str:
    """What an attempt came to, in words; one under way has no outcome yet."""
    if outcome is None:
        return "under way"
    return _OUTCOMES.get(outcome, plain(outcome)).replace("{provider}", provider_name(provider))
