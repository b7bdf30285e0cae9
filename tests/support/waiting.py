"""Waiting for facts, and looking at other processes."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def eventually(fact: Callable[[], object], *, within_s: float = 20.0, what: str = "") -> None:
    """Wait until `fact()` holds; fail by a deadline."""
    deadline = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or fact}")
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
