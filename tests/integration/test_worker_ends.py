"""A worker process ends by itself, whoever asks it to and whatever holds it up; one that cannot begin says why."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.waiting import eventually
from workers import __main__ as worker

HERE = Path(__file__).parents[2]
STARTS_WITHIN_S = 60.0  # a busy machine reads the modules slowly
# Twenty-five seconds are what a platform grants; the story is the same with one.
IN_A_HURRY = "from workers import __main__ as worker; worker.FINISH_WITHIN_S = 1.0; worker.main()"


class Started:
    """A real worker process, its log, and the session it writes into the database."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, database_url: str) -> None:
        self.process = process
        self.log = log
        self.database_url = database_url

    def events(self) -> list[str]:
        """What it has logged; anything that is no line of the log stands as it is, such as a traceback."""
        return [
            json.loads(line)["event"] if line.startswith("{") else line for line in self.log.read_text().splitlines()
        ]

    def told(self, event: str) -> None:
        """Wait until it has logged that."""
        eventually(lambda: event in self.log.read_text(), within_s=STARTS_WITHIN_S, what=event)

    def ended(self) -> list[tuple[bool]]:
        """Of each session, whether it was ended in good order."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute("SELECT ended_at IS NOT NULL FROM worker_sessions").fetchall()

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Somebody holds its session's row: it can say no good-bye for so long."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("SELECT FROM worker_sessions FOR UPDATE")
            yield


@contextmanager
def started(database_url: str, redis_url: str, log: Path, *how: str) -> Iterator[Started]:
    environment = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *how],
            cwd=HERE,
            env={**environment, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
            stdout=out,
            stderr=out,
        )
        try:
            one = Started(process, log, database_url)
            one.told("worker.started")
            yield one
        finally:
            process.kill()
            process.wait()


def test_asked_twice_by_the_keyboard_it_still_ends_in_good_order(
    database_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """An impatient second press, while it says good-bye, must not tear it down in the middle of that."""
    with started(database_url, valkey_url, tmp_path / "log", "-m", "workers") as one:
        with one.held_up():
            one.process.send_signal(signal.SIGINT)
            one.told("worker.stopping")
            one.process.send_signal(signal.SIGINT)
        assert one.process.wait(30) == 0, one.events()
    assert one.ended() == [(True,)]
    assert one.events()[-1] == "worker.stopped"
    assert one.events().count("worker.stopping") == 1


def test_held_up_for_longer_than_a_platform_waits_it_ends_at_once(
    database_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """It leaves its session open, from which the clock that leads learns to free what it held."""
    with started(database_url, valkey_url, tmp_path / "log", "-c", IN_A_HURRY) as one:
        with one.held_up():
            one.process.send_signal(signal.SIGTERM)
            code = one.process.wait(30)
        assert code == 1, "whoever supervises it sees that it did not end in good order"
    assert one.ended() == [(False,)]
    assert one.events()[-1] == "worker.stopping", "it was cut off there; nothing failed"


def test_without_settings_it_ends_with_a_sentence_before_it_touches_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text as the exit's code is printed, and the code is then 1."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(worker, "make_desk", lambda _settings: pytest.fail("nothing may be made without settings"))
    monkeypatch.setattr(os, "environ", {"REDIS_URL": "redis://127.0.0.1:1", "POLL_S": "hunter2"})

    with pytest.raises(SystemExit) as ended:
        worker.main()

    said = str(ended.value.code)
    assert "DATABASE_URL: is missing" in said
    assert "POLL_S" in said
    assert "hunter2" not in said
    assert signal.getsignal(signal.SIGTERM) is before
