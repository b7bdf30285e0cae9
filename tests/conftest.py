"""What every test may ask for: real servers, a fresh migrated database, an empty queue.

Sockets that would leave this machine are refused, warnings are errors and a test has two minutes: see pyproject.toml.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy
import structlog
from hypothesis import HealthCheck, settings

from embedded.leash import end_with_parent
from embedded.services import Services
from tests.support.browser import BROWSER_MISSING, find_browser
from tests.support.databases import Databases
from tests.support.servers import Servers

SERVERS = pytest.StashKey[Servers]()


# How long an example takes says something of the machine only.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = Servers(config)
    started_by_ours = os.environ.get("RAMPKEEPER_TEST_PARENT") == str(os.getppid())  # bin/test
    if started_by_ours or hasattr(config, "workerinput"):
        end_with_parent(os.getppid())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.config.stash[SERVERS].share_with(node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share something dear go to one worker."""
    from tests.support.grouping import TogetherScheduling  # noqa: PLC0415 - a run of one process needs no xdist

    return TogetherScheduling(config, log) if config.getoption("dist") in {"load", "loadgroup"} else None


def pytest_unconfigure(config: pytest.Config) -> None:
    if servers := config.stash.get(SERVERS, None):
        servers.stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Page tests need a browser; where it is expected, its absence is a failure."""
    if item.get_closest_marker("browser") and find_browser() is None:
        if os.environ.get("CI"):
            pytest.fail("no browser: install chromium and chromedriver, as .ci/run does", pytrace=False)
        pytest.skip(BROWSER_MISSING)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count tests skipped for want of a browser apart, so that the closing line says so."""
    if report.skipped and BROWSER_MISSING in str(report.longrepr):
        return BROWSER_MISSING, "b", "SKIPPED (no browser)"
    return None


@pytest.fixture(scope="session", autouse=True)
def _keep_no_loggers() -> Iterator[None]:
    """A logger that is kept when first used in one test would speak with that test's words in the next."""
    configure = structlog.configure

    def keeping_none(*settings: Any, **more: Any) -> None:
        configure(*settings, **more | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(structlog, "configure", keeping_none)
        yield


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """However a test sets up logging, the next finds it as this one did."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Services:
    """Where PostgreSQL and Valkey are. A test that stops or kills PostgreSQL starts its own `PostgresServer`."""
    return request.config.stash[SERVERS].services()


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, services: Services) -> str:
    """Name of a database at the newest schema, to be cloned, never connected to."""
    from migrations.run import upgrade  # noqa: PLC0415 - a broken migration fails the tests that need it, not all

    name = request.config.stash[SERVERS].template
    Databases(services.database_url).make_template(name, upgrade)
    return name


@pytest.fixture
def database_url(services: Services, template: str) -> Iterator[str]:
    """A database of this test's own, at the newest schema, without rows."""
    with Databases(services.database_url).clone(template) as url:
        yield url


@pytest.fixture
def empty_database_url(services: Services) -> Iterator[str]:
    """A database of this test's own without any schema."""
    with Databases(services.database_url).clone("template0") as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine on this test's own database."""
    from db.engine import make_engine  # noqa: PLC0415 - the tests of the servers alone need no schema

    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def valkey_url(services: Services) -> str:
    """An empty database of this worker's own Valkey."""
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushdb()
    return services.redis_url
