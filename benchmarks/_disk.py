"""How long the disk alone keeps a commit waiting: no door that keeps what it accepts answers sooner."""

import os
import time
from bisect import bisect_left
from pathlib import Path
from typing import Final

from benchmarks._load import percentile

BYTES: Final = 16_384  # of the log, for a group of events
ROOM: Final = 16 * 1024 * 1024  # as large as a segment of Postgres's log, written over and over as it is
PAUSE_S: Final = 0.001
ARRIVES_EVERY_S: Final = 0.0005


def held_up_p99_ms(folder: Path, seconds: float) -> float:
    """Of moments spread evenly over so many seconds, the 99th percentile until what is written then is on the disk.

    A moment waits for the flush that is under way, then for the next.
    """
    began: list[float] = []
    ended: list[float] = []
    path = folder / "disk"
    with path.open("wb", buffering=0) as file:
        file.write(bytes(ROOM))
        os.fsync(file.fileno())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            os.pwrite(file.fileno(), bytes(BYTES), len(began) * BYTES % ROOM)
            began.append(time.monotonic())
            os.fsync(file.fileno())
            ended.append(time.monotonic())
            time.sleep(PAUSE_S)
    path.unlink()
    return percentile(_waits(began, ended), 0.99) * 1000


def _waits(began: list[float], ended: list[float]) -> list[float]:
    moments = int((began[-1] - began[0]) / ARRIVES_EVERY_S)
    arrivals = [began[0] + number * ARRIVES_EVERY_S for number in range(moments + 1)]
    return [ended[bisect_left(began, arrival)] - arrival for arrival in arrivals]
