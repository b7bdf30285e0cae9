"""What an alert looks at: said once, read two ways, as PromQL and on figures of our own.

Every web process shows the same figures, so the highest of equal series is taken first: adding processes must not add
up what they show.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from ops.reports.metrics import FIGURES, PREFIX

Readings = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]  # by figure: its samples, labels and value
Where = Mapping[str, tuple[str, ...]]  # by label: the values that count; a label not named counts whatever it is
Values = dict[tuple[str, ...], float]  # by the values of the labels in `by`

_FOLDS: Final[Mapping[str, Callable[[list[float]], float]]] = {"max": max, "min": min, "sum": sum}


class Expression(Protocol):
    """A value for each group of `by`."""

    @property
    def figure(self) -> str:
        """The figure it looks at."""
        ...

    @property
    def by(self) -> tuple[str, ...]:
        """The labels that tell its values apart."""
        ...

    def promql(self) -> str:
        """The same in Prometheus's words."""
        ...

    def values(self, readings: Readings) -> Values:
        """The values now. A group without samples has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The figure itself: the highest, the lowest or the sum of each group."""

    figure: str
    by: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    fold: Literal["max", "min", "sum"] = "max"

    def promql(self) -> str:
        """The same in Prometheus's words."""
        if self.fold == "sum":
            return _sum(self.figure, self.by, self.where)
        return f"{self.fold}{_by(self.by)} ({_selected(self.figure, self.where)})"

    def values(self, readings: Readings) -> Values:
        """The values now."""
        groups = _grouped(readings, self.figure, self.by, self.where)
        return {group: _FOLDS[self.fold](samples) for group, samples in groups.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What part of a group's sum is made of some of its samples, from 0 to 1; only where there are `enough`.

    Ask for the share of what is bad: a part that nothing belongs to has no series in Prometheus, and no value here.
    """

    figure: str
    by: tuple[str, ...]
    part: Where
    whole: Where = field(default_factory=dict)
    enough: int

    def promql(self) -> str:
        """The same in Prometheus's words."""
        part, whole = _sum(self.figure, self.by, self.part), _sum(self.figure, self.by, self.whole)
        return f"({part} / {whole} and {whole} >= {self.enough})"

    def values(self, readings: Readings) -> Values:
        """The values now."""
        parts = _grouped(readings, self.figure, self.by, self.part)
        wholes = {group: sum(v) for group, v in _grouped(readings, self.figure, self.by, self.whole).items()}
        return {
            group: sum(samples) / wholes[group]
            for group, samples in parts.items()
            if wholes.get(group, 0) >= self.enough
        }


def _grouped(readings: Readings, figure: str, by: tuple[str, ...], where: Where) -> dict[tuple[str, ...], list[float]]:
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for labels, value in readings.get(figure, ()):
        if all(labels[label] in values for label, values in where.items()):
            groups[tuple(labels[label] for label in by)].append(value)
    return groups


def _selected(figure: str, where: Where) -> str:
    if not where:
        return PREFIX + figure
    wanted = (
        f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'
        for label, values in where.items()
    )
    return f"{PREFIX}{figure}{{{', '.join(wanted)}}}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _sum(figure: str, by: tuple[str, ...], where: Where) -> str:
    # What a scrape adds to tell processes apart is left out before anything is added up.
    labels = next((tuple(known.labels) for known in FIGURES if known.name == figure), ())
    return f"sum{_by(by)} (max{_by(labels)} ({_selected(figure, where)}))"
