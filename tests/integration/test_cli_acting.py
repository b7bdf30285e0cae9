"""Acting commands: events sent again, flows woken, providers paused, recovery."""

import pytest
from sqlalchemy import Engine, text

from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_dead_event, add_deposit


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


class TestEventReplay:
    def test_writes_a_new_event_with_the_same_bytes(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """The old row is history; the new one takes the one path that every event takes."""
        with engine.begin() as connection:
            event, _ = add_dead_event(connection)
            connection.execute(text("UPDATE inbox_events SET body = '\\x0102', body_key = '2026a'"))

        first = rampkeeper("events", "replay", str(event), "--yes").stdout
        second = rampkeeper("events", "replay", str(event), "--yes").stdout

        assert f"replay:{event}:1" in first
        assert f"replay:{event}:2" in second
        with engine.begin() as connection:
            rows = connection.execute(text("SELECT * FROM inbox_events ORDER BY id")).all()
        assert [(row.source, row.state) for row in rows] == [
            ("webhook", "dead"), ("replay", "received"), ("replay", "received"),
        ]  # fmt: skip
        assert {(bytes(row.body), row.body_key, bytes(row.body_digest)) for row in rows} == {
            (b"\x01\x02", "2026a", b"\xaa")
        }

    def test_refuses_when_the_bytes_are_gone(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            event, _ = add_dead_event(connection)
            connection.execute(text("UPDATE inbox_events SET body = NULL"))

        result = rampkeeper("events", "replay", str(event), "--yes", expect=1)

        assert "its bytes have been cleared" in result.stderr


class TestWake:
    def test_makes_a_waiting_flow_due(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection)
            connection.execute(text("UPDATE flows SET due_at = rk_now() + interval '1 hour', announced_at = rk_now()"))

        rampkeeper("flows", "wake", str(flow), "--yes")

        with engine.begin() as connection:
            row = connection.execute(text("SELECT due_at <= rk_now() AS due, announced_at, wakes FROM flows")).one()
        assert tuple(row) == (True, None, 1)

    def test_refuses_a_closed_flow(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection, state="returned", status="closed")

        assert "cannot be woken" in rampkeeper("flows", "wake", str(flow), "--yes", expect=1).stderr


class TestRecover:
    def test_doubts_what_happened_since(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """After lost commits our own rows may say that nothing was created when it was."""
        with engine.begin() as connection:
            add_deposit(connection)
            add_deposit(connection, state="returned", status="closed")
            connection.execute(
                text("""
                    INSERT INTO poll_marks (provider, poll, high_water_mark, walk_since, walk_started_at, walk_cursor)
                    VALUES ('due', 'deliveries', rk_now(), rk_now(), rk_now(), 'c1'),
                           ('due', 'older', rk_now() - interval '9 hours', NULL, NULL, NULL),
                           ('due', 'never', NULL, rk_now(), rk_now(), 'c2')
                """)
            )
            connection.execute(
                text(
                    "INSERT INTO stream_cursors (provider, stream, cursor_at, term) VALUES ('alpaca', 's', rk_now(), 1)"
                )
            )

        told = rampkeeper("recover", "--since", "2h", "--yes").stdout

        assert told.startswith("1 open flows look first; 2 polls and 1 streams read again from ")
        with engine.begin() as connection:
            marks = connection.execute(
                text("""
                    SELECT poll, extract(epoch FROM rk_now() - high_water_mark)::int / 3600 AS hours, walk_cursor
                      FROM poll_marks ORDER BY poll
                """)
            ).all()
            assert [tuple(mark) for mark in marks] == [
                ("deliveries", 2, None),
                ("never", None, None),
                ("older", 9, None),
            ]
            looks = connection.execute(text("SELECT status, look_first FROM flows ORDER BY status")).all()
            assert [tuple(row) for row in looks] == [("closed", False), ("open", True)]

    def test_says_whose_lost_events_only_due_can_send_again(self, rampkeeper: CommandLine) -> None:
        link = 'due:virtual_account:va_1:{"mode":"legacy_offramp","account":"acct_1"}'
        rampkeeper("customers", "add", "ana", "--link", link, "--yes")
        told = rampkeeper("recover", "--since", "2h", "--yes").stdout
        assert "1 virtual accounts are in legacy_offramp" in told

    def test_refuses_a_time_ahead(self, rampkeeper: CommandLine) -> None:
        assert "future" in rampkeeper("recover", "--since", "2999-01-01", "--yes", expect=1).stderr


class TestProviders:
    def test_shows_gate_polls_and_errors(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection)
            connection.execute(
                text("""
                    INSERT INTO attempts (id, flow_id, step, visit, number, fence, session_id, finished_at, outcome,
                                          provider)
                    SELECT gen_random_uuid(), :flow, 's', 1, n, 1, gen_random_uuid(), rk_now(),
                           CASE n WHEN 1 THEN 'unknown' ELSE 'advanced' END, 'alpaca'
                      FROM generate_series(1, 4) n
                """),
                {"flow": flow},
            )
        rampkeeper("providers", "pause", "alpaca", "--reason", "they asked", "--yes", "--by", "ana")

        rows = {row["provider"]: row for row in rampkeeper.json("providers", "list")}

        alpaca = rows["alpaca"]
        assert (alpaca["paused"], alpaca["paused_by"], alpaca["paused_reason"]) == (True, "ana", "they asked")
        assert (alpaca["calls"], alpaca["errors"], alpaca["error_rate"]) == (4, 1, 0.25)
        assert (rows["due"]["paused"], rows["due"]["breaker"], rows["due"]["error_rate"]) == (False, "closed", None)
