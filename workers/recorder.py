"""Record: everything that follows from a step, in one transaction, refused when the claim has moved on."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from db import breaks, dead_letters, flows, gates, ledger, recording
from db.claims import Claim
from db.dead_letters import Death
from db.engine import UnitOfWork
from db.findings import Findings
from db.flows import Due
from db.notifications import Channel, NewNotification
from db.recording import Change, Ending, ReferenceTaken, Standing
from funding.backoff import Backoff
from funding.flow import CLOSED, OPEN, Flow, Step
from funding.outcomes import Advance, BreakFound, Learned, Notification, Outcome, Snooze, WatchEnded
from funding.snapshot import Snapshot, clue
from workers.verdicts import Verdict, judge, safe_message

Results = Sequence[tuple[UUID, str]]  # keys of intentions that were sent, and what became of each


@dataclass(slots=True)
class Recorded:
    """What a record leaves to do after its commit. `standing` None: refused, the claim was no longer ours."""

    standing: Standing | None
    flows: list[Due] = field(default_factory=list)
    next_claim: Claim | None = None


GoOn = Callable[[Connection, Standing], Claim | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes outcomes. `channels` are the ways notifications go out; none configured, none written."""

    begin: UnitOfWork
    flows: Mapping[str, Flow]
    retry: Backoff
    channels: Sequence[Channel]
    draw: random.Random

    def record(
        self,
        claim: Claim,
        step: Step,
        answer: Outcome | Exception,
        results: Results,
        go_on: GoOn,
        *,
        said: Outcome | Exception | None = None,
    ) -> Recorded:
        """Write what the step came to. `go_on` may claim the next step in the same transaction.

        `said`: what the step itself answered, where `answer` stands in its place: a late one keeps what it learned.
        """
        try:
            recorded = self._record(claim, step, answer, results, go_on)
        except ReferenceTaken as taken:
            recorded = self._record(claim, step, _duplicate(taken), results, go_on)
        if recorded.standing is None:
            self._late(claim, said or answer)
        return recorded

    def _record(
        self,
        claim: Claim,
        step: Step,
        answer: Outcome | Exception | Verdict,
        results: Results,
        go_on: GoOn,
    ) -> Recorded:
        with self.begin() as connection:
            match answer:
                case Advance():
                    standing = self._advance(connection, claim, step, answer, results)
                case Snooze():
                    standing = self._snooze(connection, claim, step, answer, results)
                case WatchEnded():
                    standing = self._close(connection, claim, step, answer, results)
                case Verdict():
                    standing = self._fail(connection, claim, step, answer, results)
                case error:
                    verdict = judge(error, flow=claim.flow, step=step, retry=self.retry, draw=self.draw)
                    standing = self._fail(connection, claim, step, verdict, results)
            recorded = Recorded(standing)
            if standing is None:
                connection.rollback()
            elif standing.due_now:
                recorded.next_claim = go_on(connection, standing)
                if recorded.next_claim is None:
                    recorded.flows.append((claim.flow.id, standing.kind, standing.state))
        return recorded

    def _advance(
        self, connection: Connection, claim: Claim, step: Step, outcome: Advance, results: Results
    ) -> Standing | None:
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
            self._found(flow, outcome, results, parks=outcome.park is not None),
        )
        if standing is None:
            return None
        ledger.post(connection, flow.id, outcome.entries)
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
            self._park(connection, claim, death)
        return standing

    def _snooze(
        self, connection: Connection, claim: Claim, step: Step, outcome: Snooze, results: Results
    ) -> Standing | None:
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
            self._found(claim.flow, outcome, results),
        )
        if standing is None:
            return None
        ledger.post(connection, claim.flow.id, outcome.entries)
        self._breaks(connection, claim, outcome)
        return standing

    def _close(
        self, connection: Connection, claim: Claim, step: Step, outcome: WatchEnded, results: Results
    ) -> Standing | None:
        change = Change(state=claim.flow.state, status=CLOSED, provider=None, wait=None)
        ending = Ending(outcome="closed", provider=step.provider)
        standing = recording.record(connection, claim, change, ending, self._found(claim.flow, outcome, results))
        if standing is not None:
            ledger.post(connection, claim.flow.id, outcome.entries)
        return standing

    def _fail(
        self, connection: Connection, claim: Claim, step: Step, verdict: Verdict, results: Results
    ) -> Standing | None:
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
        found = self._found(flow, Learned(), results, parks=parks)
        standing = recording.record(connection, claim, change, ending, found)
        if standing is None:
            return None
        if verdict.found is not None:
            breaks.open_break(connection, verdict.found, found_by="step", flow=flow.id)
        if verdict.pause is not None:
            provider, reason = verdict.pause
            gates.pause(connection, provider, reason=reason, by="rampkeeper")
        if verdict.death is not None:
            self._park(connection, claim, verdict.death)
        return standing

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

    def _breaks(self, connection: Connection, claim: Claim, outcome: Learned) -> list[UUID]:
        return [
            breaks.open_break(connection, found, found_by="step", flow=claim.flow.id).id for found in outcome.breaks
        ]

    def _park(self, connection: Connection, claim: Claim, death: Death) -> None:
        flow = claim.flow
        dead_letters.open_for_flow(
            connection, flow.id, death, kind=flow.kind, attempt=claim.attempt, attempts=flow.tries + 1
        )

    def _found(self, flow: Snapshot, outcome: Learned, results: Results, *, parks: bool = False) -> Findings:
        """What every kind of outcome may carry besides entries. A flow that parks tells people that it is delayed."""
        told = list(outcome.notifications)
        if parks and flow.status == OPEN:
            noun = self.flows[flow.kind].noun
            told.append(
                Notification(
                    type=f"{noun}.delayed",
                    text=f"The {noun} is delayed. It is being looked into; nothing is lost.",
                    cause=str(flow.visit),
                )
            )
        return Findings(
            references=outcome.references,
            results=results,
            readings=outcome.readings,
            links=outcome.links,
            notifications=self._messages(flow, told, outcome) if told and self.channels else (),
        )

    def _messages(self, flow: Snapshot, told: Sequence[Notification], outcome: Learned) -> list[NewNotification]:
        amount = outcome.amount_out or flow.amount_out or outcome.amount or flow.amount
        return [
            NewNotification(
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
        ]

    def _late(self, claim: Claim, answer: Outcome | Exception) -> None:
        """The claim was lost meanwhile: keep what was learned, and say so when it names an object nobody knows."""
        references = answer.references if isinstance(answer, Learned) else ()
        learned: dict[str, Any] = {
            "answer": type(answer).__name__,
            "message": safe_message(answer) if isinstance(answer, Exception) else None,
            "references": [[r.provider, r.kind, r.id] for r in references],
        }
        with self.begin() as connection:
            recording.write_late(connection, claim.attempt, learned)
            unknown = recording.unknown_references(connection, claim.flow.id, references)
            if unknown:
                clues = {clue(one.provider, one.kind, one.id): "" for one in unknown}
                flows.tell(connection, {claim.flow.id: clues})
            for reference in unknown:
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
