"""The house of deposits, and what must be true of it after every test."""

from collections.abc import Iterator

import pytest
import sqlalchemy

from db.engine import make_engine
from tests.simulation.truth import untrue
from tests.support.deposit_house import DepositHouse

CONNECTIONS = 8  # more than a house ever holds at once


@pytest.fixture
def engine(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """One that keeps its connections: days of a deposit's life are thousands of transactions."""
    engine = make_engine(database_url, pool=CONNECTIONS)
    yield engine
    engine.dispose()


@pytest.fixture
def house(engine: sqlalchemy.Engine, request: pytest.FixtureRequest) -> Iterator[DepositHouse]:
    """A house whose books agree with the providers' at the end, unless the test says why they may not.

    An indirect parameter configures the pretended providers.
    """
    house = DepositHouse(engine, **getattr(request, "param", {}))
    try:
        yield house
        if house.books_differ is None:
            assert untrue(engine, house.world) == []
    finally:
        house.close()
