"""The house of deposits, and what must be true of it after every test."""

from collections.abc import Iterator

import pytest
import sqlalchemy

from tests.simulation.truth import untrue
from tests.support.deposit_house import DepositHouse


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
