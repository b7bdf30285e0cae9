"""What several tests of this folder share: a door that is watched."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.engine import make_engine
from embedded.services import Services
from tests.support.bad_events import Seen, watching
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def door(services: Services, template: str) -> Iterator[Seen]:
    """A door for many cases one after the other: each empties what it is about first."""
    with Databases(services.database_url).clone(template) as url:
        engine = make_engine(url)
        with watching(engine, url) as seen:
            yield seen
        engine.dispose()


@pytest.fixture
def fresh_door(engine: Engine, database_url: str) -> Iterator[Seen]:
    """A door that nobody has come to yet."""
    with watching(engine, database_url) as seen:
        yield seen
