"""What a customer's standing at Bridge means here: whether they may begin anything, and what they are told of it."""

from datetime import datetime
from typing import Final

from funding.ports.bridge import BridgeCustomer, CustomerStatus
from funding.refusals import CustomerSuspended, KycPending, KycRejected, Refusal
from funding.snapshot import Snapshot

STOPPED: Final = frozenset({CustomerStatus.PAUSED, CustomerStatus.OFFBOARDED})
READINGS_BELIEVED_AFTER: Final = 8  # four minutes in all: by then a reading is not old, but true
_DECIDED: Final = frozenset({CustomerStatus.APPROVED, CustomerStatus.REJECTED, *STOPPED})
_ANYTHING_ELSE: Final = "The information given could not be verified."
# What Bridge lets be told, by a word in it, in ours. Source: Bridge API docs, "Rejection reasons", read 2026-11.
_PLAIN: Final = (
    ("expired", "The identity document has expired."),
    ("same side", "Both sides of the identity document are needed."),
    ("photo", "The photo of the identity document was not clear or not complete."),
    ("id type", "The kind of identity document that was chosen is not the one that was shown."),
    ("cannot accept", "This identity document is not accepted."),
    ("government id", "No identity document was found in what was sent."),
    ("address", "The address could not be confirmed."),
    ("incomplete", "The information given was incomplete, or parts of it did not agree."),
    ("missing", "The information given was incomplete, or parts of it did not agree."),
)


def refusal_of_standing(customer: BridgeCustomer) -> Refusal | None:
    """Why nothing new may be begun for this customer now; None: it may."""
    match customer.status:
        case CustomerStatus.APPROVED if customer.terms_accepted:
            return None
        case CustomerStatus.REJECTED:
            return KycRejected(" ".join((KycRejected.words, *plain_reasons(customer))))
        case status if status in STOPPED:
            return CustomerSuspended(detail=f"bridge says {customer.raw_status}")
        case _:
            return KycPending(detail=f"bridge says {customer.raw_status}")


def plain_reasons(customer: BridgeCustomer) -> list[str]:
    """Why a customer was rejected, as it may be told them: never Bridge's own words, and at least one sentence."""
    found = [next((ours for word, ours in _PLAIN if word in said.lower()), _ANYTHING_ELSE) for said in customer.told]
    return list(dict.fromkeys(found)) or [_ANYTHING_ELSE]


def behind_hints(customer: BridgeCustomer, flow: Snapshot) -> bool:
    """Whether an event has told of a later standing than this reading shows."""
    told = {status: datetime.fromisoformat(at) for status, at in flow.hints.items() if status in _DECIDED and at}
    latest = max(told, key=lambda status: told[status], default=None)
    if latest is None:
        latest = next((status for status in flow.hints if status in _DECIDED), None)
    return latest is not None and customer.status != latest and flow.snoozes < READINGS_BELIEVED_AFTER
