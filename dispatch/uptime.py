"""How much time has passed, that included in which the host itself stood still."""

import time


def since_boot() -> float:
    """Seconds on a clock that never steps. Python's monotonic clock stops while a Linux host is suspended.

    Whoever trusts a beat or a lease for so many seconds must not think it fresh after a night's sleep.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
