"""What a person says of a possible second deposit: it is another one, or the one that is known already.

Said of an event, it is handled once more: another opens its flow, a resend is ignored. Said of a flow that waits for a
person, it goes on: another is converted, a resend takes the transfer that was found.
"""

from collections.abc import Sequence
from uuid import UUID

from db import break_listings, dead_letters, replay, second_deposits
from db.second_deposits import Doubt
from funding.flows.due_legacy import ANOTHER, RESEND, SECOND_DEPOSIT
from ops.actions.desk import Desk, Refused, Sheet

ANSWERS = (ANOTHER, RESEND)


def say(desk: Desk, found: Sequence[UUID], *, answer: str, said: str) -> list[UUID]:
    """Say `answer` of breaks, each in a transaction of its own; which of them were still open.

    Said once, it stands: a second word changes nothing.
    Raises: Refused: a break of another type, or an event whose bytes have been cleared.
    """
    done = []
    for one in sorted(set(found)):
        with desk.sheet() as sheet:
            doubt = second_deposits.lock(sheet.connection, one)
            if doubt.type != SECOND_DEPOSIT:
                raise Refused(f"break {one} is of type {doubt.type}: --as is for {SECOND_DEPOSIT} only")
            if doubt.status != "open":
                continue
            _close(sheet, one, answer=answer, by=desk.by, said=said)
            if doubt.flow is not None:
                _go_on(sheet, doubt.flow, answer)
            elif doubt.event is not None:
                _settle(sheet, doubt.event, answer, by=desk.by)
            sheet.note("break.second_deposit", str(one), answer=answer, **_named(doubt))
            done.append(one)
    return done


def _close(sheet: Sheet, found: UUID, *, answer: str, by: str, said: str) -> None:
    """The answer stands in the break's history, where ingest looks for it."""
    break_listings.resolve(sheet.connection, found, by=by, note=said)
    break_listings.add_history(sheet.connection, found, answer, by=by, note=None)


def _settle(sheet: Sheet, event: int, answer: str, *, by: str) -> None:
    if answer == RESEND:
        second_deposits.set_aside(sheet.connection, event, reason=f"a resend, said {by}")
        return
    if not second_deposits.read_again(sheet.connection, event):
        raise Refused(f"the bytes of event {event} have been cleared: have the provider send it again")
    sheet.events.append(event)


def _go_on(sheet: Sheet, flow: UUID, answer: str) -> None:
    second_deposits.judge_flow(sheet.connection, flow, answer)
    dead_letters.resolve(sheet.connection, flow, by="person")
    sheet.due += replay.unpark(sheet.connection, [flow])


def _named(doubt: Doubt) -> dict[str, str]:
    named = {"flow": doubt.flow, "event": doubt.event}
    return {name: str(value) for name, value in named.items() if value is not None}
