"""Bridge's JSON and our words for it.

Source: Bridge API docs, "Virtual account activity", "Transfers", "Transfer features" and "Customers", read 2026-11.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from funding.money import Money
from funding.ports.bridge import (
    BankDeposit,
    BridgeCustomer,
    DepositStage,
    Payout,
    PayoutOrder,
    Stage,
)
from providers.bridge.words import customer_status_of, stage_of, state_of
from providers.fields import Fields, WrongShape, objects

_TOKENS: Final = frozenset({"USDT", "USDC"})
# On the way an amount is an estimate, or dollars less a fee with parts of a cent: nothing is booked from it.
_ESTIMATES: Final = frozenset({Stage.FUNDS_SCHEDULED, Stage.PAYMENT_SUBMITTED})


def dump_payout(order: PayoutOrder) -> str:
    """The body of POST /transfers, always the same bytes for the same order.

    Raises: ValueError: no tokens that we pay out, or none of them.
    """
    if order.amount.asset not in _TOKENS or order.amount.minor <= 0:
        raise ValueError("a payout takes tokens, more than none")
    body: dict[str, Any] = {
        "amount": _plain(order.amount),
        "on_behalf_of": order.customer,
        "client_reference_id": order.reference,
        "source": {"payment_rail": order.network, "currency": order.amount.asset.lower()},
        "destination": {"payment_rail": "ach", "currency": "usd", "external_account_id": order.external_account},
        # Without it Bridge wants to know the address that pays, and a wallet kept by another company has no fixed one.
        "features": {"allow_any_from_address": True},
    }
    if order.return_to is not None:
        body["return_instructions"] = {"address": order.return_to}
    return json.dumps(body, separators=(",", ":"))


def load_payout(value: Any) -> Payout:
    """A transfer from tokens to a bank.

    Its amount counts in the source's currency, whatever the `currency` beside it says, which is another one's.
    Raises: WrongShape.
    """
    fields = Fields(value)
    source, receipt = fields.child("source"), fields.maybe_child("receipt") or Fields({})
    asset, bank_asset = _asset(source), _asset(fields.child("destination"))
    raw_state = fields.text("state")
    created_at = fields.time("created_at")
    fee = _cut(receipt, "developer_fee", asset=asset)
    return Payout(
        id=fields.id("id"),
        reference=fields.maybe_text("client_reference_id"),
        state=state_of(raw_state),
        raw_state=raw_state,
        customer=fields.id("on_behalf_of"),
        amount=fields.money("amount", asset=asset),
        sent_on=_cut(receipt, "final_amount", asset=bank_asset),
        developer_fee=_cut(fields, "developer_fee", asset=asset) if fee is None else fee,
        pay_to=_pay_to(fields, source),
        chain_hash=receipt.maybe_text("source_tx_hash"),
        created_at=created_at,
        updated_at=fields.maybe_time("updated_at") or created_at,
    )


def load_deposit(
    deposit_id: str, rows: Iterable[dict[str, Any]], *, customer: str, virtual_account: str
) -> BankDeposit | None:
    """What a virtual account's history, newest first, shows of one deposit; None: nothing.

    Rows of other deposits are left out, for whether the history is asked for one of them is not sure to be heeded.
    Raises: WrongShape: a row of the deposit that cannot be read, or is of another customer or account.
    """
    told = [Fields(row) for row in rows if row.get("deposit_id") == deposit_id]
    for row in told:
        if row.id("customer_id") != customer:
            raise row.wrong("customer_id", "is another customer")
        if row.id("virtual_account_id") != virtual_account:
            raise row.wrong("virtual_account_id", "is another virtual account")
    if not told:
        return None
    # Stages of the same millisecond stay in the listing's order.
    stages = sorted(map(_stage, reversed(told)), key=lambda stage: stage.at)
    return BankDeposit(
        id=deposit_id,
        customer=customer,
        virtual_account=virtual_account,
        rail=next((rail for rail in map(_rail, told) if rail is not None), None),
        stages=tuple(stages),
    )


def load_customer(value: Any) -> BridgeCustomer:
    """A customer; the first seed's calls its status `kyc_status`. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("status", "kyc_status")
    return BridgeCustomer(
        id=fields.id("id"),
        status=customer_status_of(raw_status),
        raw_status=raw_status,
        terms_accepted=fields.flag("has_accepted_terms_of_service"),
        rejections=tuple(_reason(one) for one in fields.rows("rejection_reasons")),
        told=tuple(_shareable(fields.rows("rejection_reasons"))),
    )


