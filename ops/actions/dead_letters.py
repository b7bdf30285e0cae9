"""Dead letters acted on: replayed, one or many, or abandoned for a reason."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from db import breaks, ledger_reports, replay
from db.replay import Filter, Letter
from funding.flows.bridge_withdrawal import bridge_withdrawal
from funding.flows.table import FLOWS
from funding.money import Money
from funding.outcomes import BreakFound
from ops.actions import withdrawals
from ops.actions.desk import Desk, Refused, Sheet

CHUNK: Final = 200  # letters in one transaction
RATE: Final = 10  # replays that become due in a second, unless asked otherwise
MOST: Final = 100_000  # letters in one command


class Answer(StrEnum):
    """What became of a letter that was to be replayed."""

    REPLAYING = "replaying"  # its flow or event is due again
    MOVED = "already moved"  # it has left that step meanwhile; the letter is closed
    UNDER_WAY = "already replaying"
    NOT_OPEN = "not open"  # resolved or abandoned


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One letter's result. `step` is what will be tried, after `delay` from now; both only where it is replayed."""

    letter: Letter
    answer: Answer
    step: str | None = None
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """One letter's result: what the ledger still holds for its flow, or why nothing was done.

    `released`: of a withdrawal whose tokens never left, what is the customer's to spend again.
    """

    letter: UUID
    flow: UUID | None
    event: int | None
    held: tuple[Money, ...] = ()
    released: Money | None = None
    refused: str | None = None


