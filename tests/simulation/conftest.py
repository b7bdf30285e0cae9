"""The database that histories are played on, one after the other."""

from collections.abc import Iterator

import pytest
import sqlalchemy

from db.engine import make_engine
from tests.simulation.play import CONNECTIONS


@pytest.fixture
def kept(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine that keeps its connections: a new one for each transaction takes more time than the history."""
    engine = make_engine(database_url, pool=CONNECTIONS)
    yield engine
    engine.dispose()
