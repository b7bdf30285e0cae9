"""Alpaca, whole: what this folder offers to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from providers.alpaca.adapter import AlpacaAdapter, classify
from providers.alpaca.interpret import interpret
from providers.alpaca.listings import FirmActivities, JournalDays
from providers.alpaca.policy import POLICY
from providers.alpaca.records import JournalRecords
from providers.alpaca.stream import JournalStream
from providers.credentials import Credential, basic
from providers.http import ProviderClient
from providers.provider import Clock, Connected, OpenClient, Polled, Provider

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaConfig:
    """How Alpaca is reached. `keys` are (key id, secret) pairs, newest first."""

    provider: ClassVar = "alpaca"

    base_url: str
    keys: Sequence[tuple[str, str]]
    firm_account: str

    def credentials(self, _open_client: OpenClient) -> Sequence[Credential]:
        """Basic credentials of each pair."""
        return [basic(user, secret) for user, secret in self.keys]


def connect(client: ProviderClient, config: AlpacaConfig, clock: Clock) -> Connected:
    """Cash journals and their stream; the firm's own cash outside journals."""
    journals = AlpacaAdapter(client, firm_account=config.firm_account, clock=clock)
    return Connected(
        port=journals,
        records=lambda _accounts: {"journal": JournalRecords(journals)},
        listings=(
            # It lists whole days, and a journal bears a date only.
            Polled(name="journals", open=lambda _: JournalDays(journals), from_work=True, covers=DAY),
            Polled(name="activities", open=lambda _: FirmActivities(journals), only_booked=True),
        ),
        streams={"journals": lambda: JournalStream(client, clock=clock)},
    )


ALPACA: Final = Provider(policy=POLICY, interpret=interpret, classify=classify, connect=connect)
