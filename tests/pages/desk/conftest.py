"""One day at the desk for all tests of this folder, in a database of its own, looked at but not changed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import make_engine
from embedded.services import Services
from tests.pages.desk.looked_into import LookedInto, look_into
from tests.support.databases import Databases
from tests.support.deposit_house import DepositHouse
from tests.support.desk_scene import Scene, play

CONNECTIONS = 12


@pytest.fixture(scope="session")
def engine(services: Services, template: str) -> Iterator[Engine]:
    with Databases(services.database_url).clone(template) as url:
        engine = make_engine(url, pool=CONNECTIONS)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def scene(day: tuple[Scene, LookedInto]) -> Scene:
    return day[0]


@pytest.fixture(scope="session")
def looked_into(day: tuple[Scene, LookedInto]) -> LookedInto:
    return day[1]


@pytest.fixture(scope="session")
def day(engine: Engine) -> tuple[Scene, LookedInto]:
    house = DepositHouse(engine)
    try:
        scene = play(house)
    finally:
        house.close()
    with engine.begin() as connection:
        return scene, look_into(connection, scene)
