"""One day of on-ramps, withdrawals and top-ups for all tests of this folder, looked at but not changed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import make_engine
from embedded.services import Services
from tests.support.databases import Databases
from tests.support.deposit_house import DepositHouse
from tests.support.ramps_scene import RampsScene, play

CONNECTIONS = 12


@pytest.fixture(scope="session")
def engine(services: Services, template: str) -> Iterator[Engine]:
    with Databases(services.database_url).clone(template) as url:
        engine = make_engine(url, pool=CONNECTIONS)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def scene(engine: Engine) -> RampsScene:
    house = DepositHouse(engine)
    try:
        return play(house)
    finally:
        house.close()
