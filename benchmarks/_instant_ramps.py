"""Bridge and IBEX, answering at once.

A deposit is converted already, a payout paid as soon as it is funded; listings that span customers tell nothing new.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from benchmarks._events import CHAIN_HASH, NET, RECEIPT, person, whose_deposit

Answer = tuple[HTTPStatus, Any]
NOTHING: Final[Answer] = (HTTPStatus.OK, {"count": 0, "data": []})
NOT_FOUND: Final[Answer] = (HTTPStatus.NOT_FOUND, {"code": "not_found", "message": "not found"})
_USDT: Final = 29
_CAME_IN: Final = 9  # the type of a stablecoin's transaction


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Ramps:
    """What was made there. `sends` counts by address, `transfers` by the caller's reference."""

    began: str = field(default_factory=_now)
    by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    transfer: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)  # the transfer that waits at an address
    infos: dict[str, str] = field(default_factory=dict)  # where to send, by the note of it
    came: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # transactions, by account
    hashes: dict[str, str] = field(default_factory=dict)  # on the chain, by transaction
    transfers: Counter[str] = field(default_factory=Counter)
    sends: Counter[str] = field(default_factory=Counter)

    def bridge(self, method: str, path: list[str], query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request below /v0."""
        match method, path:
            case "GET", ["customers", _, "virtual_accounts", _, "history"]:
                return self._history(parse_qs(query))
            case "GET", ["customers", customer]:
                standing = {"status": "active", "has_accepted_terms_of_service": True, "rejection_reasons": []}
                return HTTPStatus.OK, {"id": customer, **standing}
            case "POST", ["transfers"]:
                return self._order(headers.get("idempotency-key", ""), json.loads(body))
            case "GET", ["transfers", one]:
                return (HTTPStatus.OK, self.transfer[one]) if one in self.transfer else NOT_FOUND
            case "GET", _:
                return NOTHING
            case _:
                return NOT_FOUND

    def ibex(self, method: str, path: list[str], query: str, body: bytes) -> Answer | None:
        """One request to IBEX; None: it is none."""
        match method, path:
            case "POST", ["oauth", "token"]:
                return HTTPStatus.OK, {"access_token": "token", "expires_in": 86_400}
            case "GET", ["v2", "transaction", "account", account, "all"]:
                shown = list(self.came.get(account, {}).values()) if parse_qs(query)["page"][0] in {"0", "1"} else []
                return HTTPStatus.OK, shown
            case "GET", ["v2", "transaction", one, "details"]:
                return HTTPStatus.OK, {"networkId": self.hashes.get(one)}
            case "GET", ["v2", "transaction", one]:
                if one.startswith(RECEIPT):  # asked for before the deposit's own history was
                    deposit = one.removeprefix(RECEIPT)
                    self._arrive(person(whose_deposit(deposit)).account, deposit)
                found = next((shown[one] for shown in self.came.values() if one in shown), None)
                return NOT_FOUND if found is None else (HTTPStatus.OK, found)
            case "GET", ["v2", "account"]:
                return HTTPStatus.OK, []
            case "GET", ["crypto", "send", "requirements"]:
                return HTTPStatus.OK, {"requirementsId": "req_1", "currencyId": _USDT}
            case "POST", ["crypto", "send", "infos"]:
                name = f"csi_{len(self.infos)}"
                self.infos[name] = json.loads(body)["data"]["address"]
                return HTTPStatus.CREATED, {"id": name}
            case "POST", ["accounts", account, "crypto", "send"]:
                return self._send(account, json.loads(body))
            case _:
                return None

    def _history(self, asked: Mapping[str, list[str]]) -> Answer:
        """A deposit's three stages, on the first page; its tokens are at IBEX from then on."""
        deposit = asked.get("deposit_id", [""])[0]
        if not deposit or "starting_after" in asked:
            return NOTHING
        who = person(whose_deposit(deposit))
        self._arrive(who.account, deposit)
        gross = {"amount": "250.00", "currency": "usd"}
        net = {
            "amount": NET,
            "currency": "usdt",
            "developer_fee_amount": "1.25",
            "destination_tx_hash": CHAIN_HASH + deposit,
        }
        rows = [
            {
                "id": f"{deposit}-{stage}",
                "type": stage,
                "customer_id": who.customer,
                "virtual_account_id": who.virtual_account,
                "deposit_id": deposit,
                "created_at": self.began,
                "source": {"payment_rail": "ach"},
                **shown,
            }
            for stage, shown in (("payment_processed", net), ("payment_submitted", gross), ("funds_received", gross))
        ]
        return HTTPStatus.OK, {"count": len(rows), "data": rows}

    def _arrive(self, account: str, deposit: str) -> None:
        one = f"{RECEIPT}{deposit}"
        self.hashes[one] = CHAIN_HASH + deposit
        self.came.setdefault(account, {}).setdefault(one, self._transaction(one, account, float(NET), kind=_CAME_IN))

    def _order(self, key: str, order: Mapping[str, Any]) -> Answer:
        known = self.by_key.get(key)
        if known is not None:
            return HTTPStatus.OK, known
        number = len(self.transfer)
        address = f"0x{number:040x}"
        made = {
            "id": f"transfer_{number}",
            "client_reference_id": order["client_reference_id"],
            "state": "awaiting_funds",
            "on_behalf_of": order["on_behalf_of"],
            "amount": order["amount"],
            "source": order["source"],
            "destination": order["destination"],
            "source_deposit_instructions": {**order["source"], "to_address": address},
            "created_at": _now(),
            "updated_at": _now(),
        }
        self.by_key[key] = self.transfer[made["id"]] = made
        self.waiting[address] = made["id"]
        self.transfers[order["client_reference_id"]] += 1
        return HTTPStatus.CREATED, made

    def _send(self, account: str, order: Mapping[str, Any]) -> Answer:
        """The tokens are at Bridge at once, and the dollars at the bank."""
        address = self.infos[order["cryptoSendInfosId"]]
        self.sends[address] += 1
        paid = self.transfer[self.waiting[address]]
        paid["state"] = "payment_processed"
        paid["receipt"] = {"final_amount": paid["amount"], "source_tx_hash": f"{CHAIN_HASH}{address}"}
        one = f"tx_{paid['id']}"
        sent = self._transaction(one, account, order["amount"], kind=None)
        self.came.setdefault(account, {})[one] = sent
        return HTTPStatus.OK, {"transaction": sent}

    def _transaction(self, one: str, account: str, amount: float, *, kind: int | None) -> dict[str, Any]:
        shown = {"id": one, "accountId": account, "createdAt": _now(), "settledAt": _now(), "currencyId": _USDT}
        return {
            **shown,
            "amount": amount,
            "status": "completed",
            **({} if kind is None else {"transactionTypeId": kind}),
        }
