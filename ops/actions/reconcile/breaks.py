"""What people do with a break: take it, write on it, close it. Each act is audited."""

from collections.abc import Sequence
from uuid import UUID

from db import break_listings
from funding.flows.due_legacy import SECOND_DEPOSIT
from ops.actions.desk import Desk, Refused

LONGEST_NOTE = 4_000  # characters


def assign(desk: Desk, found: Sequence[UUID], *, owner: str | None) -> None:
    """Give breaks to somebody, or back to nobody. Doing it again changes nothing but the history."""
    with desk.sheet() as sheet:
        for one in sorted(set(found)):
            before = break_listings.assign(sheet.connection, one, owner=owner, by=desk.by)
            sheet.note("break.assign", str(one), owner=owner, before=before)


def note(desk: Desk, found: UUID, said: str) -> None:
    """Write down what was learned. Raises: Refused: nothing, or more than fits."""
    with desk.sheet() as sheet:
        break_listings.add_history(sheet.connection, found, "noted", by=desk.by, note=_checked(said))
        sheet.note("break.note", str(found))


def resolve(desk: Desk, found: Sequence[UUID], *, said: str) -> list[UUID]:
    """Close breaks that were settled outside, all in one transaction; those that were open.

    It stays closed while comparisons find it unchanged; anything new about it reopens it. Raises: Refused; also of
    a possible second deposit, which waits for its answer (`second_deposits.say`).
    """
    done = []
    with desk.sheet() as sheet:
        for one in sorted(set(found)):
            if break_listings.type_of(sheet.connection, one) == SECOND_DEPOSIT:
                raise Refused(f"break {one} waits for an answer: say --as another, or --as resend")
            if break_listings.resolve(sheet.connection, one, by=desk.by, note=_checked(said)):
                sheet.note("break.resolve", str(one))
                done.append(one)
    return done


def _checked(said: str) -> str:
    told = said.strip()
    if not told or len(told) > LONGEST_NOTE or "\0" in told:
        raise Refused(f"a note must be text of at most {LONGEST_NOTE} characters, and not empty")
    return told
