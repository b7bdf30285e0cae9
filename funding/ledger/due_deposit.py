"""The entries of a Due deposit: received, converted, held, funded; and what undoes them."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from funding.ledger import accounts
from funding.ledger.entries import PENDING, Entry, LedgerAccount, Posting, credit, debit, entry, reversal
from funding.money import Money
from funding.ports.due import Transfer

RECEIVED: Final = "received"
CONVERTED: Final = "converted"
HELD: Final = "held"
RELEASED: Final = "released"
FUNDED: Final = "funded"
RETURNED: Final = "returned"
UNFUNDED: Final = "unfunded"
OWNER_FOUND: Final = "owner_found"


def owed_to(customer: str | None, asset: str) -> LedgerAccount:
    """The customer's deposit account, or suspense while nobody is known."""
    return accounts.deposit(customer, asset) if customer else accounts.suspense(asset)


def received(transfer_id: str, amount: Money, customer: str | None, at: datetime | None) -> Entry:
    """Due has the customer's money."""
    return entry(
        f"due/transfer/{transfer_id}",
        RECEIVED,
        debit(accounts.clearing("due", amount.asset), amount),
        credit(owed_to(customer, amount.asset), amount),
        effective_at=at,
    )


def converted(transfer: Transfer, customer: str | None, at: datetime | None) -> Entry:
    """Due sent it on as dollars. Its fees are named on both sides: kept by Due, borne by the customer."""
    came, went = transfer.source, transfer.destination
    fee_in, fee_out = transfer.source_fee, transfer.destination_fee
    net_in = Money(came.minor - fee_in.minor, came.asset)
    gross_out = Money(went.minor + fee_out.minor, went.asset)
    return entry(
        f"due/transfer/{transfer.id}",
        CONVERTED,
        credit(accounts.clearing("due", came.asset), came),
        debit(accounts.fees_paid("due", came.asset), fee_in),
        debit(accounts.exchange(came.asset), net_in),
        credit(accounts.exchange(went.asset), gross_out),
        debit(accounts.bank(went.asset), went),
        debit(accounts.fees_paid("due", went.asset), fee_out),
        debit(owed_to(customer, came.asset), came),
        credit(accounts.fees_passed_on("due", came.asset), fee_in),
        credit(accounts.exchange(came.asset), net_in),
        debit(accounts.exchange(went.asset), gross_out),
        credit(owed_to(customer, went.asset), went),
        credit(accounts.fees_passed_on("due", went.asset), fee_out),
        *_rest(transfer.destination_rest, went.asset),
        effective_at=at,
    )


def owner_found(transfer_id: str, customer: str, held: Money) -> Entry:
    """The money in suspense has an owner now."""
    return entry(
        f"due/transfer/{transfer_id}",
        OWNER_FOUND,
        debit(accounts.suspense(held.asset), held),
        credit(accounts.deposit(customer, held.asset), held),
    )


def returned(transfer_id: str, amount: Money, customer: str | None, at: datetime | None) -> Entry:
    """Due gave the money back before it was converted: what was received is reversed."""
    return reversal(
        received(transfer_id, amount, customer, None),
        cause=f"due/transfer/{transfer_id}",
        purpose=RETURNED,
        effective_at=at,
    )


def held(journal_id: str, amount: Money, customer: str) -> Entry:
    """Dollars set aside for a journal under way: pending, no longer available."""
    return entry(
        f"alpaca/journal/{journal_id}",
        HELD,
        debit(accounts.deposit(customer, amount.asset), amount, PENDING),
        credit(accounts.clearing("alpaca", amount.asset), amount, PENDING),
    )


def released(journal_id: str, amount: Money, customer: str) -> Entry:
    """The journal will not happen, or has: the hold ends."""
    return reversal(held(journal_id, amount, customer), cause=f"alpaca/journal/{journal_id}", purpose=RELEASED)


def funded(journal_id: str, amount: Money, customer: str) -> Entry:
    """The customer's brokerage account has the dollars."""
    return entry(
        f"alpaca/journal/{journal_id}",
        FUNDED,
        debit(accounts.deposit(customer, amount.asset), amount),
        credit(accounts.clearing("alpaca", amount.asset), amount),
        debit(accounts.custody("alpaca", amount.asset), amount),
        credit(accounts.brokerage(customer, amount.asset), amount),
    )


def unfunded(journal_id: str, amount: Money, customer: str) -> Entry:
    """Alpaca took a journal back that it had executed: what it funded is reversed."""
    funding = funded(journal_id, amount, customer)
    return reversal(funding, cause=f"alpaca/journal/{journal_id}", purpose=UNFUNDED)


def cash_arrived(provider: str, activity: str, amount: Money, at: datetime | None) -> Entry:
    """Cash moved on the firm's own account at a provider, from or to our bank."""
    return entry(
        f"{provider}/activity/{activity}",
        "cash",
        debit(accounts.clearing(provider, amount.asset), amount),
        credit(accounts.bank(amount.asset), amount),
        effective_at=at,
    )


def _rest(rest: Decimal, asset: str) -> tuple[Posting, ...]:
    """What rounding down to cents left, booked at six places."""
    if not rest or asset != "USD":
        return ()
    left, _ = Money.floor(rest, "USD_6")
    return (debit(accounts.bank("USD_6"), left), credit(accounts.rounding("USD_6"), left))
