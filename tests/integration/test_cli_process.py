"""The command line as a process: in a pipe, on a terminal, with nothing to reach."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from embedded.instance import new_instance
from ops.cli.reach import ROOT
from tests.support.desk_rows import add_deposit, add_parked, digests

PROGRAM = [sys.executable, "-m", "ops.cli.main"]
LIMIT_S = 60


def environment(**settings: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def run(*words: str, env: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], env=env, cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def on_terminal(*words: str, env: Mapping[str, str], answer: bytes = b"") -> tuple[int, str]:
    """Run it on a terminal of its own, type `answer`; the exit code and all it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PROGRAM, *words], env=env, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer)
    written = b""
    while select.select([ours], [], [], LIMIT_S)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    return process.wait(LIMIT_S), written.decode()


class TestPipe:
    def test_prints_one_document_and_nothing_else(self, engine: Engine, database_url: str, tmp_path: Path) -> None:
        """From any folder, with nothing but the address of the database."""
        with engine.begin() as connection:
            flow = add_deposit(connection)

        result = run("flows", "list", "--json", env=environment(DATABASE_URL=database_url), cwd=tmp_path)

        assert (result.returncode, result.stderr) == (0, "")
        assert [row["id"] for row in json.loads(result.stdout)] == [str(flow)]

    def test_refuses_to_act_without_yes(self, engine: Engine, database_url: str) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
            before = digests(connection)

        result = run("dead-letters", "replay", str(parked.letter), env=environment(DATABASE_URL=database_url))

        assert (result.returncode, result.stdout) == (2, "")
        assert "Add --yes" in result.stderr
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_acts_with_yes_although_no_queue_is_near(self, engine: Engine, database_url: str) -> None:
        """The row is the work: an announcement that nobody hears costs a second."""
        with engine.begin() as connection:
            parked = add_parked(connection)
        env = environment(DATABASE_URL=database_url, REDIS_URL="redis://127.0.0.1:1/0")

        result = run("dead-letters", "replay", str(parked.letter), "--yes", "--json", env=env)

        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)[0]["result"] == "replaying"


class TestTerminal:
    def test_asks_and_does_nothing_on_no(self, engine: Engine, database_url: str) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
            before = digests(connection)

        words = ("dead-letters", "replay", str(parked.letter))
        code, written = on_terminal(*words, env=environment(DATABASE_URL=database_url, TERM="xterm"), answer=b"n\n")

        assert code == 1
        assert "1 dead letters will be replayed" in written
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_asks_and_acts_on_yes(self, engine: Engine, database_url: str) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)

        words = ("dead-letters", "replay", str(parked.letter))
        code, written = on_terminal(*words, env=environment(DATABASE_URL=database_url, TERM="xterm"), answer=b"y\n")

        assert code == 0
        assert "replaying" in written

    def test_draws_a_table(self, engine: Engine, database_url: str) -> None:
        with engine.begin() as connection:
            add_deposit(connection)

        env = environment(DATABASE_URL=database_url, TERM="xterm", COLUMNS="200")
        code, written = on_terminal("flows", "list", env=env)

        assert code == 0
        assert "\u2500" in written


class TestReach:
    def test_says_what_to_do_when_no_such_instance_runs(self) -> None:
        result = run("flows", "list", "--instance", "nobody", env=environment())

        assert (result.returncode, result.stdout) == (2, "")
        assert "no instance 'nobody' runs here" in result.stderr

    def test_never_shows_the_password_of_a_server_it_cannot_reach(self) -> None:
        env = environment(DATABASE_URL="postgresql://ops:hunter2@127.0.0.1:1/rampkeeper")

        result = run("flows", "list", env=env)

        assert (result.returncode, result.stdout) == (1, "")
        assert "127.0.0.1:1" in result.stderr
        assert "hunter2" not in result.stderr
        assert "Traceback" not in result.stderr

    def test_sends_to_migrate_and_migrate_works_twice(self, empty_database_url: str) -> None:
        env = environment(DATABASE_URL=empty_database_url)

        before = run("flows", "list", env=env)
        first, second = run("migrate", env=env), run("migrate", env=env)
        after = run("flows", "list", "--json", env=env)

        assert before.returncode == 1
        assert "run `rampkeeper migrate`" in before.stderr
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert after.stdout == "[]\n"

    def test_refuses_to_migrate_through_a_pooler(self, empty_database_url: str) -> None:
        result = run("migrate", env=environment(DATABASE_URL=empty_database_url, DATABASE_POOLER="transaction"))

        assert result.returncode == 2
        assert "direct connection" in result.stderr

    def test_finds_the_instance_that_runs(self, engine: Engine, database_url: str) -> None:
        """`bin/rampkeeper flows list` beside a running `bin/up`, nothing to set."""
        with engine.begin() as connection:
            flow = add_deposit(connection)
        with new_instance(ROOT, "test") as instance:
            instance.write_environment({"DATABASE_URL": database_url, "REDIS_URL": ""})

            named = ("--instance", instance.name)
            after = run("flows", "list", "--json", *named, env=environment())
            before = run(*named, "flows", "list", "--json", env=environment())

        assert after.returncode == 0, after.stderr
        assert [row["id"] for row in json.loads(after.stdout)] == [str(flow)]
        assert before.stdout == after.stdout
