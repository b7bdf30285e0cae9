"""IBEX, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from providers.credentials import Credential, signed_in
from providers.http import ProviderClient
from providers.ibex.adapter import IbexAdapter, classify
from providers.ibex.interpret import interpret
from providers.ibex.listings import AccountTransactions, OneTransaction
from providers.ibex.policy import POLICY
from providers.ibex.records import TransactionRecords
from providers.ibex.sign_in import ClientCredentials, EmailSignIn, SignIn
from providers.ibex.tokens import TokenHolder
from providers.provider import Accounts, Clock, Connected, LinkedLook, Look, OpenClient, Polled, Provider

# Bridge's own listings tell how far the rest of an on-ramp or a withdrawal has come.
TRANSACTIONS_OF: Final = Accounts(links=("account",), flows=("bridge_on_ramp", "bridge_withdrawal"), here=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class IbexConfig:
    """How IBEX is reached, and signed in at: with client credentials at `auth_url`, or by e-mail at the API itself.

    `clients` are (client id, secret) pairs, `logins` (e-mail, password) pairs, newest first; one of the two is empty.
    """

    provider: ClassVar = "ibex"

    base_url: str
    auth_url: str = ""
    audience: str = ""
    clients: Sequence[tuple[str, str]] = ()
    logins: Sequence[tuple[str, str]] = ()

    def credentials(self, open_client: OpenClient) -> Sequence[Credential]:
        """A holder of tokens for each way to sign in."""
        ways: list[SignIn] = [
            ClientCredentials(
                open_client(self.auth_url), client_id=client_id, client_secret=secret, audience=self.audience
            )
            for client_id, secret in self.clients
        ]
        ways += [
            EmailSignIn(open_client(self.base_url), email=email, password=password) for email, password in self.logins
        ]
        return [signed_in(way.secrets[0], TokenHolder(way)) for way in ways]


def connect(client: ProviderClient, _config: IbexConfig, _clock: Clock) -> Connected:
    """Token transactions, account by account, and sends."""
    tokens = IbexAdapter(client)
    return Connected(
        port=tokens,
        listings=(
            Polled(
                name="transactions",
                open=lambda account: AccountTransactions(tokens, accounts=[account]),
                of=TRANSACTIONS_OF,
            ),
        ),
        looks=(
            Look(name="ibex_transaction", open=lambda subject: OneTransaction(tokens, transaction=subject)),
            LinkedLook(
                name="ibex_address",
                kind="address",
                accounts=("address.account", "account"),
                open=lambda _, accounts: AccountTransactions(tokens, accounts=accounts),
            ),
        ),
        records=lambda accounts: {"transaction": TransactionRecords(tokens, accounts=accounts)},
    )


IBEX: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
