"""Deposits as a script: money arrives at a virtual account and the rest happens by itself."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox import amounts
from sandbox.due.model import Side, Transfer, VirtualAccount

if TYPE_CHECKING:
    from sandbox.due.state import DueState
    from sandbox.world import World

DEFAULT_PATH = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")


class Deposits:
    """Starts what a payer's money starts at Due."""

    def __init__(self, world: World, due: DueState) -> None:
        self._world = world
        self._due = due
        self._expected: dict[tuple[str, Decimal], list[str]] = {}  # by account and amount: announced, not yet converted

    def start(
        self,
        virtual_account_id: str,
        amount: str = "250.00",
        path: Sequence[str] = DEFAULT_PATH,
        step_seconds: float | Sequence[float] = 0.2,
        fee: str = "0.75",
        currency: str | None = None,
        *,
        network: str = "base",
        fx_rate: str = "1",
        destination_amount: str | None = None,
        payout_delay_seconds: float | None = None,
        expects_account: str | None = None,
        expects_amount: str | None = None,
        memo: str | None = None,
    ) -> str:
        """The id of a new transfer with `virtualAccountId`, which takes the statuses of `path` one after another.

        `step_seconds` is one wait for all steps or a list of them; `fee` is kept on the destination's side, whose
        amount is amount x rate - fee unless `destination_amount` says otherwise. With `expects_account` the deposit is
        registered with the effects: exactly one journal of `expects_amount` (else the destination's amount in whole
        cents) to that account should follow. Raises: KeyError: no such virtual account. ValueError: a bad amount, an
        empty path.
        """
        if not path:
            raise ValueError("a deposit needs at least one status")
        account = self._due.virtual_accounts[virtual_account_id]
        paid, kept, rate = amounts.parse(amount), amounts.parse(fee), amounts.parse(fx_rate)
        gained = max(amounts.floor(paid * rate - kept, account.currency_out), Decimal(0))
        if destination_amount is not None:
            gained = amounts.parse(destination_amount)
        transfer = self._due.life.create(
            account.owner_id,
            self._source(account, paid, currency, network),
            self._destination(account, gained, kept, memo),
            fx_rate=rate,
            payout_delay=payout_delay_seconds,
        )
        if expects_account is not None:
            expected = amounts.parse(expects_amount) if expects_amount is not None else None
            self._world.effects.expect(transfer.id, expects_account, expected)
        steps = len(path) - 1
        waits = [float(step_seconds)] * steps if isinstance(step_seconds, int | float) else [*step_seconds]
        if len(waits) < steps:
            raise ValueError(f"{steps} waits are needed between {len(path)} statuses")
        self._due.life.begin(transfer, path, waits)
        return transfer.id

    def announce_in_seed_way(self, virtual_account_id: str, amount: str, expects_account: str | None = None) -> None:
        """Money arrives and nothing converts it: only the first seed's event is sent, and /offramp is awaited.

        With `expects_account` one conversion of it, and one journal to that account, should follow.
        """
        account, paid = self._due.virtual_accounts[virtual_account_id], amounts.parse(amount)
        received = self._due.legacy_received
        received[account.currency_in] = received.get(account.currency_in, Decimal(0)) + paid
        if expects_account is not None:
            self._expected.setdefault((virtual_account_id, paid), []).append(expects_account)
        self._due.endpoints.announce_seed_deposit(virtual_account_id, amount)

    def convert_in_seed_way(self, account: VirtualAccount, amount: Decimal, step_seconds: float) -> Transfer:
        """The transfer behind the first seed's POST /offramp."""
        received = self._due.legacy_received
        received[account.currency_in] = received.get(account.currency_in, Decimal(0)) - amount
        transfer = self._due.life.create(
            account.owner_id,
            self._source(account, amount, None, "base"),
            self._destination(account, amounts.floor(amount, account.currency_out), Decimal(0), None),
        )
        if expected := self._expected.get((account.id, amount)):
            self._world.effects.expect(transfer.id, expected.pop(0))
        self._due.life.begin(transfer, DEFAULT_PATH[1:], [step_seconds] * (len(DEFAULT_PATH) - 2))
        return transfer

    def _source(self, account: VirtualAccount, amount: Decimal, currency: str | None, network: str) -> Side:
        return Side(
            amount=amount,
            fee=Decimal(0),
            currency=currency or account.currency_in,
            rail=network if account.schema_in in {"evm", "tron", "solana"} else account.schema_in,
            virtual_account_id=account.id,
        )

    def _destination(self, account: VirtualAccount, amount: Decimal, fee: Decimal, memo: str | None) -> Side:
        recipient = self._due.recipients.get(account.destination)
        return Side(
            amount=amount,
            fee=fee,
            currency=account.currency_out,
            rail=account.rail_out,
            recipient_id=account.destination,
            label=recipient.name if recipient else None,
            details=recipient.details if recipient else None,
            memo=memo,
        )
