"""Events sent again through the one door."""

from db import replay
from ops.actions.desk import Desk, Refused


def replay_event(desk: Desk, event: int) -> tuple[int, str]:
    """Write a new event with the same bytes: its id, and its event id `replay:<id>:<n>`. Raises: Refused."""
    with desk.sheet() as sheet:
        copied = replay.copy_event(sheet.connection, event)
        if copied is None:
            raise Refused(f"event {event} cannot be replayed: there is none of that id, or its bytes have been cleared")
        sheet.events.append(copied[0])
        sheet.note("event.replay", str(event), new_event=str(copied[0]), event_id=copied[1])
        return copied
