"""The flow engine's vocabulary: a flow is a state machine, a step is what is done in some of its states."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from funding.calls import Call
from funding.errors import RampkeeperError
from funding.outcomes import Advance, Outcome
from funding.snapshot import Snapshot

OPEN: Final = "open"
RESTING: Final = "resting"
CLOSED: Final = "closed"

Act = Callable[[Snapshot, Call], Outcome]


class ImpossibleMove(RampkeeperError):
    """A step answered with a state it may not reach: a bug of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One idempotent piece of a flow. `provider` is whom it mainly speaks to; `creates`: it may make things there."""

    flow: str
    name: str
    on: frozenset[str]
    may_reach: frozenset[str]
    provider: str | None
    creates: bool
    act: Act

    @property
    def actor_name(self) -> str:
        """The name of the actor made from this step."""
        return f"{self.flow}.{self.name}"


@dataclass(slots=True)
class Flow:
    """A kind of movement of money: its states, what each may lead to, and the step of each.

    `resting` states count as finished but still listen for as long as theirs says; `closed` are over. `limits` say how
    long a flow may stay in a state before it is reported stuck. `way`: the states of one that goes well, in order.
    """

    name: str
    start: str
    noun: str  # what its notifications call it: "deposit" gives deposit.delayed
    open: Collection[str]
    resting: dict[str, timedelta] = field(default_factory=dict)
    closed: Collection[str] = ()
    limits: dict[str, timedelta] = field(default_factory=dict)
    way: Sequence[str] = ()
    _steps: dict[str, Step] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All open states and then the resting ones, where nothing else is said."""
        self.way = self.way or (*self.open, *self.resting)

    def step(
        self, *, on: Collection[str], may_reach: Collection[str], provider: str | None, creates: bool = False
    ) -> Callable[[Act], Act]:
        """Make a function the step of the states `on`."""

        def register(act: Act) -> Act:
            step = Step(
                flow=self.name,
                name=act.__name__,
                on=frozenset(on),
                may_reach=frozenset(may_reach),
                provider=provider,
                creates=creates,
                act=act,
            )
            for state in on:
                if state in self._steps:
                    raise ImpossibleMove(f"{self.name}.{state} already has the step {self._steps[state].name}")
                self._steps[state] = step
            return act

        return register

    def step_of(self, state: str) -> Step | None:
        """The step of a state; None when the flow is over there."""
        return self._steps.get(state)

    def steps(self) -> Iterator[Step]:
        """Every step once, in the order of the file."""
        return iter(dict.fromkeys(self._steps.values()))

    def status_of(self, state: str) -> str:
        """Whether a flow in that state is open, resting or closed."""
        if state in self.resting:
            return RESTING
        return CLOSED if state in self.closed else OPEN

    def path(self, step: Step, state: str, outcome: Advance) -> tuple[str, ...]:
        """The states an answer leads through, checked against the table. Raises: ImpossibleMove."""
        path = (*(passed.state for passed in outcome.through), outcome.to)
        unknown = [to for to in path if to not in step.may_reach]
        if unknown:
            raise ImpossibleMove(f"{self.name}.{step.name} may not lead from {state} to {', '.join(unknown)}")
        return path
