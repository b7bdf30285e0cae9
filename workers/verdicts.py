"""What an error in a step means for its flow: wait, try again, or ask a person. Pure rules, no I/O."""

import random
import traceback
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from db.dead_letters import Death
from funding.backoff import Backoff
from funding.calls import SettleFirst
from funding.errors import (
    Misconfigured,
    NeedsPerson,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    UnexpectedAnswer,
    WouldCreate,
)
from funding.flow import Step
from funding.outcomes import BreakFound
from funding.snapshot import Snapshot

UNAVAILABLE: Final = Backoff(first=timedelta(seconds=2), ceiling=timedelta(minutes=5))
MISCONFIGURED_WAIT: Final = timedelta(minutes=1)  # the provider is paused meanwhile: nothing is announced


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`wait` None: park with `death`. `costs_try`: it counts against the tries. `outcome` names it in the attempt.

    `unread`: nothing has been read, so it is a miss, and a parked flow that was woken looks again too. `pause`: a
    provider that must not be asked any more until a person resumes it, and why.
    """

    outcome: str
    message: str
    wait: timedelta | None
    costs_try: bool = False
    death: Death | None = None
    found: BreakFound | None = None
    unread: bool = False
    pause: tuple[str, str] | None = None


def judge(error: Exception, *, flow: Snapshot, step: Step, retry: Backoff, draw: random.Random) -> Verdict:
    """What to do about an error of a step."""
    match error:
        case WouldCreate():
            return Verdict(outcome="listening", message=str(error), wait=None)
        case SettleFirst(wait=wait):
            return Verdict(outcome="settling", message=str(error), wait=wait)
        case ProviderThrottled(retry_after=timedelta() as after):
            # Whoever limits us, we or they, has said when to come back: coming later each time would only lose time.
            return _unread("throttled", error, UNAVAILABLE.wait(1, draw=draw, at_least=after))
        case ProviderUnavailable(retry_after=after):
            outcome = "throttled" if isinstance(error, ProviderThrottled) else "unavailable"
            return _unread(outcome, error, UNAVAILABLE.wait(flow.misses + 1, draw=draw, at_least=after))
        case UnexpectedAnswer():
            # A reading never exhausts the tries: it goes on until the state's time limit reports the flow stuck.
            return _unread("unreadable", error, UNAVAILABLE.wait(flow.misses + 1, draw=draw))
        case Misconfigured():
            verdict = _unread("misconfigured", error, MISCONFIGURED_WAIT)
            return replace(verdict, pause=(error.provider, refused_us(error)))
        case NeedsPerson():
            return Verdict(
                outcome="parked",
                message=str(error),
                wait=None,
                death=Death(step=step.name, error="needs_person", message=str(error), blame=error.blame),
                found=_break_of(error, flow, step),
            )
        case NotFound() | OutcomeUnknown():
            return _try_again(error, flow=flow, step=step, retry=retry, draw=draw)
        case ProviderRejected():
            return Verdict(outcome="rejected", message=str(error), wait=None, death=_refusal(error, step))
        case _:
            return _try_again(error, flow=flow, step=step, retry=retry, draw=draw)


def refused_us(error: Misconfigured) -> str:
    """Why a provider is paused that does not take our credentials."""
    return f"it refused us: {error}"


def _unread(outcome: str, error: ProviderError, wait: timedelta) -> Verdict:
    """Nothing was learned and nothing was done: the same again later."""
    return Verdict(outcome=outcome, message=str(error), wait=wait, unread=True)


def _try_again(error: Exception, *, flow: Snapshot, step: Step, retry: Backoff, draw: random.Random) -> Verdict:
    """A try is spent; after the last one a person is asked."""
    outcome = "error"
    if isinstance(error, ProviderError):
        outcome = {OutcomeUnknown: "unknown", NotFound: "not_found"}.get(type(error), "error")
    number = flow.tries + 1
    message = safe_message(error)
    if number < retry.tries:
        return Verdict(outcome=outcome, message=message, wait=retry.wait(number, draw=draw), costs_try=True)
    death = Death(
        step=step.name,
        error=outcome if outcome != "error" else type(error).__name__,
        message=f"{message} ({number} tries). {_ADVICE.get(outcome, _ADVICE['error'])}",
        blame="provider" if isinstance(error, ProviderError) else "us",
        provider=error.provider if isinstance(error, ProviderError) else step.provider,
        code=error.code if isinstance(error, ProviderError) else None,
        request_id=error.request_id if isinstance(error, ProviderError) else None,
        traceback=None if isinstance(error, ProviderError) else _frames(error),
    )
    return Verdict(outcome=outcome, message=message, wait=None, costs_try=True, death=death)


_ADVICE: Final = {
    "unknown": "The effect may exist: a replay looks it up before anything is sent again.",
    "not_found": "Ask the provider whether the object exists, then replay or abandon.",
    "error": "This is a bug of ours: mend it, deploy, then replay.",
}


def _refusal(error: ProviderRejected, step: Step) -> Death:
    return Death(
        step=step.name,
        error=f"rejected_{error.code or error.status or 'request'}",
        message=f"{error.provider} refused: {error}. Nothing happened there. Clear the cause with {error.provider}, "
        "then replay; or abandon.",
        blame="provider",
        provider=error.provider,
        code=error.code,
        request_id=error.request_id,
    )


def _break_of(error: NeedsPerson, flow: Snapshot, step: Step) -> BreakFound | None:
    if error.break_type is None:
        return None
    return BreakFound(
        provider=step.provider or "rampkeeper",
        type=error.break_type,
        subject=f"flow {flow.id}",
        ours=error.ours,
        theirs=error.theirs,
        amount=flow.amount_out or flow.amount,
        suggested_action=error.suggested_action,
    )


def safe_message(error: Exception) -> str:
    """The message of an error of ours; of any other only its class, for its text may quote data."""
    return str(error) if isinstance(error, ProviderError) else f"unexpected {type(error).__name__}"


def _frames(error: Exception) -> str:
    """Where it happened: files, lines and functions, without the values of the message."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
