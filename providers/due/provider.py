"""Due, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from funding.ports.listings import Listing
from providers.credentials import Credential, bearer
from providers.due.adapter import DueAdapter, classify
from providers.due.interpret import interpret
from providers.due.listings import AccountTransfers, DeliveryLog, OneTransfer
from providers.due.policy import POLICY
from providers.due.records import TransferRecords
from providers.http import ProviderClient
from providers.provider import Accounts, Clock, Connected, LinkedLook, Look, OpenClient, Polled, Provider

TRANSFERS_OF: Final = Accounts(links=("account", "virtual_account.account"), flows=("due_deposit",), named="account")


@dataclass(frozen=True, slots=True, kw_only=True)
class DueConfig:
    """How Due is reached. `api_keys` newest first; without `webhook_endpoint` all of the firm's are read."""

    provider: ClassVar = "due"

    base_url: str
    api_keys: Sequence[str]
    webhook_endpoint: str | None = None

    def credentials(self, _open_client: OpenClient) -> Sequence[Credential]:
        """A bearer token for each key."""
        return [bearer(key) for key in self.api_keys]


def connect(client: ProviderClient, config: DueConfig, _clock: Clock) -> Connected:
    """Due's transfers, account by account; its log of deliveries spans all customers."""
    transfers = DueAdapter(client)

    def of_account(account: str) -> Listing:
        return AccountTransfers(transfers, account=account)

    def one(subject: str) -> Listing | None:
        account, _, transfer = subject.partition("/")
        return OneTransfer(transfers, account=account, transfer=transfer) if account and transfer else None

    return Connected(
        port=transfers,
        records=lambda accounts: {"transfer": TransferRecords(transfers, accounts=accounts)},
        listings=(
            Polled(name="deliveries", open=lambda _: DeliveryLog(transfers, endpoint=config.webhook_endpoint)),
            Polled(name="transfers", open=of_account, of=TRANSFERS_OF),
        ),
        looks=(
            Look(name="due_transfer", open=one),
            LinkedLook(
                name="due_virtual_account",
                kind="virtual_account",
                accounts=("virtual_account.account",),
                open=lambda _, accounts: of_account(accounts[0]),
            ),
        ),
    )


DUE: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
