"""`dead-letters replay --run`, `--resume`, `runs` and `run`: as a command, and as a process that is interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from ops.cli.reach import ROOT
from ops.cli.signals import INTERRUPTED
from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_dead_event, add_parked, digests
from tests.support.waiting import eventually

LIMIT_S = 60


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@contextmanager
def replaying(database_url: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """`dead-letters replay` as a process, killed at the end whatever happens."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli.main", "dead-letters", "replay", *words, "--yes", "--json"],
        env={**kept, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- one call, no lock
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def released(engine: Engine) -> int:
    with engine.begin() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM replay_run_letters WHERE answer IS NOT NULL")
        ).scalar_one()
    return found


def intend(engine: Engine, flow: UUID, *, age: timedelta, outcome: str = "unknown", provider: str = "alpaca") -> None:
    """A journal that was asked for so long ago."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO intentions (key, flow_id, step, call, visit, generation, provider, request, sends, outcome,
                                        born_at)
                VALUES (:key, :flow, 'fund_brokerage', 'journal', 1, 0, :provider, '{}', 1, :outcome,
                        rk_now() - CAST(:age AS interval))
            """),
            {"key": uuid4(), "flow": flow, "age": age, "outcome": outcome, "provider": provider},
        )


class TestInterruptedProcess:
    def test_says_how_to_go_on_and_can(self, engine: Engine, database_url: str, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)

        with replaying(database_url, "--all", "--run") as process:
            eventually(lambda: released(engine) == 1, within_s=LIMIT_S)
            process.send_signal(signal.SIGINT)
            out, told = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, out) == (INTERRUPTED, "")
        (run,) = rampkeeper.json("dead-letters", "runs")
        assert (run["status"], run["trying"]) == ("interrupted", 1)
        assert f"rampkeeper dead-letters replay --resume {run['id']} --yes" in told
        with engine.begin() as connection:
            connection.execute(text("UPDATE dead_letters SET status = 'resolved'"))
        document = rampkeeper.json("dead-letters", "replay", "--resume", run["id"][:8], "--yes")

        assert (document["status"], document["resolved"]) == ("done", 1)
        assert [row["letter"] for row in document["results"]] == [str(parked.letter)]
        with engine.begin() as connection:
            assert connection.execute(text("SELECT wakes FROM flows")).scalar_one() == 1

    def test_that_was_killed_goes_on_too(self, engine: Engine, database_url: str, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_parked(connection)

        with replaying(database_url, "--all", "--stop-after", "1") as process:
            eventually(lambda: released(engine) == 1, within_s=LIMIT_S)
            process.kill()
            process.communicate(timeout=LIMIT_S)
        (run,) = rampkeeper.json("dead-letters", "runs")
        refused = rampkeeper("dead-letters", "replay", "--resume", run["id"], "--yes", expect=1)
        assert "if its process is gone, it can be resumed in" in refused.stderr
        with engine.begin() as connection:
            connection.execute(text("UPDATE replay_runs SET held_until = rk_now()"))
            connection.execute(text("UPDATE dead_letters SET status = 'open'"))
        result = rampkeeper("dead-letters", "replay", "--resume", run["id"], "--yes", expect=1)

        assert "came back" in result.stdout


class TestRun:
    def test_is_shown_with_a_result_for_each(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection, customer="ana")
            connection.execute(text("UPDATE flows SET parked_at = NULL, due_at = rk_now()"))

        done = rampkeeper.json("dead-letters", "replay", "--customer", "ana", "--run", "--yes", "--by", "bo")
        (listed,) = rampkeeper.json("dead-letters", "runs")
        shown = rampkeeper.json("dead-letters", "run", done["id"][:8])

        assert done == shown
        assert (listed["by"], listed["filter"], listed["letters"]) == ("bo", "--customer ana", 1)
        assert [(row["letter"], row["answer"], row["result"]) for row in shown["results"]] == [
            (str(parked.letter), "already moved", "resolved")
        ]
        assert str(parked.letter) in rampkeeper("dead-letters", "run", done["id"]).stdout
        actions = [line["action"] for line in rampkeeper.json("audit", "list")]
        assert actions == ["replay_run.done", "dead_letter.replay", "replay_run.start"]

    def test_is_not_there(self, rampkeeper: CommandLine) -> None:
        assert rampkeeper.json("dead-letters", "runs") == []
        for words in (("run", str(uuid4())), ("run", "no id"), ("replay", "--resume", "deadbeef", "--yes")):
            assert "there is no replay run" in rampkeeper("dead-letters", *words, expect=1).stderr

    def test_that_is_resumed_keeps_its_own_letters(self, rampkeeper: CommandLine) -> None:
        result = rampkeeper("dead-letters", "replay", "--resume", "deadbeef", "--all", "--yes", expect=2)

        assert "say nothing else" in result.stderr

    def test_asks_first(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_parked(connection)
            before = digests(connection)

        assert "Add --yes" in rampkeeper("dead-letters", "replay", "--all", "--run", expect=2).stderr
        with engine.begin() as connection:
            assert digests(connection) == before


class TestDryRun:
    def test_says_what_becomes_of_the_call(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            fresh, old, refused, keyless, none = (add_parked(connection) for _ in range(5))
            add_dead_event(connection)
        intend(engine, fresh.flow, age=timedelta(0))
        intend(engine, old.flow, age=timedelta(days=400))
        intend(engine, refused.flow, age=timedelta(days=400), outcome="refused")
        intend(engine, keyless.flow, age=timedelta(0), provider="ibex")

        rows = rampkeeper.json("dead-letters", "replay", "--all", "--dry-run")

        calls = {row["letter"]: row["call"] for row in rows}
        assert [calls[str(parked.letter)] for parked in (fresh, old, refused, keyless, none)] == [
            "journal: again under its key",
            "journal: looks before it creates, its key is dead",
            "journal: sent anew, the last one came to nothing",
            "journal: looks before it creates, there is no key",
            None,
        ]

    def test_of_a_run_says_which_letter_waits_for_which(self, engine: Engine, rampkeeper: CommandLine) -> None:
        letters = []
        for customer in ("ana", "bo", "ana"):
            with engine.begin() as connection:
                letters.append(str(add_parked(connection, customer=customer).letter))

        rows = rampkeeper.json("dead-letters", "replay", "--all", "--run", "--dry-run")

        assert [(row["letter"], row["behind"]) for row in rows] == [
            (letters[0], None), (letters[1], None), (letters[2], letters[0]),
        ]  # fmt: skip
        assert rampkeeper.json("dead-letters", "runs") == []
