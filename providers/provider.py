"""What the folder of one provider offers to everything else: a `Provider`, and what becomes of it in a process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from funding.facts import Reading
from funding.policy import Policy
from funding.ports.listings import EventStream, Listing
from funding.reconcile.records import RecordSource
from providers.answers import Classify
from providers.credentials import Credential
from providers.http import ProviderClient

Records = Callable[[Sequence[str]], Mapping[str, RecordSource]]  # by kind of object
Interpret = Callable[..., Reading]  # (body, *, source)
Clock = Callable[[], datetime]
OpenClient = Callable[[str], ProviderClient]  # of that address, signed by nobody: to sign in with


class Config(Protocol):
    """How a provider is reached: plain values that an entry point has read from the settings."""

    provider: ClassVar[str]

    @property
    def base_url(self) -> str:
        """Scheme, host and port."""
        ...

    def credentials(self, open_client: OpenClient) -> Sequence[Credential]:
        """What its calls are signed with, newest first; what has to sign in does so through an `open_client`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Which accounts of the provider have a listing of their own, and which of them have open work.

    `links` name them: a kind of link stands for its own id, "virtual_account.account" for that attribute of it.
    `flows` are the kinds of flow whose work is on an account: the one that their data gives under `named`, or all that
    their customer's links name. `here`: only flows whose next step asks this provider have work there.
    """

    links: Sequence[str]
    flows: Sequence[str]
    named: str | None = None
    here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """A listing that is polled.

    `open` gives it for an account, or for "" when it spans all customers; with `of` there is one for each account.
    `from_work`: its window takes in the oldest open work at the provider. `only_booked`: what it shows becomes entries
    and never work. `covers`: how far before its window's start it shows objects too; None: they leave it again, so
    that one gone is no sign of a listing cut short.
    """

    name: str
    open: Callable[[str], Listing]
    of: Accounts | None = None
    from_work: bool = False
    only_booked: bool = False
    covers: timedelta | None = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A listing to read when an event names an object but not enough to judge it.

    `open` gives it for the look's subject, None when that leads nowhere.
    """

    name: str
    open: Callable[[str], Listing | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedLook:
    """As `Look`, where only a customer's links tell whose listing to read.

    The subject is the id of a link of `kind`; behind a slash where it has one. `open` is given it, and the accounts
    that the first of `accounts` to lead anywhere names: as in `Accounts.links`, an attribute of `kind` being that of
    this one link, and any other of all links of its customer.
    """

    name: str
    kind: str
    accounts: Sequence[str]
    open: Callable[[str, Sequence[str]], Listing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A provider that this process can call.

    `port` is what steps ask of it (`funding.ports`), `records` its side of comparisons given the accounts we know
    of, `streams` its event streams: each call gives a new reader.
    """

    port: Any
    listings: Sequence[Polled]
    records: Records | None = None
    looks: Sequence[Look | LinkedLook] = ()
    streams: Mapping[str, Callable[[], EventStream]] = field(default_factory=dict)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[C]):
    """One provider: its rules, how its events read, what its refusals mean, and how it is spoken to."""

    policy: Policy
    interpret: Interpret
    classify: Classify
    connect: Callable[[ProviderClient, C, Clock], Connected]

    @property
    def name(self) -> str:
        """Such as "due"."""
        return self.policy.provider
