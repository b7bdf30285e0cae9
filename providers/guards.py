"""What must hold right before bytes leave: the caller's own check, asked by every client it calls through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]

_check: ContextVar[Check | None] = ContextVar("rampkeeper_before_sending", default=None)


@contextmanager
def before_sending(check: Check) -> Iterator[None]:
    """Within the block, `check` is asked on this thread before each request's first byte leaves.

    What it raises (StaleClaim, say) goes through to the caller as it is, and nothing has been sent.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def ask() -> None:
    """Ask the check in force, if there is one. Raises: whatever it raises."""
    check = _check.get()
    if check is not None:
        check()
