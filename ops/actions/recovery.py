"""After commits may have been lost: look before every create, and read again from a time."""

from dataclasses import dataclass
from datetime import datetime

from db import recovery
from funding.flows.due_legacy import MODE
from ops.actions.desk import Desk, Refused


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many flows look first, and how many polls and streams were set back.

    `unheard`: virtual accounts whose lost events no poll finds: only Due can send them again.
    """

    flows: int
    polls: int
    streams: int
    unheard: int


def recover(desk: Desk, since: datetime) -> Recovered:
    """Mark open flows look-first; have polls and streams read again from `since`. Raises: Refused: it lies ahead."""
    with desk.sheet() as sheet:
        if recovery.is_ahead(sheet.connection, since):
            raise Refused("--since lies in the future: say when the last commit that surely survived was made")
        flows = recovery.look_first(sheet.connection)
        polls, streams = recovery.read_again(sheet.connection, since)
        sheet.note("recover", since.isoformat(), flows=flows, polls=polls, streams=streams)
        return Recovered(flows, polls, streams, recovery.told_only_by_events(sheet.connection, MODE))
