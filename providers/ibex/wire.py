"""IBEX's JSON and our words for it.

Sources: the API description in ibex-client 2.2.0, "Transaction"; lnflash/flash, its crypto calls; both read 2026-11.
"""

import json
import re
from datetime import datetime
from typing import Any, Final

from funding.chain_addresses import ETHEREUM, TRON, NoAddress, normal
from funding.money import Money, NotMoney
from funding.ports.ibex import SendOrder, SentTokens, TokenStatus, TokenTransaction
from providers.fields import Fields, WrongShape, is_id, parse_json
from providers.ibex import exact

CURRENCIES: Final = {"USDT": 29, "USDC": 30}
INSUFFICIENT: Final = "insufficient_balance"
_ASSETS: Final = {number: asset for asset, number in CURRENCIES.items()}
_IN: Final = frozenset({1, 7, 9})  # Lightning, bitcoin, stablecoin; a stablecoin's way out has no documented type
_OUT: Final = frozenset({2, 4})
_UNSET: Final = "0001-01-01"  # Go's zero time: no time at all
_STATUSES: Final = {"completed": TokenStatus.COMPLETED, "failed": TokenStatus.FAILED, "pending": TokenStatus.PENDING}
_REFUSALS: Final = {"insufficient balance": INSUFFICIENT, "payment already prepared": "payment_already_prepared"}
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STORABLE: Final = re.compile(r"[!-~]{1,200}")


def load_transaction(value: Any) -> TokenTransaction:
    """A transaction of a token account, without its chain hash. Without a status it waits.

    Raises: WrongShape, also for other money.
    """
    fields = Fields(value)
    asset = _ASSETS.get(_currency(fields))
    if asset is None:
        raise fields.wrong("currencyId", "is of no token we know")
    raw_status = fields.maybe_text("status") or ""  # the listing's own example shows none
    amount, raw_amount = exact.money(fields, "amount", asset=asset)
    created = moment(fields, "createdAt")
    if created is None:
        raise fields.wrong("createdAt", "is not set")
    return TokenTransaction(
        id=fields.id("id"),
        account=fields.id("accountId"),
        incoming=_incoming(exact.whole(fields, "transactionTypeId")),
        status=_STATUSES.get(raw_status.lower(), TokenStatus.UNKNOWN),
        raw_status=raw_status,
        amount=amount,
        raw_amount=raw_amount,
        address=_address(fields),
        chain_hash=None,
        created_at=created,
        settled_at=moment(fields, "settledAt"),
    )


def load_chain_hash(value: Any) -> str | None:
    """The hash in a transaction's details, None while there is none. Raises: WrongShape."""
    fields = Fields(value)
    found = fields.maybe_text("networkId")
    if found is not None and not _STORABLE.fullmatch(found):
        raise fields.wrong("networkId", "is no hash")
    return found


def moment(fields: Fields, name: str) -> datetime | None:
    """A moment; None for null, for 0 and for the zero time. Raises: WrongShape."""
    value = fields.raw(name)
    if isinstance(value, str) and value.startswith(_UNSET):
        return None
    if value == exact.Number("0"):
        return None
    return fields.maybe_time(name)


def load_list(value: Any) -> list[TokenTransaction]:
    """A page of transactions. Raises: WrongShape."""
    return [load_transaction(row) for row in rows_of(value)]


def rows_of(value: Any) -> list[Any]:
    """The rows of a page: a bare list, or `{transactions}`; an empty one may be null. Raises: WrongShape."""
    rows = Fields(value).rows("transactions") if isinstance(value, dict) else value
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise WrongShape("the body must be a list of transactions")
    return rows


def load_accounts(value: Any) -> dict[str, Money | None]:
    """A page of accounts by id, each with what it holds; None: other money. Raises: WrongShape."""
    if not isinstance(value, list | None):
        raise WrongShape("the body must be a list of accounts")
    found: dict[str, Money | None] = {}
    for row in value or []:
        fields = Fields(row)
        asset = _ASSETS.get(_currency(fields))
        found[fields.id("id")] = exact.money(fields, "balance", asset=asset)[0] if asset else None
    return found


