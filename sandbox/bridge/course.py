"""States that follow one another by themselves, at their moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sandbox.bridge.model import Course

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.world import World


class HasCourse(Protocol):
    """Anything with states to come."""

    course: Course


One = TypeVar("One", bound=HasCourse)


class Courses(Generic[One]):
    """Plans and takes the coming states of one kind of record; `move` gives a record a state."""

    def __init__(self, world: World, move: Callable[[One, str], None]) -> None:
        self._world = world
        self._move = move

    def plan(self, one: One, path: Sequence[str], step_seconds: float | Sequence[float]) -> None:
        """Replace what is still to come: one wait before every state, or a list of them. Raises: ValueError."""
        names = [str(state) for state in path]
        if isinstance(step_seconds, int | float):
            waits = [float(step_seconds)] * len(names)
        else:
            waits = [float(wait) for wait in step_seconds]
        if len(waits) < len(names):
            raise ValueError(f"{len(names)} waits are needed before {len(names)} states")
        one.course.steps.clear()
        one.course.steps.extend(zip(names, waits, strict=False))
        self._plan_next(one)

    def advance(self, one: One) -> bool:
        """Take the next state now instead of later; False if none is planned."""
        if not one.course.steps:
            return False
        state, _ = one.course.steps.popleft()
        self._plan_next(one)  # first: what a state does may plan anew
        self._move(one, state)
        return True

    def _plan_next(self, one: One) -> None:
        if one.course.coming is not None:
            one.course.coming.cancelled = True
            one.course.coming = None
        if one.course.steps:
            _, wait = one.course.steps[0]
            one.course.coming = self._world.after(wait, lambda: self._step(one))

    def _step(self, one: One) -> None:
        self.advance(one)


def path_of(given: object) -> tuple[str, ...]:
    """A course as it came in a request: a list of text. Raises: ValueError."""
    if not isinstance(given, list | tuple) or not given or not all(isinstance(one, str) and one for one in given):
        raise ValueError("a path is a list of states, at least one")
    return tuple(given)
