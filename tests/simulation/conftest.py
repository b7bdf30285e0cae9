"""The database that histories are played on, one after the other."""

from collections.abc import Iterator

import pytest
import sqlalchemy

from tests.simulation.play import engine_on


@pytest.fixture
def kept(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine that keeps its connections: a new one for each transaction takes more time than the history."""
    engine = engine_on(database_url)
    yield engine
    engine.dispose()
