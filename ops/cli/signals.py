"""Ends by signal that still clean up: what is asked to stop leaves its blocks as after an error."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

ASKED: Final = (signal.SIGTERM, signal.SIGHUP)  # SIGINT raises KeyboardInterrupt by itself
BY_SIGNAL: Final = 128  # what a shell adds to a signal's number to make an exit code
INTERRUPTED: Final = BY_SIGNAL + signal.SIGINT


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, and Ctrl-C too, within the block; exit codes as a shell gives them.

    A signal that was ignored from outside (`nohup`) stays ignored. For the main thread only.
    """
    before = {number: signal.getsignal(number) for number in ASKED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _leave)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(BY_SIGNAL + number)
