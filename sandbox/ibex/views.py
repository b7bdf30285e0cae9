"""Ibex's objects as its API shows them; a Decimal becomes a JSON number with all its digits."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sandbox import amounts
from sandbox.ibex.config import IbexConfig
from sandbox.ibex.model import Account, Option, ReceiveInfo, Transaction
from sandbox.times import rfc3339

_UNSET: Final[dict[str, Any]] = {"zero": "0001-01-01T00:00:00Z", "number": 0, "null": None}
_SMALLEST = 6  # places of every stablecoin here


def dump(value: Any) -> str:
    """JSON text in which decimals are numbers, exact: a float would lose the eleventh place."""
    if isinstance(value, Decimal):
        return amounts.plain(value, 1)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def smallest(amount: Decimal) -> int:
    """Whole millionths; what is less than one is cut off."""
    return int(amount.scaleb(_SMALLEST))


def moment(at: datetime | None, config: IbexConfig) -> Any:
    """A time, or what Ibex writes where there is none."""
    return _UNSET[config.ibex_unset_time] if at is None else rfc3339(at, 6)


def account(one: Account, balance: Decimal) -> dict[str, Any]:
    """An account alone; its currency is not shown."""
    return {"id": one.id, "userId": one.user_id, "name": one.name, "balance": balance}


def option(one: Option, *, with_id: bool) -> dict[str, Any]:
    """An option, with or without its id."""
    shown = {"currencyId": one.currency_id, "network": one.network, "name": one.name}
    return {"id": one.id, **shown} if with_id else shown


def receive_info(one: ReceiveInfo, config: IbexConfig) -> dict[str, Any]:
    """A receive info; the address is under `data`."""
    shown = {"id": one.id, "type": "crypto", "data": {"address": one.address}}
    return shown | (_extras(one) if config.ibex_receive_extras else {})


def flat_receive_info(one: ReceiveInfo) -> dict[str, Any]:
    """A receive info in the simpler shape: the address on top."""
    return {"id": one.id, "address": one.address, **_extras(one)}


def transaction(one: Transaction, config: IbexConfig) -> dict[str, Any]:
    """A transaction; it never says the address."""
    return {
        "id": one.id,
        "createdAt": rfc3339(one.created_at, 6),
        "settledAt": moment(one.settled_at, config),
        "accountId": one.account_id,
        "amount": one.amount,
        "networkFee": one.fee,
        "onChainSendFee": 0,
        "currencyId": one.option.currency_id,
        "transactionTypeId": one.type_id,
        "status": one.status,
    }


def sent(one: Transaction, config: IbexConfig) -> dict[str, Any]:
    """The answer to a send, with those of its parts that were chosen; a hash is there once there is one."""
    parts = {
        "transaction": transaction(one, config),
        "transactionHub": {"id": one.id, **({config.ibex_hub_hash: one.hash} if one.hash else {})},
        "cryptoTransaction": {"networkTxId": one.hash} if one.hash else {},
    }
    return {name: part for name, part in parts.items() if name in config.ibex_send_reply}


def _extras(one: ReceiveInfo) -> dict[str, Any]:
    return {
        "wallet_id": one.account_id,
        "option_id": one.option.id,
        "currency": one.option.name,
        "network": one.option.network,
        "created_at": rfc3339(one.created_at, 6),
    }
