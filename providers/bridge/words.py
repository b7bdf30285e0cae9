"""Bridge's words in ours. Source: Bridge API docs, "Transfers", "Virtual account events", "KYC links", read 2026-11."""

from typing import Final

from funding.ports.bridge import CustomerStatus, Stage, TransferState

_ACTIVE: Final = "active"  # what a customer object says where its KYC link says approved
_MORE_TO_SAY: Final = frozenset({"awaiting_questionnaire", "awaiting_ubo"})  # the customer has not told all yet


def stage_of(text: str) -> Stage:
    """Bridge's word in ours, whatever its case; an unknown one stays open."""
    try:
        return Stage(text.lower())
    except ValueError:
        return Stage.UNKNOWN


def state_of(text: str) -> TransferState:
    """Bridge's word in ours, whatever its case; an unknown one stays open."""
    try:
        return TransferState(text.lower())
    except ValueError:
        return TransferState.UNKNOWN


def customer_status_of(text: str) -> CustomerStatus:
    """Bridge's word in ours, whatever its case and whichever object says it; an unknown one stays open."""
    word = customer_word(text)
    if word in _MORE_TO_SAY:
        return CustomerStatus.INCOMPLETE
    try:
        return CustomerStatus(word)
    except ValueError:
        return CustomerStatus.UNKNOWN


def customer_word(text: str) -> str:
    """A customer's status in lower case, with one word for what a customer calls active and a KYC link approved."""
    word = text.lower()
    return CustomerStatus.APPROVED.value if word == _ACTIVE else word


def full_type(category: str, kind: str) -> str:
    """An event's type with its category before it, whether or not Bridge wrote it so: "transfer.created"."""
    return kind if kind.startswith(f"{category}.") else f"{category}.{kind}"
