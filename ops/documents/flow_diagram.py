"""Draws a flow's table as a Mermaid state diagram, and tells its states and steps in tables beside it."""

from collections.abc import Iterator
from datetime import timedelta

from funding.flow import CLOSED, OPEN, RESTING, Flow, Step

FOR_EVER = timedelta(days=10_000)

_LOOKS = {
    OPEN: "stroke-width:1px",
    RESTING: "stroke-width:1px,stroke-dasharray:6 4",
    CLOSED: "stroke-width:3px",
}


def diagram(flow: Flow) -> str:
    """The Mermaid source: an arrow for each move a step may make; those that may create something say so."""
    lines = ["stateDiagram-v2", "    direction TB", f"    [*] --> {flow.start}"]
    lines += [f"    {state} --> {to}: {_label(step)}" for state, to, step in moves(flow)]
    lines += [f"    {state} --> [*]: watch ends" for state in flow.resting]
    lines += [f"    {state} --> [*]" for state in flow.closed]
    for status, look in _LOOKS.items():
        named = [state for state in states(flow) if flow.status_of(state) == status]
        if named:
            lines += [f"    classDef {status} {look}", f"    class {', '.join(named)} {status}"]
    return "\n".join(lines)


def states(flow: Flow) -> tuple[str, ...]:
    """Every state in the order of the table: open, resting, closed."""
    return tuple(str(state) for state in (*flow.open, *flow.resting, *flow.closed))


def moves(flow: Flow) -> Iterator[tuple[str, str, Step]]:
    """Each (state, state reached, step). A step that may stop at a state on the way is drawn through that state."""
    for state in states(flow):
        step = flow.step_of(state)
        for to in states(flow) if step else ():
            if step and to in step.may_reach and not _passes(flow, step, state, to):
                yield state, to, step


def _passes(flow: Flow, step: Step, state: str, to: str) -> bool:
    """Whether that move goes through a state in between, or is no move at all.

    Only the way of one that goes well is drawn through its states: a step that has more to tell goes from each to the
    next. What leaves the way, to a return or an end, may leave it anywhere.
    """
    if state == to:
        return len(step.on) > 1  # it may reach this state from another of its own
    if to not in flow.way:
        return False
    order = states(flow)
    between = [via for via in order[order.index(state) + 1 : order.index(to)] if via in flow.way]
    following = (flow.step_of(via) for via in between if via in step.may_reach and flow.status_of(via) == OPEN)
    return any(after and to in after.may_reach and after.provider == step.provider for after in following)


def _label(step: Step) -> str:
    return f"{step.name} (creates at {step.provider})" if step.creates else step.name


def tables(flow: Flow) -> str:
    """Two tables in Markdown: the states, and the steps with the first line of what each says of itself."""
    lines = ["| state | kind | step | time limit |", "|--|--|--|--|"]
    for state in states(flow):
        step = flow.step_of(state)
        lines.append(
            f"| `{state}` | {flow.status_of(state)} | {f'`{step.name}`' if step else ''} | {_limit(flow, state)} |"
        )
    lines += ["", "| step | speaks to | creates | does |", "|--|--|--|--|"]
    for step in flow.steps():
        does = (step.act.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| `{step.name}` | {step.provider or 'nobody'} | {'yes' if step.creates else 'no'} | {does} |")
    return "\n".join(lines)


def _limit(flow: Flow, state: str) -> str:
    if state in flow.resting:
        listens = flow.resting[state]
        return "goes on listening" if listens >= FOR_EVER else f"listens for {_length(listens)}, then closes"
    return f"reported stuck after {_length(flow.limits[state])}" if state in flow.limits else ""


def _length(time: timedelta) -> str:
    if time >= timedelta(days=2):
        return f"{time.days} days"
    hours = time.total_seconds() / 3600
    return f"{hours:g} hour{'' if hours == 1 else 's'}"
