"""A client of ours that signs in at the pretended IBEX, and a sign-in that a test moves by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from funding.money import Money
from funding.ports.ibex import SendOrder
from providers.credentials import Credential, signed_in
from providers.http import ProviderClient
from providers.ibex.adapter import IbexAdapter, classify
from providers.ibex.sign_in import ClientCredentials, EmailSignIn, Grant, SignIn
from providers.ibex.tokens import TokenHolder
from sandbox.server import SandboxServer
from tests.support.clients import a_client

Monotonic = Callable[[], float]
NOBODY = Credential("nobody", {}, ())
CONFIG = {"ibex_account_balance": "1000", "ibex_settle_seconds": 0, "ibex_send_seconds": 0}
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
ORDER = SendOrder(account="acc_1", address=ETHEREUM, network="ethereum", amount=Money(25_000001, "USDT"), name="p_1")


def a_sign_in_client(url: str, *, deadline: float = 1.0) -> ProviderClient:
    return a_client(url, provider="ibex", deadline=deadline, credentials=[NOBODY])


def by_client(server: SandboxServer, **changes: str) -> ClientCredentials:
    ready = server.world.ibex.ready()
    given = {
        "client_id": ready["ibex_client_id"],
        "client_secret": ready["ibex_client_secret"],
        "audience": ready["ibex_audience"],
    }
    return ClientCredentials(a_sign_in_client(server.urls["ibex"]), **{**given, **changes})


def by_email(server: SandboxServer, **changes: Any) -> EmailSignIn:
    ready = server.world.ibex.ready()
    given = {"email": ready["ibex_email"], "password": ready["ibex_password"]}
    return EmailSignIn(a_sign_in_client(server.urls["ibex"]), **{**given, **changes})


@contextmanager
def an_adapter(url: str, way: SignIn, *, deadline: float = 1.0, **more: Any) -> Iterator[IbexAdapter]:
    """The port, over a client that is closed at the end with all that it opened."""
    tokens = TokenHolder(way, **({"monotonic": more.pop("monotonic")} if "monotonic" in more else {}))
    credentials = [signed_in(way.secrets[0], tokens)]
    client = a_client(url, provider="ibex", deadline=deadline, credentials=credentials, classify=classify, **more)
    try:
        yield IbexAdapter(client)
    finally:
        client.close()


class ByHand:
    """A sign-in that gives t1, t2, ..., or fails with what a test has put into `fails`."""

    def __init__(self, *, lives: float | None = None, refresh: bool = False) -> None:
        self.secrets = ("sesame",)
        self.asked: list[str] = []
        self.fails: list[Exception] = []
        self.lives = None if lives is None else timedelta(seconds=lives)
        self.gives_refresh = refresh

    def sign_in(self) -> Grant:
        return self._give("sign in", refresh="r" if self.gives_refresh else None)

    def refresh(self, token: str) -> Grant:
        return self._give(f"refresh {token}", refresh=None)

    def close(self) -> None:
        pass

    def _give(self, how: str, *, refresh: str | None) -> Grant:
        self.asked.append(how)
        if self.fails:
            raise self.fails.pop(0)
        return Grant(access=f"t{len(self.asked)}", lives=self.lives, refresh=refresh)
