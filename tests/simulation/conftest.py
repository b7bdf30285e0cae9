"""The stage that histories are played on, one after the other."""

from collections.abc import Iterator

import pytest

from tests.simulation.stage import Stage


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    """A stage on a database of this test's own."""
    with Stage(database_url) as stage:
        yield stage
