"""Web, worker and clock through a real PgBouncer in transaction mode, four connections for all, one of them a crash."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ops.cli.system import PRODUCT
from tests.support.fleet import Fleet
from tests.support.pgbouncer import MISSING, PgBouncer, find_pgbouncer

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_pgbouncer() is None, reason=MISSING),
]

CONNECTIONS = 4
MISBEHAVING = (
    {"name": "webhook_dropped", "provider": "due", "probability": 0.3},
    {"name": "reply_lost", "provider": "*", "probability": 0.1},
    {"name": "server_error_after", "provider": "*", "probability": 0.1},
)


@pytest.fixture(scope="module")
def pooler(running: Fleet) -> Iterator[PgBouncer]:
    """The fleet's processes started anew behind it; afterwards they are as they were."""
    supervisor = running.system.supervisor
    direct = [supervisor._states[name].process for name in PRODUCT]
    with PgBouncer(running.system.services.database_url, connections=CONNECTIONS) as pooler:
        through = {"DATABASE_URL": pooler.url, "DATABASE_POOLER": "transaction"}
        try:
            for process in direct:
                supervisor.retire(process.name)
            supervisor.start(*(replace(process, env={**process.env, **through}) for process in direct))
            yield pooler
        finally:
            for process in direct:
                supervisor.retire(process.name)
            supervisor.start(*direct)


def connections(fleet: Fleet) -> int:
    """To the server, but for the one that asks."""
    return int(
        fleet.one("""
            SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
        """)
    )


def test_deposits_with_faults_end_well_through_it(fleet: Fleet, pooler: PgBouncer) -> None:
    fleet.faults(*MISBEHAVING)
    sent = fleet.send(12)
    fleet.under_way(sent, at_least=4)
    assert 1 <= connections(fleet) <= CONNECTIONS, "nobody goes past it"
    fleet.finished(sent)


def test_its_death_under_load_is_no_more_than_a_delay(fleet: Fleet, pooler: PgBouncer) -> None:
    sent = fleet.send(8)
    fleet.under_way(sent, at_least=2)
    pooler.kill()
    sent |= fleet.send(4)
    pooler.start()
    fleet.finished(sent)
    assert connections(fleet) <= CONNECTIONS