def dump_send(order: SendOrder) -> str:
    """An order as text, always the same for the same order. Raises: ValueError: it cannot be sent by IBEX."""
    if order.amount.asset not in CURRENCIES or order.amount.minor <= 0:
        raise ValueError("IBEX sends USDT or USDC, more than none")
    if not is_id(order.account):
        raise ValueError("not an account's id")
    if order.network.lower() not in {ETHEREUM, TRON}:
        raise ValueError("not a network of IBEX's")
    try:
        normal(order.network, order.address)
    except NoAddress as error:
        raise ValueError(str(error)) from None
    body = {
        "account": order.account,
        "network": order.network.lower(),
        "address": order.address,
        "amount": order.amount.text(),
        "asset": order.amount.asset,
        "name": order.name,
    }
    return json.dumps(body, separators=(",", ":"))


def load_send(request: str) -> SendOrder:
    """The order again, out of what `dump_send` made. Raises: WrongShape."""
    fields = Fields(parse_json(request))
    try:
        amount = Money.parse(fields.text("amount"), fields.text("asset"))
    except NotMoney as error:
        raise fields.wrong("amount", f"is no amount: {error}") from None
    return SendOrder(
        account=fields.id("account"),
        address=fields.text("address"),
        network=fields.text("network"),
        amount=amount,
        name=fields.text("name"),
    )


def load_requirements(value: Any, order: SendOrder) -> str:
    """The id of the requirements. Raises: WrongShape, also when they are of another token."""
    fields = Fields(value)
    if exact.whole(fields, "currencyId") not in {None, CURRENCIES[order.amount.asset]}:
        raise fields.wrong("currencyId", "is not the one asked for")
    return fields.id("requirementsId")


def dump_info(order: SendOrder, requirements: str) -> str:
    """The body that has IBEX keep where to send."""
    body = {"name": order.name, "requirementsId": requirements, "data": {"address": order.address}}
    return json.dumps(body, separators=(",", ":"))


def load_info(value: Any, order: SendOrder) -> str:
    """The id of what IBEX keeps. Raises: WrongShape, also when it is on another network."""
    fields = Fields(value)
    if (fields.maybe_text("network") or order.network).lower() != order.network.lower():
        raise fields.wrong("network", "is not the one asked for")
    return fields.id("id")


def dump_money_out(order: SendOrder, info: str) -> str:
    """The body that moves the money: a number in whole tokens, each of its places written."""
    return f'{{"cryptoSendInfosId":{json.dumps(info)},"amount":{order.amount.text()}}}'


def load_sent(value: Any) -> SentTokens:
    """What an accepted send says of itself. A part that cannot be read counts as not there: the money is on its way."""
    parts = value if isinstance(value, dict) else {}
    hub = _part(parts, "transactionHub")
    hashes = (
        _part(parts, "cryptoTransaction").get("networkTxId"),
        *(hub.get(name) for name in ("txHash", "transactionHash", "hash")),
    )
    made = _part(parts, "transaction").get("id")
    return SentTokens(
        transaction_id=made if isinstance(made, str) and is_id(made) else None,
        chain_hash=next((one for one in hashes if isinstance(one, str) and _STORABLE.fullmatch(one)), None),
    )


def problem(body: bytes) -> tuple[str | None, str | None]:
    """A code and a text of an error: IBEX has only texts, in `error`, `message` or bare, and some name our accounts."""
    text = _text_of(body)
    code = next((code for said, code in _REFUSALS.items() if said in text.lower()), None)
    return code, _UUID.sub("[id]", text) or None


def _text_of(body: bytes) -> str:
    try:
        found = exact.parse(body)
    except WrongShape:
        return body[:2000].decode("utf-8", "replace")
    if isinstance(found, dict):
        found = next((found[name] for name in ("error", "message") if isinstance(found.get(name), str)), None)
    return found if isinstance(found, str) else ""


def _currency(fields: Fields) -> int:
    found = exact.whole(fields, "currencyId", "currencyID")
    if found is None:
        raise fields.wrong("currencyId", "is missing")
    return found


def _incoming(kind: int | None) -> bool | None:
    return True if kind in _IN else False if kind in _OUT else None


def _address(fields: Fields) -> str | None:
    """Where IBEX shows it at all: beside the amount or under `metadata`."""
    found = fields.maybe_text("address")
    metadata = fields.raw("metadata")
    if found is None and isinstance(metadata, dict):
        found = Fields(metadata, "metadata.").maybe_text("address")
    return found


def _part(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
