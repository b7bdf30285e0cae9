"""The entries of an on-ramp: received, converted, credited; and what undoes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from funding.ledger import accounts
from funding.ledger.due_deposit import owed_to
from funding.ledger.entries import Entry, credit, debit, entry, reversal
from funding.money import Money

RECEIVED: Final = "received"
CONVERTED: Final = "converted"
CREDITED: Final = "credited"
OWNER_FOUND: Final = "owner_found"
UNCONVERTED: Final = "unconverted"
REFUNDED: Final = "refunded"
TEST_PAYMENT: Final = "test_payment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What Bridge made of a deposit: `net` left for the chain, `fees` it kept, `markup` it keeps for us.

    Fees and markup are of the asset that left.
    """

    came: Money
    net: Money
    fees: Money
    markup: Money


def received(deposit_id: str, amount: Money, customer: str | None, at: datetime | None) -> Entry:
    """Bridge has the customer's dollars."""
    return entry(
        _cause(deposit_id),
        RECEIVED,
        debit(accounts.clearing("bridge", amount.asset), amount),
        credit(owed_to(customer, amount.asset), amount),
        effective_at=at,
    )


def converted(deposit_id: str, made: Conversion, customer: str | None, at: datetime | None) -> Entry:
    """Bridge sent tokens on. Its fees and our markup are named on both sides: kept there, borne by the customer."""
    came, net, token = made.came, made.net, made.net.asset
    whole = Money(net.minor + made.fees.minor + made.markup.minor, token)
    return entry(
        _cause(deposit_id),
        CONVERTED,
        credit(accounts.clearing("bridge", came.asset), came),
        debit(accounts.exchange(came.asset), came),
        credit(accounts.exchange(token), whole),
        debit(accounts.on_chain(token), net),
        debit(accounts.fees_paid("bridge", token), made.fees),
        debit(accounts.markup_kept("bridge", token), made.markup),
        debit(owed_to(customer, came.asset), came),
        credit(accounts.exchange(came.asset), came),
        debit(accounts.exchange(token), whole),
        credit(owed_to(customer, token), net),
        credit(accounts.fees_passed_on("bridge", token), made.fees),
        credit(accounts.markup("bridge", token), made.markup),
        effective_at=at,
    )


def credited(transaction_id: str, amount: Money, customer: str, at: datetime | None) -> Entry:
    """The tokens are at IBEX, in the customer's wallet."""
    return entry(
        f"ibex/transaction/{transaction_id}",
        CREDITED,
        credit(accounts.on_chain(amount.asset), amount),
        debit(accounts.clearing("ibex", amount.asset), amount),
        debit(accounts.deposit(customer, amount.asset), amount),
        credit(accounts.wallet(customer, amount.asset), amount),
        effective_at=at,
    )


def owner_found(deposit_id: str, customer: str, held: Money) -> Entry:
    """The money in suspense has an owner now."""
    return entry(
        _cause(deposit_id),
        OWNER_FOUND,
        debit(accounts.suspense(held.asset), held),
        credit(accounts.deposit(customer, held.asset), held),
    )


def unconverted(deposit_id: str, made: Conversion, customer: str | None, at: datetime | None) -> Entry:
    """Bridge took back what it had said: no tokens left, it has the dollars."""
    conversion = converted(deposit_id, made, customer, None)
    return reversal(conversion, cause=_cause(deposit_id), purpose=UNCONVERTED, effective_at=at)


def given_back(
    deposit_id: str, amount: Money, customer: str | None, at: datetime | None, *, purpose: str = REFUNDED
) -> Entry:
    """Bridge has the dollars no more, and the customer has no claim to them: what was received is reversed."""
    return reversal(
        received(deposit_id, amount, customer, None), cause=_cause(deposit_id), purpose=purpose, effective_at=at
    )


def _cause(deposit_id: str) -> str:
    return f"bridge/deposit/{deposit_id}"
