"""Time that a suspended host slept through has passed all the same."""

import time

import pytest

from dispatch.uptime import since_boot


def test_is_read_from_the_clock_that_counts_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that counts sleep")
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)  # as if it had slept since it was started
    before = since_boot()
    assert before > 0
    assert since_boot() >= before


def test_elsewhere_is_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 42.0)
    assert since_boot() == 42.0
