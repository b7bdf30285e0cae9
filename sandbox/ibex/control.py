"""Control of Ibex: money from the chain, a hand on each transaction, the manner of its webhooks."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox.http import Routes, json_body
from sandbox.ibex import views
from sandbox.ibex.answers import answer
from sandbox.ibex.model import Transaction


class IbexControl(Routes):
    """What only Ibex's own staff, or the world outside, could do. Bodies are the arguments of `IbexState`'s methods."""

    table: ClassVar = (
        ("POST", "/_control/ibex/accounts", "add_account"),
        ("GET", "/_control/ibex/accounts", "list_accounts"),
        ("POST", "/_control/ibex/accounts/<account_id>/balance", "add_balance"),
        ("POST", "/_control/ibex/receive_infos", "add_receive_info"),
        ("POST", "/_control/ibex/deposits", "deposit"),
        ("GET", "/_control/ibex/transactions", "list_transactions"),
        ("POST", "/_control/ibex/transactions/<transaction_id>", "move"),
        ("POST", "/_control/ibex/transactions/<transaction_id>/announce", "announce"),
        ("POST", "/_control/ibex/sends", "decide_sends"),
        ("PUT", "/_control/ibex/webhooks", "set_webhooks"),
        ("PUT", "/_control/ibex/crypto", "set_crypto"),
        ("POST", "/_control/ibex/tokens/expire", "expire_tokens"),
        ("PUT", "/_control/ibex/logins", "block"),
    )

    def add_account(self) -> Response:
        """An account: `{name?, currency_id?, balance?, id?}`."""
        account = self.world.ibex.account(self.world.ibex.add_account(**json_body()))
        return answer(views.account(account, account.balance), 201)

    def list_accounts(self) -> Response:
        """Every account, the first of the start first."""
        return answer([views.account(one, one.balance) for one in self.world.ibex.accounts.values()])

    def add_balance(self, account_id: str) -> Response:
        """Money that no transaction tells of: `{amount}`."""
        self.world.ibex.add_balance(account_id, **json_body())
        account = self.world.ibex.account(account_id)
        return answer(views.account(account, account.balance))

    def add_receive_info(self) -> Response:
        """An address: `{account_id?, network?, name?}`."""
        return answer(views.flat_receive_info(self.world.ibex.add_receive_info(**json_body())), 201)

    def deposit(self) -> Response:
        """Tokens arrive: `{address, amount?, tx_hash?, settle_seconds?, becomes?}`.

        Or one chain transaction for several addresses, `{payments: [{address, amount}, ...], settle_seconds?, ...}`.
        """
        body = json_body()
        if "payments" not in body:
            return answer(self._one(self.world.ibex.transaction(self.world.ibex.deposit(**body))), 201)
        payments = body.pop("payments")
        shared = {"tx_hash": self.world.ids.chain_hash(), **body}
        made = [self.world.ibex.deposit(**{**shared, **payment}) for payment in payments]
        return answer([self._one(self.world.ibex.transaction(one)) for one in made], 201)

    def list_transactions(self) -> Response:
        """Every transaction with what only the sandbox knows, newest first."""
        return answer([self._one(one) for one in reversed(self.world.ibex.transactions.values())])

    def _one(self, one: Transaction) -> dict[str, Any]:
        hidden = {"address": one.address, "network": one.option.network, "hash": one.hash, "toCome": one.coming_status}
        return {**views.transaction(one, self.world.config), **hidden}

    def move(self, transaction_id: str) -> Response:
        """Give it a status now: `{status}`, any word at all."""
        self.world.ibex.move(transaction_id, **json_body())
        return answer(self._one(self.world.ibex.transaction(transaction_id)))

    def announce(self, transaction_id: str) -> Response:
        """Tell of it again, with `{shapes?, secret_in?, secret_as?, address?, unit?}` for this once."""
        return answer({"told": self.world.ibex.announce(transaction_id, **json_body())})

    def decide_sends(self) -> Response:
        """What becomes of the next sends: `{outcomes: [...]}`."""
        self.world.ibex.decide_sends(**json_body())
        return answer({"outcomes": list(self.world.ibex.send_outcomes)})

    def set_webhooks(self) -> Response:
        """The manner of webhooks from now on.

        `{shapes?, secret_in?, secret_as?, address?, unit?, statuses?, silent?, sends?}`.
        """
        self.world.ibex.set_webhooks(**json_body())
        return answer({})

    def set_crypto(self) -> Response:
        """The organisation has the crypto feature, or not: `{on}`."""
        self.world.ibex.crypto_on = bool(json_body()["on"])
        return answer({})

    def expire_tokens(self) -> Response:
        """Every access token is too old from now on; `{refresh: true}`: those tokens too."""
        self.world.ibex.tokens.expire(**json_body())
        return answer({})

    def block(self) -> Response:
        """Block a login or open it again: `{email, on?}`."""
        self.world.ibex.tokens.block(**json_body())
        return answer({})
