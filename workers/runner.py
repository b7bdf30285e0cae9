"""The runner: claim, call, record. The one place that knows how; no transaction is open during a call."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from db import claims, recording
from db.claims import Claim
from db.engine import UnitOfWork
from db.intentions import ClaimedIntentions
from db.other_flows import OtherFlows
from db.recording import Standing
from db.trouble import refused
from dispatch.wake import Wake
from funding.calls import Call, Ports
from funding.errors import StaleClaim
from funding.flow import Flow, Step
from funding.outcomes import Outcome
from providers.guards import before_sending
from workers.doors import Place, Places
from workers.recorder import Recorded, Recorder
from workers.session import Session
from workers.turned_away import TurnedAway

log = structlog.get_logger(__name__)

DEFAULT_LIMIT: Final = timedelta(seconds=30)
CUT_OFF_TRIES: Final = 20  # a record whose commit was cut off asks what became of it this often, a quarter second apart
CUT_OFF_WAIT_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs steps for this process's session. While `stopping` is set a flow goes no further than the step it is at.

    `begin` opens transactions; by `at_once` each statement is one.
    """

    begin: UnitOfWork
    at_once: UnitOfWork
    flows: Mapping[str, Flow]
    ports: Ports
    session: Session
    recorder: Recorder
    wake: Wake
    doors: Places
    sleep: Callable[[float], None] = time.sleep
    turned_away: TurnedAway = field(default_factory=TurnedAway)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, step: Step, flow: UUID) -> bool:
        """Run a flow from that step until it waits. A flow that has moved on, or is someone else's, is left alone.

        False: every place at its provider is taken; its row stays due, and is announced when a place is free.
        """
        place = Place(self.doors, left=self.send_for)
        provider = step.provider
        if provider is not None and not self.turned_away.enter(
            provider,
            flow,
            take=lambda: place.take(provider),
            announce=lambda: self.wake.flows([(flow, step.flow, next(iter(step.on)))]),
        ):
            return False
        try:
            self.session.claiming()
            with self.at_once() as connection:
                claim = self._claim(connection, flow, step, quick=True)
            while claim is not None:
                claim = self._step(claim, place)
        finally:
            place.leave()
            self._send_where_guests_were(place)
        return True

    def send_for(self, provider: str) -> None:
        """A place is free at that provider: send for what was turned away there first."""
        self.turned_away.send_for_next(provider)

    def _send_where_guests_were(self, place: Place) -> None:
        """A step that reads at a second provider takes a place there for the call, and leaves it without a word."""
        for provider in self.turned_away.waiting() - place.been:
            if self.doors.try_enter(provider):
                self.doors.leave(provider)
                self.send_for(provider)

    def _claim(self, connection: Connection, flow: UUID, step: Step, *, quick: bool) -> Claim | None:
        return claims.claim(
            connection,
            flow,
            step,
            attempt=uuid4(),
            session=self.session.id,
            hard_limit=self._limit(step),
            quick=quick,
        )

    def _step(self, claim: Claim, place: Place) -> Claim | None:
        """One attempt. The next claim, when the flow goes straight on: there is a place at whom its next step asks."""
        step = self.flows[claim.flow.kind].step_of(claim.flow.state)
        if step is None:
            raise StaleClaim(f"{claim.flow.kind}.{claim.flow.state} has no step")
        place.keep(step.provider)
        call = self._call(claim, step)
        try:
            with before_sending(lambda: self.session.check_before_sending(lambda: self._keep(claim, step))):
                answer: Outcome | Exception = step.act(claim.flow, call)
        except StaleClaim as stale:
            self._release(claim, str(stale))
            return None
        except SQLAlchemyError as error:
            if not refused(error):
                # Our own database failed us before anything was sent: nothing is charged to the flow.
                self._release(claim, "our database could not be reached")
                return None
            answer = error
        except Exception as error:  # noqa: BLE001 -- whatever a step raises becomes an outcome of its attempt
            answer = error
        self.session.claiming()
        recorded = self._record(claim, step, answer, call, place)
        self._announce(claim, step, answer, recorded)
        return recorded.next_claim

    def _call(self, claim: Claim, step: Step) -> Call:
        provider = step.provider or ""
        return Call(
            flow=claim.flow,
            step=step.name,
            ports=self.ports,
            intentions=ClaimedIntentions(
                self.at_once,
                claim,
                step=step.name,
                provider=provider,
                limit=self._limit(step),
            ),
            others=OtherFlows(self.begin, claim),
        )

    def _record(self, claim: Claim, step: Step, answer: Outcome | Exception, call: Call, place: Place) -> Recorded:
        following: Claim | None = None
        said = answer

        def go_on(connection: Connection, standing: Standing) -> Claim | None:
            nonlocal following
            after = self.flows[standing.kind].step_of(standing.state)
            if after is None or self.stopping.is_set() or not place.take(after.provider):
                return None
            following = self._claim(connection, claim.flow.id, after, quick=False)
            return following

        for _ in range(CUT_OFF_TRIES):
            following = None
            try:
                return self.recorder.record(claim, step, answer, call.results, go_on, said=said)
            except SQLAlchemyError as error:
                if refused(error):
                    # The answer itself was refused (a balance below zero, a value no column holds): a bug of the step.
                    answer = _bug(error, of=answer)
                    continue
                log.warning("record.cut_off", flow=str(claim.flow.id), attempt=str(claim.attempt))
                if self._stands(claim, following):
                    return Recorded(None, next_claim=following)  # it stands too: the same transaction made it
                self.sleep(CUT_OFF_WAIT_S)
            except Exception as error:  # noqa: BLE001 -- an answer that cannot be recorded is a bug: tried again, then a letter
                answer = _bug(error, of=answer)
        log.error("record.given_up", flow=str(claim.flow.id), consequence="the claim is freed and the step made again")
        return Recorded(None)

    def _stands(self, claim: Claim, following: Claim | None) -> bool:
        """Whether a record whose commit was cut off stands: its own attempt row says so, or that of the next step.

        Freed meanwhile, it does not: made again it is refused, and writes down what it learned.
        """
        for _ in range(CUT_OFF_TRIES):
            try:
                with self.begin() as connection:
                    made = following.attempt if following else None
                    return recording.stands(connection, claim.attempt, following=made)
            except SQLAlchemyError:
                self.sleep(CUT_OFF_WAIT_S)
        return False

    def _keep(self, claim: Claim, step: Step) -> bool:
        with self.begin() as connection:
            return claims.keep(connection, claim, hard_limit=self._limit(step))

    def _release(self, claim: Claim, reason: str) -> None:
        try:
            with self.begin() as connection:
                claims.release(connection, claim, reason=reason)
        except SQLAlchemyError:
            log.warning("claim.not_released", flow=str(claim.flow.id), consequence="the leader frees it")

    def _announce(self, claim: Claim, step: Step, answer: Outcome | Exception, recorded: Recorded) -> None:
        if recorded.standing is None:
            log.warning("step.late", flow=str(claim.flow.id), step=step.actor_name)
        elif isinstance(answer, Exception):
            log.info("step.failed", flow=str(claim.flow.id), step=step.actor_name, error=type(answer).__name__)
        else:
            log.info(
                "step.done",
                flow=str(claim.flow.id),
                step=step.actor_name,
                answer=type(answer).__name__,
                state=recorded.standing.state,
            )
        self.wake.flows(recorded.flows)
        if recorded.standing is not None:
            self.wake.events(recorded.standing.events)
            self.wake.notifications(recorded.standing.notifications)

    def _limit(self, step: Step) -> timedelta:
        policy = self.ports.policies.get(step.provider or "")
        return policy.hard_limit if policy else DEFAULT_LIMIT


def _bug(error: Exception, *, of: Outcome | Exception) -> Exception:
    """What is recorded in place of an answer that could not be. Raises: `error`: that was such a one already."""
    if isinstance(of, Exception):
        raise error
    return error
