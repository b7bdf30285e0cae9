"""The entries of a Bridge withdrawal: held, sent, taken, paid out; and what undoes them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from funding.ledger import accounts
from funding.ledger.entries import PENDING, Entry, credit, debit, entry, reversal
from funding.money import Money

HELD: Final = "held"
RELEASED: Final = "hold_released"
SENT: Final = "sent"
NOT_SENT: Final = "not_sent"
TAKEN: Final = "taken"
PAID: Final = "paid_out"
RETURNED: Final = "returned"
SENT_BACK: Final = "sent_back"
BACK: Final = "back_in_wallet"


def held(flow: UUID, amount: Money, customer: str) -> Entry:
    """Tokens set aside for a withdrawal that was asked for: pending, no longer available."""
    return entry(
        f"flow/{flow}",
        HELD,
        debit(accounts.wallet(customer, amount.asset), amount, PENDING),
        credit(accounts.clearing("ibex", amount.asset), amount, PENDING),
    )


def hold_released(flow: UUID, amount: Money, customer: str) -> Entry:
    """The tokens have left, or will not: the hold ends, once."""
    return reversal(held(flow, amount, customer), cause=f"flow/{flow}", purpose=RELEASED)


def sent(cause: str, amount: Money, customer: str) -> Entry:
    """IBEX sent the tokens: on the chain, and owed to the customer as a payout. `cause` names the send."""
    return entry(
        cause,
        SENT,
        debit(accounts.wallet(customer, amount.asset), amount),
        credit(accounts.payout(customer, amount.asset), amount),
        credit(accounts.clearing("ibex", amount.asset), amount),
        debit(accounts.on_chain(amount.asset), amount),
    )


def not_sent(cause: str, amount: Money, customer: str) -> Entry:
    """The send failed after IBEX had taken it on: the tokens never left."""
    return reversal(sent(cause, amount, customer), cause=cause, purpose=NOT_SENT)


def taken(transfer_id: str, amount: Money) -> Entry:
    """Bridge has the tokens."""
    return entry(
        f"bridge/transfer/{transfer_id}",
        TAKEN,
        credit(accounts.on_chain(amount.asset), amount),
        debit(accounts.clearing("bridge", amount.asset), amount),
    )


def paid_out(
    transfer_id: str, number: int, amount: Money, fee: Money, customer: str, at: datetime | None = None
) -> Entry:
    """Bridge paid the customer's bank. `fee`: our markup of it. `number`: from 1; what came back may be paid anew."""
    return entry(
        f"bridge/transfer/{transfer_id}",
        _nth(PAID, number),
        credit(accounts.clearing("bridge", amount.asset), amount),
        debit(accounts.payout(customer, amount.asset), amount),
        debit(accounts.markup_kept("bridge", fee.asset), fee),
        credit(accounts.markup("bridge", fee.asset), fee),
        effective_at=at,
    )


def returned(
    transfer_id: str, number: int, amount: Money, fee: Money, customer: str, at: datetime | None = None
) -> Entry:
    """The bank gave the payout of that number back: Bridge has the tokens again, and we owe them again."""
    original = paid_out(transfer_id, number, amount, fee, customer)
    cause = f"bridge/transfer/{transfer_id}"
    return reversal(original, cause=cause, purpose=_nth(RETURNED, number), effective_at=at)


def sent_back(transfer_id: str, amount: Money) -> Entry:
    """Bridge sent the tokens back over the chain."""
    return entry(
        f"bridge/transfer/{transfer_id}",
        SENT_BACK,
        credit(accounts.clearing("bridge", amount.asset), amount),
        debit(accounts.on_chain(amount.asset), amount),
    )


def back_in_wallet(transaction_id: str, amount: Money, customer: str, at: datetime | None = None) -> Entry:
    """The tokens are at IBEX again, the customer's to spend."""
    return entry(
        f"ibex/transaction/{transaction_id}",
        BACK,
        credit(accounts.on_chain(amount.asset), amount),
        debit(accounts.clearing("ibex", amount.asset), amount),
        debit(accounts.payout(customer, amount.asset), amount),
        credit(accounts.wallet(customer, amount.asset), amount),
        effective_at=at,
    )


def _nth(purpose: str, number: int) -> str:
    return purpose if number == 1 else f"{purpose}_{number}"
