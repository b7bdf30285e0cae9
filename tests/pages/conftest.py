"""What tests of the pages share: visitors, and deposits on their way."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.deposit_house import DepositHouse
from tests.support.visitor import Visitor, visiting


@pytest.fixture
def stranger(engine: Engine) -> Iterator[Visitor]:
    """Someone who has not signed in."""
    with visiting(engine) as visitor:
        yield visitor


@pytest.fixture
def ana(stranger: Visitor) -> Visitor:
    """Someone who has."""
    return stranger.sign_in()


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    """Deposits on their way: everything real but the providers, and time."""
    house = DepositHouse(engine)
    yield house
    house.close()