class Pace:
    """Spreads replays over time: so many a second, in the order they are asked for; the first waits for `first`."""

    def __init__(self, per_second: int, *, first: timedelta = timedelta(0)) -> None:
        self._per_second = per_second
        self._first = first
        self._given = 0

    @property
    def following(self) -> timedelta:
        """How long the next one would wait."""
        return self._first + timedelta(microseconds=self._given * 1_000_000 // self._per_second)

    def next(self) -> timedelta:
        """How long the next one waits."""
        delay = self.following
        self._given += 1
        return delay


def judge(letter: Letter) -> Answer:
    """What a replay of this letter would answer as things stand."""
    if letter.status == "replaying":
        return Answer.UNDER_WAY
    if letter.status != "open":
        return Answer.NOT_OPEN
    return Answer.REPLAYING if letter.parked else Answer.MOVED


def find(desk: Desk, wanted: Filter) -> list[Letter]:
    """The letters a command is about, oldest first. Raises: Refused: too many, or an id nobody has."""
    with desk.begin() as connection:
        letters = replay.find_letters(connection, wanted, limit=MOST + 1)
    if len(letters) > MOST:
        raise Refused(f"more than {MOST} letters: narrow it down with --group, --kind, --provider or --since")
    missing = set(wanted.ids or ()) - {letter.id for letter in letters}
    if missing:
        raise Refused(f"there is no dead letter {min(missing)}")
    return letters


def dry_run(letters: Sequence[Letter], *, per_second: int = RATE) -> list[Replayed]:
    """What a replay would do to each, in order; nothing is changed."""
    pace = Pace(per_second)
    return [_result(letter, pace) for letter in letters]


def replay_letters(
    desk: Desk,
    letters: Sequence[Letter],
    *,
    per_second: int = RATE,
    progress: Callable[[int], None] = lambda _done: None,
) -> list[Replayed]:
    """Replay letters in the order given, a result for each; those of one customer become due in that order.

    `per_second` of them become due in a second. A chunk is one transaction: what was answered stands even when a later
    chunk fails. Two replays at once: each letter is replayed by one of them.
    """
    pace = Pace(per_second)
    results: list[Replayed] = []
    for chunk in _chunks(letters):
        with desk.sheet() as sheet:
            standing = replay.lock_letters(sheet.connection, chunk)
            done = replay_locked(sheet, [standing[letter.id] for letter in chunk], pace)
        results += done
        progress(len(results))
    return results


def replay_locked(sheet: Sheet, letters: Sequence[Letter], pace: Pace) -> list[Replayed]:
    """Replay letters, locked as they stand, in this transaction; a result for each."""
    done = [_result(letter, pace) for letter in letters]
    going = [result for result in done if result.answer is Answer.REPLAYING]
    moved = [result.letter.id for result in done if result.answer is Answer.MOVED]
    replay.mark_replaying(sheet.connection, [result.letter.id for result in going])
    replay.close_letters(
        sheet.connection, moved, status="resolved", by="event", resolution="it had moved on before it was replayed"
    )
    flows = [(result.letter.flow, result.delay) for result in going if result.letter.flow is not None]
    due = replay.unpark(sheet.connection, [flow for flow, _ in flows], delays=[delay for _, delay in flows])
    at_once = {flow for flow, delay in flows if not delay}
    sheet.due += [item for item in due if item[0] in at_once]
    events = [(result.letter.event, result.delay) for result in going if result.letter.event is not None]
    replay.receive_again(sheet.connection, [event for event, _ in events], delays=[delay for _, delay in events])
    sheet.events += [event for event, delay in events if not delay]
    for result in done:
        sheet.note("dead_letter.replay", str(result.letter.id), result=str(result.answer), **_named(result.letter))
    return done


def abandon_letters(desk: Desk, letters: Sequence[Letter], *, reason: str) -> list[Abandoned]:
    """Give up on letters, each in a transaction of its own: its flow is closed where it stands, its event stays dead.

    The hold of a withdrawal ends if its tokens surely never left. Where the ledger still holds money for a flow, a
    break stays open until people have settled it.
    """
    results = []
    for letter in letters:
        with desk.sheet() as sheet:
            result = _abandon(sheet, letter, reason)
            if result.refused is None:
                money = {} if result.released is None else {"released": str(result.released)}
                sheet.note("dead_letter.abandon", str(letter.id), reason=reason, **_named(letter), **money)
        results.append(result)
    return results


def _abandon(sheet: Sheet, letter: Letter, reason: str) -> Abandoned:
    now = replay.lock_letters(sheet.connection, [letter])[letter.id]
    result = Abandoned(letter=now.id, flow=now.flow, event=now.event)
    if now.status != "open":
        refused = f"it is {now.status}"
    elif not now.parked:
        refused = "it has moved on meanwhile"
    elif now.flow is not None and not replay.abandon_flow(sheet.connection, now.flow, reason=f"abandoned: {reason}"):
        refused = "its flow is over"
    else:
        replay.close_letters(sheet.connection, [now.id], status="abandoned", by="abandon", resolution=reason)
        released = None
        if now.flow is not None and now.kind == bridge_withdrawal.name:
            released = withdrawals.end_hold(sheet.connection, now.flow)
        held = _keep_break(sheet, now)
        return Abandoned(letter=now.id, flow=now.flow, event=now.event, held=held, released=released)
    return Abandoned(letter=result.letter, flow=result.flow, event=result.event, refused=refused)


def _keep_break(sheet: Sheet, letter: Letter) -> tuple[Money, ...]:
    """Money the ledger still holds for an abandoned flow stays a break."""
    if letter.flow is None:
        return ()
    held = tuple(
        Money(minor, asset) for asset, minor in ledger_reports.owed_for_flow(sheet.connection, letter.flow).items()
    )
    for amount in held:
        breaks.open_break(
            sheet.connection,
            BreakFound(
                provider="rampkeeper",
                type="balance_differs",
                subject=f"abandoned flow {letter.flow} {amount.asset}",
                ours=str(amount),
                theirs="nobody will move it on",
                amount=amount,
                suggested_action=_SETTLE.get(letter.kind, _BY_HAND),
            ),
            found_by="desk",
            flow=letter.flow,
        )
    return held


_BY_HAND: Final = "settle this money with the customer and the provider by hand"
_SETTLE: Final = {
    bridge_withdrawal.name: "find out at IBEX and Bridge where the tokens are: if they never left, "
    "`rampkeeper withdrawals release`; else settle by hand",
}


def _result(letter: Letter, pace: Pace) -> Replayed:
    answer = judge(letter)
    if answer is not Answer.REPLAYING:
        return Replayed(letter=letter, answer=answer)
    return Replayed(letter=letter, answer=answer, step=_next_step(letter), delay=pace.next())


def _next_step(letter: Letter) -> str:
    """What will be tried: an event is read again; a flow runs the step of its state."""
    machine = FLOWS.get(letter.kind)
    step = machine.step_of(letter.state) if machine and letter.flow else None
    return step.name if step else letter.step


def _named(letter: Letter) -> dict[str, str]:
    if letter.flow is not None:
        return {"flow": str(letter.flow), "state": letter.state}
    return {"event": str(letter.event)}


def _chunks(letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    for start in range(0, len(letters), CHUNK):
        yield letters[start : start + CHUNK]
