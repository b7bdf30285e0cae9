"""How a setting is declared, and what is said of a bad one."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Problem:
    """One bad setting: its name, what is wrong with it, and what a good one looks like."""

    name: str
    reason: str
    example: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; for example {self.name}={self.example}"


class SettingsError(Exception):
    """The environment cannot be used; `problems` lists every bad setting, in the order of the documentation."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(["these settings must be mended:", *(f"  {problem}" for problem in problems)]))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `default` is written as in the environment; empty means none."""

    name: str
    read: Callable[[str], Any]
    says: str
    example: str
    default: str
    required: bool


def setting(
    name: str, read: Callable[[str], Any], says: str, *, example: str, default: str = "", required: bool = False
) -> Any:
    """Declare one setting as a field; its value is None when it is unset and has no default."""
    return dataclasses.field(metadata={"setting": Setting(name, read, says, example, default, required)})


def table(group: type[Any]) -> Iterator[tuple[str, Setting]]:
    """The settings of one group, each with the name of its field, in the order of the documentation."""
    for declared in dataclasses.fields(group):
        if "setting" in declared.metadata:
            yield declared.name, declared.metadata["setting"]


class Group:
    """Settings that belong together: a frozen dataclass whose docstring's first line heads their documentation."""

    __slots__ = ()

    # Of a provider: its ways to be let in, each by the names of its settings, all of them or none.
    CREDENTIALS: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @staticmethod
    def disagreements(_values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What one of the group's settings allows and another forbids: the name to mend, and the reason."""
        yield from ()
