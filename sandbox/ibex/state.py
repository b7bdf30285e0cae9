"""Everything Ibex remembers, and how a test puts things there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sandbox import amounts
from sandbox.ibex import addresses, effects
from sandbox.ibex.errors import bad, not_found
from sandbox.ibex.model import CURRENCIES, SENT, USDT, Account, Option, ReceiveInfo, SendInfo, Transaction
from sandbox.ibex.tokens import Tokens
from sandbox.ibex.transactions import TransactionLife
from sandbox.ibex.webhooks import Webhooks

if TYPE_CHECKING:
    from sandbox.chain import Movement
    from sandbox.world import World

SEND_OUTCOMES: Final = frozenset({"completed", "failed", "pending", "prepared", "unknown_made", "unknown_not_made"})


class IbexState:
    """Ibex's memory. Nothing here locks but what tests call, the world does."""

    def __init__(self, world: World) -> None:
        config = world.config
        self._world = world
        self.tokens = Tokens(world)
        self.webhooks = Webhooks(world)
        self.life = TransactionLife(world, self)
        self.crypto_on = config.ibex_crypto
        self.accounts: dict[str, Account] = {}
        self.receive_infos: dict[str, ReceiveInfo] = {}
        self.send_infos: dict[str, SendInfo] = {}
        self.transactions: dict[str, Transaction] = {}  # oldest first
        self.send_outcomes: deque[str] = deque()  # of the next sends, first to come first
        self.options = [
            Option(f"opt_{number}", f"req_{number}", currency_id, network)
            for number, (network, currency_id) in enumerate(config.ibex_options, 1)
        ]
        self._by_address: dict[str, ReceiveInfo] = {}
        self._hot_wallets: dict[str, str] = {}
        self.user_id = world.ids.uuid("ibex_user")
        self.organization_id = world.ids.uuid("ibex_user")
        self.first_account_id = self.add_account("main", balance=config.ibex_account_balance, id=config.ibex_account_id)
        world.chain.listen(self._arrived)

    def account(self, account_id: str) -> Account:
        """By id. Raises: IbexError 404, a KeyError too."""
        if account_id not in self.accounts:
            raise not_found("account")
        return self.accounts[account_id]

    def transaction(self, transaction_id: str) -> Transaction:
        """By id. Raises: IbexError 404, a KeyError too."""
        if transaction_id not in self.transactions:
            raise not_found("transaction")
        return self.transactions[transaction_id]

    def option(self, network: str, currency_id: int) -> Option | None:
        """The one for this currency on this network, in whatever case."""
        for one in self.options:
            if (one.network.casefold(), one.currency_id) == (network.casefold(), currency_id):
                return one
        return None

    def add_account(
        self,
        name: str = "acct",
        currency_id: int = USDT,
        balance: str = "0",
        id: str | None = None,  # noqa: A002 - Ibex's own word
    ) -> str:
        """An account; its id. Where webhooks are configured it has one. Raises: ValueError: no such currency."""
        with self._world.lock:
            if currency_id not in CURRENCIES:
                raise bad("unknown currency")
            account_id = id or self._world.ids.uuid("ibex_account")
            self.accounts[account_id] = Account(account_id, self.user_id, name, currency_id, amounts.parse(balance))
            if self._world.config.ibex_webhook_url is not None:
                self.webhooks.subscribe(account_id, self._world.config.ibex_webhook_url, None)
            return account_id

    def add_balance(self, account_id: str, amount: str) -> None:
        """Money by another way than a deposit; no transaction tells of it."""
        with self._world.lock:
            self.book(self.account(account_id), amounts.parse(amount))

    def add_receive_info(self, account_id: str | None = None, network: str = "ethereum", name: str = "") -> ReceiveInfo:
        """A new address of an account, the first unless another is given.

        Raises: ValueError: the account's currency is not received on that network. KeyError: no such account.
        """
        with self._world.lock:
            account = self.account(account_id or self.first_account_id)
            option = self.option(network, account.currency_id)
            if option is None:
                raise bad("network is not supported for this account's currency")
            dice = self._world.ids.stream("ibex_address")
            info_id, address = self._world.ids.uuid("ibex_receive_info"), addresses.draw(network, dice)
            info = ReceiveInfo(info_id, account.id, name, option, address, self._world.now())
            self.receive_infos[info_id] = info
            self._by_address[addresses.comparable(address)] = info
            return info

    def deposit(
        self,
        address: str,
        amount: str = "100.00",
        *,
        tx_hash: str | None = None,
        settle_seconds: float | None = None,
        becomes: str = "completed",
    ) -> str:
        """Pretend that tokens arrive at one of the addresses made here; the id of the transaction.

        It is pending, and after `settle_seconds` (else as configured) it is `becomes`. One `tx_hash` given twice pays
        two addresses, or one address twice. Raises: KeyError: no such address. ValueError: a bad amount.
        """
        with self._world.lock:
            info = self._by_address.get(addresses.comparable(address))
            if info is None:
                raise not_found("address")
            wait = self._world.config.ibex_settle_seconds if settle_seconds is None else settle_seconds
            chain_hash = tx_hash or self._world.ids.chain_hash()
            paid = amounts.parse(amount)
            return self.life.receive(info, paid, chain_hash, settle_seconds=wait, becomes=becomes).id

    def decide_sends(self, outcomes: Iterable[str]) -> None:
        """What becomes of the next sends, one after another; later ones complete.

        `failed` gives the money back; `pending` stays so; `prepared` refuses with 400; `unknown_made` and
        `unknown_not_made` answer 504, with or without a send. Raises: ValueError: no such outcome.
        """
        chosen = list(outcomes)
        if unknown := sorted(set(chosen) - SEND_OUTCOMES):
            raise ValueError(f"unknown outcome {unknown}; known: {', '.join(sorted(SEND_OUTCOMES))}")
        with self._world.lock:
            self.send_outcomes.extend(chosen)

    def move(self, transaction_id: str, status: str) -> None:
        """Give a transaction this status now. Raises: KeyError. ValueError: a send on the chain cannot fail."""
        with self._world.lock:
            self.life.move(self.transaction(transaction_id), status)

    def announce(self, transaction_id: str, **manner: Any) -> bool:
        """Tell of a transaction again, in another manner for this once if given; False if nobody listens."""
        with self._world.lock:
            return self.webhooks.tell(self.transaction(transaction_id), self.webhooks.manner.changed(manner))

    def set_webhooks(self, **manner: Any) -> None:
        """Tell in this manner from now on. Raises: TypeError, ValueError: no such choice."""
        with self._world.lock:
            self.webhooks.manner = self.webhooks.manner.changed(manner)

    def book(self, account: Account, change: Decimal) -> None:
        """Change a balance, and keep the one before for stale reads."""
        account.before = (account.balance, self._world.now())
        account.balance += change

    def hot_wallet(self, network: str) -> str:
        """Where sends on a network come from."""
        key = network.casefold()
        if key not in self._hot_wallets:
            self._hot_wallets[key] = addresses.draw(key, self._world.ids.stream("ibex_hot_wallet"))
        return self._hot_wallets[key]

    def ready(self) -> dict[str, Any]:
        """What a caller needs to know to use it, each name beginning with `ibex_`; tokens come from its own url."""
        config = self._world.config
        return {
            "ibex_client_id": config.ibex_clients[0][0],
            "ibex_client_secret": config.ibex_clients[0][1],
            "ibex_audience": config.ibex_audience,
            "ibex_email": config.ibex_logins[0][0],
            "ibex_password": config.ibex_logins[0][1],
            "ibex_account_id": self.first_account_id,
            "ibex_webhook_secret": config.ibex_webhook_secret,
        }

    def balances(self) -> dict[str, Any]:
        """Each account's currency and balance, and what has left one by a send that is not on its chain yet."""
        leaving = dict.fromkeys(self.accounts, Decimal(0))
        for one in self.transactions.values():
            if one.type_id == SENT and one.hash is None:
                leaving[one.account_id] -= one.effect
        return {
            one.id: {
                "currency": CURRENCIES[one.currency_id],
                "balance": amounts.plain(one.balance),
                "leaving": amounts.plain(leaving[one.id]),
            }
            for one in self.accounts.values()
        }

    def effects(self) -> dict[str, Any]:
        """What callers had made here, and how often the same thing more than once."""
        return effects.summary(self)

    def _arrived(self, movement: Movement) -> None:
        info = self._by_address.get(addresses.comparable(movement.recipient))
        came = (movement.network.casefold(), movement.asset.upper())
        if info is None or came != (info.option.network.casefold(), info.option.name):
            return  # not ours, or a token or network that Ibex does not look at
        wait = self._world.config.ibex_settle_seconds
        self.life.receive(info, movement.amount, movement.hash, settle_seconds=wait, becomes="completed")