def load_page(value: Any) -> list[dict[str, Any]]:
    """A page of a listing: `{count, data}`, or the bare array of older documents.

    Raises: WrongShape: also for an answer without `data`, which must never pass for an empty page.
    """
    if not isinstance(value, list):
        fields = Fields(value)
        if not fields.has("data"):
            raise fields.wrong("data", "is missing")
        value = fields.rows("data")
    return objects(value)


def load_rows(value: Any) -> list[dict[str, Any]]:
    """As `load_page`, of rows that each have an id. Raises: WrongShape."""
    rows = load_page(value)
    for row in rows:
        Fields(row).id("id")
    return rows


def money_of(row: Fields) -> Money:
    """The exact amount of a row, in the row's own currency. Raises: WrongShape."""
    return row.money("amount", asset=_asset(row))


def _stage(row: Fields) -> DepositStage:
    raw_stage, asset = row.text("type"), _asset(row)
    stage = stage_of(raw_stage)
    return DepositStage(
        id=row.id("id"),
        stage=stage,
        raw_stage=raw_stage,
        amount=row.money_floor("amount", asset=asset)[0] if stage in _ESTIMATES else money_of(row),
        developer_fee=_cut(row, "developer_fee_amount", asset=asset),
        exchange_fee=_cut(row, "exchange_fee_amount", asset=asset),
        gas_fee=_cut(row, "gas_fee", asset=asset),
        chain_hash=row.maybe_text("destination_tx_hash"),
        at=row.time("created_at"),
    )


def _rail(row: Fields) -> str | None:
    source = row.maybe_child("source")
    return None if source is None else source.maybe_text("payment_rail")


def _pay_to(fields: Fields, source: Fields) -> str | None:
    """Where Bridge waits for our tokens. What is sent to it by another chain, or without a memo it wants, is lost."""
    told = fields.maybe_child("source_deposit_instructions")
    if told is None or not told.has("to_address"):
        return None
    for name in ("payment_rail", "currency"):
        if told.text(name).lower() != source.text(name).lower():
            raise told.wrong(name, "is not the source's")
    if told.has("blockchain_memo"):
        raise told.wrong("blockchain_memo", "is wanted, and our tokens carry none")
    return told.text("to_address")


def _asset(side: Fields) -> str:
    return side.text("currency").upper()


def _cut(fields: Fields, name: str, *, asset: str) -> Money | None:
    """An amount rounded down to the asset's scale; None when it is not shown."""
    return fields.money_floor(name, asset=asset)[0] if fields.has(name) else None


def _reason(value: Any) -> str:
    """Why a customer was rejected: text on a KYC link, an object on a customer."""
    said = value if isinstance(value, str) else Fields(value, "rejection_reasons.").text("developer_reason", "reason")
    if not said:
        raise WrongShape("rejection_reasons must not be empty")
    return said


def _shareable(reasons: Iterable[Any]) -> Iterator[str]:
    """What Bridge lets the customer be told: never the reason meant for developers."""
    for one in reasons:
        said = one if isinstance(one, str) else Fields(one, "rejection_reasons.").maybe_text("reason")
        if said:
            yield said


def _plain(amount: Money) -> str:
    """An amount with the places it needs, two at least: "250.00"."""
    whole, _, places = amount.text().partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
