"""Names as people read them: states, steps and outcomes without underscores, providers as they write themselves."""

import re
from typing import Final

from funding.flows.table import FLOWS

_PROVIDERS: Final = {"due": "Due", "alpaca": "Alpaca", "bridge": "Bridge", "stripe": "Stripe", "ibex": "IBEX"}

# Words of the code's names that people write otherwise; the longest first.
_WRITTEN: Final = {
    "on ramp": "on-ramp",
    "top up": "top-up",
    "kyc": "KYC",
    "ibex": "IBEX",
    "bridge": "Bridge",
    "stripe": "Stripe",
    "alpaca": "Alpaca",
}
_NAMED: Final = re.compile(rf"\b({'|'.join(_WRITTEN)})\b")

# Flows that move no money: what stands where another has its amount.
_WITHOUT_MONEY: Final = {
    "bridge_customer": "Identity check at Bridge",
    "bridge_virtual_account": "Virtual account at Bridge",
    "bridge_leaving": "Leaving Bridge",
}

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
    """A name of the code, as words: "off_ramp_initiated" gives "off ramp initiated", "kyc_link" gives "KYC link"."""
    return _NAMED.sub(lambda found: _WRITTEN[found[0]], name.replace("_", " "))


def capital(words: str) -> str:
    """Words as the beginning of a line; names in them keep their own letters."""
    return words[:1].upper() + words[1:]


def without_money(kind: str) -> str | None:
    """What a flow of this kind is about, if it moves no money."""
    return _WITHOUT_MONEY.get(kind)


def went_well(kind: str, state: str) -> bool:
    """Whether a flow that is over came to where its usual way leads. One nobody knows is not said to have failed."""
    machine = FLOWS.get(kind)
    return machine is None or not machine.way or state == machine.way[-1]


def provider_name(provider: str | None) -> str:
    """A provider as it writes itself; an unknown one as it is named here."""
    return _PROVIDERS.get(provider or "", (provider or "the provider"))


def outcome_text(outcome: str | None, provider: str | None) -> str:
    """What an attempt came to, in words; one under way has no outcome yet."""
    if outcome is None:
        return "under way"
    return _OUTCOMES.get(outcome, plain(outcome)).replace("{provider}", provider_name(provider))
