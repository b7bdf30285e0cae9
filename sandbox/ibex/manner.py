"""How Ibex's webhooks look and what is wrong with them: doubts and misbehaviour, chosen by config or control."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, Self

from sandbox import amounts
from sandbox.ibex import views
from sandbox.ibex.config import IbexConfig
from sandbox.ibex.model import Transaction

_CHOICES: Final[dict[str, frozenset[str]]] = {
    "shapes": frozenset({"account", "flat", "envelope"}),
    "secret_in": frozenset({"usual", "secret", "webhookSecret", "data", "header"}),
    "secret_as": frozenset({"right", "wrong", "other_case", "empty", "null", "number", "missing"}),
    "address": frozenset({"present", "missing", "metadata", "upper"}),
    "unit": frozenset({"whole", "smallest"}),
}
_USUAL: Final = {"account": "secret", "flat": "webhookSecret", "envelope": "header"}
_HEADER: Final = "X-Webhook-Secret"


@dataclass(frozen=True)
class Manner:
    """The choices of `ibex_webhook_...`, by the end of their names."""

    shapes: tuple[str, ...]
    secret_in: str
    secret_as: str
    address: str
    unit: str
    statuses: tuple[str, ...]
    silent: bool
    sends: bool

    @classmethod
    def of(cls, config: IbexConfig) -> Self:
        """As configured. Raises: ValueError."""
        return cls(**{field.name: getattr(config, f"ibex_webhook_{field.name}") for field in fields(cls)})

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if wrong := set(value if isinstance(value, tuple) else (value,)) - choices:
                raise ValueError(f"unknown {name} {sorted(wrong)}; known: {', '.join(sorted(choices))}")

    def changed(self, changes: dict[str, Any]) -> Self:
        """The same but for these. Raises: TypeError, ValueError: no such choice."""
        chosen: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in changes.items()}
        return replace(self, **chosen)

    def body(self, shape: str, one: Transaction, config: IbexConfig) -> dict[str, Any]:
        """The body in this shape, still without the secret."""
        if shape == "account":
            return {"transaction": self._account_transaction(one, config)}
        amount = self._amount(one.amount)
        flat = {
            "tx_hash": one.hash,
            "address": self._spelled(one.address),
            "amount": str(amount) if isinstance(amount, int) else amounts.plain(amount),
            "currency": one.option.name,
            "network": one.option.network,
        }
        if shape == "flat":
            return flat
        return {"event": "crypto.received", "data": {**flat, "account_id": one.account_id}}

    def with_secret(self, shape: str, body: dict[str, Any], secret: str) -> tuple[dict[str, Any], dict[str, str]]:
        """The body and the headers, one of them with the secret as it is echoed."""
        if self.secret_as == "missing":  # noqa: S105 - one of the manners
            return body, {}
        echoed = self._echoed(secret)
        place = _USUAL[shape] if self.secret_in == "usual" else self.secret_in  # noqa: S105 - the same
        if place == "header":
            return body, {} if echoed is None else {_HEADER: str(echoed)}
        if place == "data":
            return {**body, "data": {**body.get("data", {}), "webhookSecret": echoed}}, {}
        return {**body, place: echoed}, {}

    def _account_transaction(self, one: Transaction, config: IbexConfig) -> dict[str, Any]:
        shown = {**views.transaction(one, config), "amount": self._amount(one.amount)}
        address = {"address": self._spelled(one.address)}
        if self.address == "metadata":
            return {**shown, "metadata": address}
        return shown if self.address == "missing" else {**shown, **address}

    def _amount(self, amount: Decimal) -> Decimal | int:
        return views.smallest(amount) if self.unit == "smallest" else amount

    def _spelled(self, address: str) -> str:
        return f"0x{address[2:].upper()}" if self.address == "upper" and address.startswith("0x") else address

    def _echoed(self, secret: str) -> str | int | None:
        odd: dict[str, str | int | None] = {
            "wrong": f"{secret[:-1]}{'3' if secret[-1:] != '3' else '4'}",
            "other_case": secret.swapcase(),
            "empty": "",
            "null": None,
            "number": 1,
        }
        return odd.get(self.secret_as, secret)
