"""An act's answer, or the refusal it is allowed to end in."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def told(act: Callable[[], T], refusal: type[E]) -> T | E:
    """Any other error passes through."""
    try:
        return act()
    except refusal as refused:
        return refused
