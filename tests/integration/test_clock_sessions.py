"""Whose claims are freed: those of workers whose beat the leader itself has seen stand still, and no others."""

from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from db.clock import Lead, LostLead
from db.engine import make_engine, unit_of_work
from embedded.postgres import PostgresServer
from migrations.run import upgrade
from scheduler.beats import Beats
from scheduler.leader import Leadership
from tests.support.moved_time import MovedTime
from tests.support.rows import add_flow, add_session

SILENT_AT = 9  # seconds of readings, one each second, after which a session that never beat is dead


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


class House:
    """A leader that reads beats once a second."""

    def __init__(self, time: MovedTime) -> None:
        self.time = time
        self.beats = Beats(time, monotonic=time.monotonic)
        self.leadership = Leadership(time, monotonic=time.monotonic)
        self.freed: list[UUID] = []
        self.dead: list[UUID] = []

    @property
    def lead(self) -> Lead:
        lead = self.leadership.lead
        assert lead
        return lead

    def seconds(self, count: int, *beating: UUID) -> None:
        for _ in range(count):
            self.leadership.step()
            with self.time() as connection:
                beat(connection, *beating)
            found = self.beats.run(self.lead)
            self.freed += found.flows
            self.dead += found.sessions
            self.time.passes(seconds=1)


def beat(connection: Connection, *sessions: UUID) -> None:
    connection.execute(text("UPDATE worker_sessions SET beat = beat + 1 WHERE id = ANY(:ids)"), {"ids": list(sessions)})


class TestSilence:
    def test_frees_the_claims_of_the_dead_only(self, time: MovedTime) -> None:
        house = House(time)
        with time() as connection:
            dead, alive = add_session(connection), add_session(connection)
            lost, held = add_flow(connection, session=dead), add_flow(connection, session=alive)
            connection.execute(text("UPDATE flows SET announced_at = rk_now()"))

        house.seconds(SILENT_AT - 1, alive)
        assert house.freed == []
        house.seconds(1, alive)

        assert (house.dead, house.freed) == ([dead], [lost])
        with time() as connection:
            flow = connection.execute(text("SELECT * FROM flows WHERE id = :id"), {"id": lost}).one()
            assert (flow.attempt_id, flow.session_id, flow.claimed_at, flow.claim_until) == (None, None, None, None)
            assert (flow.fence, flow.announced_at) == (1, None), "the fence stays, so the late record is refused"
            assert flow.due_at <= time.now
            ends = connection.execute(text("SELECT flow_id, outcome, finished_at IS NULL FROM attempts")).all()
            assert sorted(ends) == sorted([(lost, "lost", False), (held, None, True)])

    def test_is_broken_by_one_beat(self, time: MovedTime) -> None:
        house = House(time)
        with time() as connection:
            session = add_session(connection)
        house.seconds(SILENT_AT - 1)
        house.seconds(1, session)
        house.seconds(SILENT_AT - 2)
        assert house.dead == []
        house.seconds(1)
        assert house.dead == [session]

    def test_is_forgotten_when_a_reading_fails(self, time: MovedTime, monkeypatch: pytest.MonkeyPatch) -> None:
        house = House(time)
        with time() as connection:
            add_flow(connection, session=add_session(connection))
        house.seconds(SILENT_AT - 1)

        with monkeypatch.context() as failing:
            failing.setattr("scheduler.beats.lost_claims.beats", database_gone)
            with pytest.raises(OperationalError):
                house.beats.run(house.lead)
        house.seconds(SILENT_AT - 1)

        assert house.dead == []
        house.seconds(1)
        assert len(house.dead) == 1

    def test_counts_only_while_we_were_reading(self, time: MovedTime) -> None:
        """The leader itself was stopped for six seconds: nobody is judged by a beat it did not watch."""
        house = House(time)
        with time() as connection:
            add_session(connection)
        house.seconds(5)
        time.passes(seconds=5)
        house.seconds(SILENT_AT - 1)
        assert house.dead == []

    def test_frees_nothing_for_a_former_leader(self, time: MovedTime) -> None:
        house = House(time)
        with time() as connection:
            flow = add_flow(connection, session=add_session(connection))
        house.seconds(SILENT_AT - 1)
        stale = house.lead
        with time() as connection:
            connection.execute(text("UPDATE clock_leases SET term = term + 1"))

        with pytest.raises(LostLead):
            house.beats.run(stale)
        with time() as connection:
            assert connection.execute(text("SELECT attempt_id FROM flows WHERE id = :id"), {"id": flow}).scalar_one()


class TestClaims:
    def test_past_their_own_limit_are_freed_though_the_worker_lives(self, time: MovedTime) -> None:
        house = House(time)
        with time() as connection:
            session = add_session(connection)
            flow = add_flow(connection, session=session, claim_until=time.now)
        house.seconds(1, session)
        assert (house.freed, house.dead) == ([flow], [])

    def test_of_a_session_that_ended_are_freed(self, time: MovedTime) -> None:
        house = House(time)
        with time() as connection:
            session = add_session(connection)
            flow = add_flow(connection, session=session)
            connection.execute(text("UPDATE worker_sessions SET ended_at = rk_now()"))
        house.seconds(1)
        assert house.freed == [flow]


def test_a_restart_of_postgres_frees_nothing() -> None:
    """While Postgres is away nobody can beat, so nobody's silence counts."""
    with PostgresServer() as server:
        with_role = make_engine(server.url)
        upgrade(server.url)
        begin = unit_of_work(with_role)
        now = [0.0]
        leadership, beats = Leadership(begin), Beats(begin, monotonic=lambda: now[0])
        leadership.step()
        lead = leadership.lead
        assert lead
        with begin() as connection:
            session = add_session(connection)
            add_flow(connection, session=session)
        for _ in range(8):
            assert beats.run(lead).sessions == ()
            now[0] += 1

        server.kill()
        with pytest.raises(OperationalError):
            beats.run(lead)
        now[0] += 2
        server.start()

        for _ in range(8):
            with begin() as connection:
                connection.execute(text("UPDATE clock_leases SET expires_at = rk_now() + interval '7 s'"))
            assert beats.run(lead).sessions == ()
            now[0] += 1
        with begin() as connection:
            beat(connection, session)
        assert beats.run(lead).flows == ()
        with_role.dispose()


def database_gone(_connection: Connection) -> dict[UUID, int]:
    raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))
