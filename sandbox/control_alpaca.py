"""Control of Alpaca: accounts, cash, refusals, and an operator's hand on each journal."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox import amounts
from sandbox.http import Routes, json_body, reply


class AlpacaControl(Routes):
    """What only Alpaca's own staff, or its banks, could do."""

    table: ClassVar = (
        ("POST", "/_control/alpaca/accounts", "add_account"),
        ("GET", "/_control/alpaca/accounts", "list_accounts"),
        ("POST", "/_control/alpaca/accounts/<account_id>/cash", "add_cash"),
        ("POST", "/_control/alpaca/accounts/<account_id>/refuse", "refuse"),
        ("GET", "/_control/alpaca/journals", "list_journals"),
        ("POST", "/_control/alpaca/journals/<journal_id>", "force"),
        ("PUT", "/_control/alpaca/limits", "set_limits"),
    )

    def _account(self, account_id: str) -> dict[str, Any]:
        account = self.world.alpaca.ledger.account(account_id)
        return {**self.world.alpaca.ledger.view(account), "refuses": account.refuses}

    def add_account(self) -> Response:
        """A brokerage account: `{id?, number?, cash?, multiplier?}`."""
        return reply(self._account(self.world.alpaca.add_account(**json_body())), 201)

    def list_accounts(self) -> Response:
        """Every account, the firm's first."""
        return reply([self._account(account_id) for account_id in self.world.alpaca.accounts])

    def add_cash(self, account_id: str) -> Response:
        """Cash from outside, `{amount, description?}`; a negative amount goes back out. `firm` names the firm."""
        wanted = self.world.alpaca.firm_account_id if account_id == "firm" else account_id
        self.world.alpaca.add_cash(wanted, **json_body())
        return reply(self._account(wanted))

    def refuse(self, account_id: str) -> Response:
        """Compliance, `{on?, mode?}`; modes: forbidden (403), refused, rejected, canceled, deleted."""
        self.world.alpaca.refuse_account(account_id, **json_body())
        return reply(self._account(account_id))

    def list_journals(self) -> Response:
        """Every journal with its key and what it replaces, newest first."""
        return reply(
            [
                {**journal.as_json(), "idempotency_key": journal.key, "replaces": journal.replaces}
                for journal in reversed(self.world.alpaca.journals.by_id.values())
            ]
        )

    def force(self, journal_id: str) -> Response:
        """Settle an open journal or correct an executed one: `{status, amount?}`."""
        body = json_body()
        amount = amounts.parse(body["amount"]) if "amount" in body else None
        journal = self.world.alpaca.journals.force(journal_id, str(body.get("status")), amount)
        return reply({**journal.as_json(), "replaces": journal.replaces})

    def set_limits(self) -> Response:
        """The amounts above which a journal waits for a person: `{single?, daily?}`."""
        body, journals = json_body(), self.world.alpaca.journals
        journals.single_limit = amounts.parse(body.get("single", journals.single_limit))
        journals.daily_limit = amounts.parse(body.get("daily", journals.daily_limit))
        return reply({"single": str(journals.single_limit), "daily": str(journals.daily_limit)})
