"""Record: everything that follows from a step, in one transaction, refused when the claim has moved on."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from db import breaks, dead_letters, gates, inbox, intentions, ledger, notifications, recording
from db.dead_letters import Death
from db.engine import UnitOfWork
from db.flows import Claim, Due
from db.recording import Change, Ending, Standing
from funding.backoff import Backoff
from funding.flow import CLOSED, OPEN, Flow, Step
from funding.outcomes import Advance, BreakFound, Learned, Notification, Outcome, Snooze, WatchEnded
from funding.snapshot import Reference, Snapshot
from workers.verdicts import Verdict, judge, safe_message


class ReferenceTaken(Exception):
    """An object this step met belongs to another flow: nothing else of its answer may be believed."""

    def __init__(self, reference: Reference, owner: UUID) -> None:
        super().__init__(f"{reference.provider} {reference.kind} {reference.id} belongs to flow {owner}")
        self.reference = reference
        self.owner = owner


@dataclass(slots=True)
class Recorded:
    """What a record leaves to do after its commit. `standing` None: refused, the claim was no longer ours."""

    standing: Standing | None
    flows: list[Due] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    notifications: list[UUID] = field(default_factory=list)
    next_claim: Claim | None = None


GoOn = Callable[[Connection, Standing], Claim | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes outcomes. `channels` are the ways notifications go out; none configured, none written."""

    begin: UnitOfWork
    flows: Mapping[str, Flow]
    retry: Backoff
    channels: Sequence[notifications.Channel]
    draw: random.Random

    def record(
        self, claim: Claim, step: Step, answer: Outcome | Exception, results: Sequence[tuple[UUID, str]], go_on: GoOn
    ) -> Recorded:
        """Write what the step came to. `go_on` may claim the next step in the same transaction."""
        try:
            return self._record(claim, step, answer, results, go_on)
        except ReferenceTaken as taken:
            return self._record(claim, step, _duplicate(taken), results, go_on)

    def _record(
        self,
        claim: Claim,
        step: Step,
        answer: Outcome | Exception | Verdict,
        results: Sequence[tuple[UUID, str]],
        go_on: GoOn,
    ) -> Recorded:
        with self.begin() as connection:
            match answer:
                case Advance():
                    recorded = self._advance(connection, claim, step, answer)
                case Snooze():
                    recorded = self._snooze(connection, claim, step, answer)
                case WatchEnded():
                    recorded = self._close(connection, claim, step, answer)
                case Verdict():
                    recorded = self._fail(connection, claim, step, answer)
                case error:
                    verdict = judge(error, flow=claim.flow, step=step, retry=self.retry, draw=self.draw)
                    recorded = self._fail(connection, claim, step, verdict)
            if recorded.standing is None:
                connection.rollback()
            else:
                intentions.note_results(connection, results)
                if recorded.standing.due_now:
                    recorded.next_claim = go_on(connection, recorded.standing)
                    if recorded.next_claim is None:
                        recorded.flows.append((claim.flow.id, recorded.standing.kind, recorded.standing.state))
        if recorded.standing is None:
            self._late(claim, answer)
        return recorded

    def _advance(self, connection: Connection, claim: Claim, step: Step, outcome: Advance) -> Recorded:
        flow, machine = claim.flow, self.flows[claim.flow.kind]
        path = machine.path(step, flow.state, outcome)
        after = machine.step_of(outcome.to)
        status = machine.status_of(outcome.to)
        states = [flow.state, *map(str, path)]
        times = [*(passed.at for passed in outcome.through), outcome.at]
        standing = recording.record(
            connection,
            claim,
            Change(
                state=str(outcome.to),
                status=status,
                provider=after.provider if after else None,
                wait=None if status == CLOSED or outcome.park else outcome.due_in,
                path=list(zip(states, states[1:], times, strict=False)),
                reason=outcome.reason,
                parked_reason=outcome.park.message if outcome.park else None,
                watch=machine.resting.get(outcome.to),
                data=outcome.data,
                amount=outcome.amount,
                amount_out=outcome.amount_out,
            ),
            Ending(outcome="advanced", provider=step.provider),
        )
        if standing is None:
            return Recorded(None)
        recorded = self._learned(connection, claim, outcome)
        recorded.standing = standing
        if outcome.park is None:
            found = self._breaks(connection, claim, outcome)
            if claim.has_breaks:
                breaks.close_breaks_of_flow(connection, flow.id, note="the flow went on", but=found)
            if claim.has_letter:
                dead_letters.resolve(connection, flow.id, by="event")
        else:
            self._breaks(connection, claim, outcome)
            death = Death(
                step=step.name, error=outcome.park.error, message=outcome.park.message, blame=outcome.park.blame
            )
            self._park(connection, claim, death, outcome, recorded)
        return recorded

    def _snooze(self, connection: Connection, claim: Claim, step: Step, outcome: Snooze) -> Recorded:
        standing = recording.record(
            connection,
            claim,
            self._same_state(
                claim,
                step,
                wait=outcome.wait,
                reason=outcome.reason,
                learned=outcome,
                even_parked=outcome.even_parked,
            ),
            Ending(outcome="snoozed", provider=step.provider, message=outcome.reason),
        )
        if standing is None:
            return Recorded(None)
        recorded = self._learned(connection, claim, outcome)
        recorded.standing = standing
        self._breaks(connection, claim, outcome)
        return recorded

    def _close(self, connection: Connection, claim: Claim, step: Step, outcome: WatchEnded) -> Recorded:
        change = Change(state=claim.flow.state, status=CLOSED, provider=None, wait=None)
        standing = recording.record(connection, claim, change, Ending(outcome="closed", provider=step.provider))
        if standing is None:
            return Recorded(None)
        recorded = self._learned(connection, claim, outcome)
        recorded.standing = standing
        return recorded

    def _fail(self, connection: Connection, claim: Claim, step: Step, verdict: Verdict) -> Recorded:
        flow = claim.flow
        parks = verdict.death is not None
        change = self._same_state(
            claim,
            step,
            wait=None if parks else verdict.wait,
            reason=verdict.message,
            tries=flow.tries + 1 if verdict.costs_try else flow.tries,
            reuse=not verdict.costs_try and not parks,
            even_parked=verdict.unread,
            misses=flow.misses + 1 if verdict.unread else 0,
            parked_reason=verdict.death.message if verdict.death else None,
        )
        ending = Ending(
            outcome=verdict.outcome,
            provider=step.provider,
            error=verdict.death.error if verdict.death else None,
            message=verdict.message,
            request_id=verdict.death.request_id if verdict.death else None,
        )
        standing = recording.record(connection, claim, change, ending)
        if standing is None:
            return Recorded(None)
        recorded = Recorded(standing)
        if verdict.found is not None:
            breaks.open_break(connection, verdict.found, found_by="step", flow=flow.id)
        if verdict.pause is not None:
            provider, reason = verdict.pause
            gates.pause(connection, provider, reason=reason, by="rampkeeper")
        if verdict.death is not None:
            self._park(connection, claim, verdict.death, Learned(), recorded)
        return recorded

    def _same_state(
        self,
        claim: Claim,
        step: Step,
        *,
        wait: timedelta | None,
        reason: str,
        learned: Learned | None = None,
        tries: int | None = None,
        reuse: bool = True,
        even_parked: bool = False,
        misses: int = 0,
        parked_reason: str | None = None,
    ) -> Change:
        """The flow stays where it is. A parked one stays parked: as a rule nothing is due until something wakes it."""
        flow = claim.flow
        stays_parked = flow.parked and parked_reason is None
        return Change(
            state=flow.state,
            status=flow.status,
            provider=step.provider,
            wait=None if parked_reason or (flow.parked and not even_parked) else wait,
            tries=flow.tries if tries is None else tries,
            snoozes=flow.snoozes if misses else flow.snoozes + 1,  # a miss is no reading: it ages nothing
            misses=misses,
            reuse_attempt=reuse,
            snooze_reason=reason,
            parked_reason=parked_reason,
            stays_parked=stays_parked,
            data=learned.data if learned else {},
            amount=learned.amount if learned else None,
            amount_out=learned.amount_out if learned else None,
        )

    def _learned(self, connection: Connection, claim: Claim, outcome: Learned) -> Recorded:
        """What every kind of outcome may carry: references, entries, readings, notifications."""
        flow = claim.flow
        recorded = Recorded(None)
        keys = []
        for reference in outcome.references:
            owner = recording.add_reference(connection, flow.id, reference)
            if owner != flow.id:
                raise ReferenceTaken(reference, owner)
            keys.append(f"{reference.provider}/{reference.kind}/{reference.id}")
        recorded.events = inbox.reference_written(connection, keys)
        ledger.post(connection, flow.id, outcome.entries)
        recording.add_readings(connection, outcome.readings, customer=flow.customer)
        recorded.notifications = self._notify(connection, flow, outcome.notifications, outcome)
        return recorded

    def _breaks(self, connection: Connection, claim: Claim, outcome: Learned) -> list[UUID]:
        return [
            breaks.open_break(connection, found, found_by="step", flow=claim.flow.id).id for found in outcome.breaks
        ]

    def _park(self, connection: Connection, claim: Claim, death: Death, outcome: Learned, recorded: Recorded) -> None:
        flow = claim.flow
        dead_letters.open_for_flow(
            connection, flow.id, death, kind=flow.kind, attempt=claim.attempt, attempts=flow.tries + 1
        )
        if flow.status == OPEN:
            noun = self.flows[flow.kind].noun
            delayed = Notification(
                type=f"{noun}.delayed",
                text=f"The {noun} is delayed. It is being looked into; nothing is lost.",
                cause=str(flow.visit),
            )
            recorded.notifications += self._notify(connection, flow, (delayed,), outcome)

    def _notify(
        self, connection: Connection, flow: Snapshot, told: Sequence[Notification], outcome: Learned
    ) -> list[UUID]:
        if not told or not self.channels:
            return []
        amount = outcome.amount_out or flow.amount_out or outcome.amount or flow.amount
        return notifications.insert(
            connection,
            [
                notifications.NewNotification(
                    id=uuid4(),
                    flow_id=flow.id,
                    type=notice.type,
                    cause=notice.cause,
                    channel=channel,
                    data={
                        "flow": str(flow.id),
                        "customer": flow.customer,
                        "amount": amount.minor if amount else None,
                        "asset": amount.asset if amount else None,
                        "text": notice.text,
                    },
                )
                for notice in told
                for channel in self.channels
            ],
        )

    def _late(self, claim: Claim, answer: Outcome | Exception | Verdict) -> None:
        """The claim was lost meanwhile: keep what was learned, and say so when it names an object nobody knows."""
        references = answer.references if isinstance(answer, Learned) else ()
        learned: dict[str, Any] = {
            "answer": type(answer).__name__,
            "message": safe_message(answer) if isinstance(answer, Exception) else None,
            "references": [[r.provider, r.kind, r.id] for r in references],
        }
        with self.begin() as connection:
            recording.write_late(connection, claim.attempt, learned)
            for reference in recording.unknown_references(connection, claim.flow.id, references):
                breaks.open_break(
                    connection,
                    BreakFound(
                        provider=reference.provider,
                        type="missing_here",
                        subject=f"{reference.kind} {reference.id}",
                        ours="a late answer of a freed claim",
                        theirs=f"{reference.kind} {reference.id}",
                        amount=claim.flow.amount_out or claim.flow.amount,
                        suggested_action="closes when the flow's own step finds it; else compare with the provider",
                    ),
                    found_by="step",
                    flow=claim.flow.id,
                )


def _duplicate(taken: ReferenceTaken) -> Verdict:
    reference = taken.reference
    message = (
        f"{reference.provider}'s {reference.kind} {reference.id} already belongs to flow {taken.owner}. "
        "Two flows may be one movement of money: compare them, then abandon one."
    )
    return Verdict(
        outcome="parked",
        message=message,
        wait=None,
        death=Death(step="record", error="duplicate_reference", message=message, blame="us"),
        found=BreakFound(
            provider=reference.provider,
            type="duplicate",
            subject=f"{reference.kind} {reference.id}",
            ours=str(taken.owner),
            theirs=reference.id,
            suggested_action="compare both flows with the provider, then abandon one",
        ),
    )
