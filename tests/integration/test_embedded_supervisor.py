"""The supervisor: brings back what dies, and takes everything with it when it goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from embedded.supervisor import Process, Supervisor, SupervisorError
from tests.support.waiting import alive, eventually

SLEEP = "import time; time.sleep(600)"
ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs", say=said.append) as supervisor:
        yield supervisor
        supervisor.stop(grace=timedelta(seconds=5))


def python(name: str, code: str, **options: object) -> Process:
    return Process(name=name, command=[sys.executable, "-c", code], env=ENVIRONMENT, **options)  # type: ignore[arg-type]


class TestSupervisor:
    def test_brings_back_what_was_killed(self, supervisor: Supervisor, said: list[str]) -> None:
        supervisor.start(python("web", SLEEP), python("worker", SLEEP))
        first, other = supervisor.pid("worker"), supervisor.pid("web")

        supervisor.kill("worker")
        supervisor.wait_ready("worker")

        assert supervisor.pid("worker") not in {None, first}
        assert supervisor.pid("web") == other
        assert (supervisor.counts.killed, supervisor.counts.restarted) == ({"worker": 1}, {"worker": 1})
        assert said == ["worker killed by signal 9; starting it again in 0.2 s"]

    def test_waits_until_a_process_can_be_used(self, supervisor: Supervisor, tmp_path: Path) -> None:
        flag = tmp_path / "ready"
        code = f"import pathlib, time; time.sleep(0.3); pathlib.Path({str(flag)!r}).touch(); {SLEEP}"

        supervisor.start(python("web", code, ready=flag.exists))

        assert flag.exists()

    def test_tells_why_a_process_never_got_ready(self, supervisor: Supervisor) -> None:
        """A missing setting stops the start: its name must reach whoever started it."""
        with pytest.raises(SupervisorError, match="web ended before it was ready:\nDUE_API_KEY is not set"):
            supervisor.start(python("web", "raise SystemExit('DUE_API_KEY is not set')", ready=lambda: False))

    def test_gives_up_on_a_process_that_hangs_before_it_is_ready(self, supervisor: Supervisor) -> None:
        with pytest.raises(SupervisorError, match=r"web is not ready after 0:00:00\.2"):
            supervisor.start(python("web", SLEEP, ready=lambda: False, ready_within=timedelta(seconds=0.2)))

    def test_names_a_program_that_does_not_exist(self, supervisor: Supervisor) -> None:
        with pytest.raises(SupervisorError, match=r"web did not start: FileNotFoundError: .*/no/such/program"):
            supervisor.start(Process(name="web", command=["/no/such/program"], env={}))

    def test_waits_longer_each_time_a_process_dies_young(self, supervisor: Supervisor, said: list[str]) -> None:
        supervisor.start(python("worker", "import time; time.sleep(0.1)"))

        eventually(lambda: len(said) >= 3)

        assert [line.rpartition(" in ")[2] for line in said[:3]] == ["0.2 s", "0.4 s", "0.8 s"]

    def test_leaves_a_retired_process_at_rest(self, supervisor: Supervisor) -> None:
        supervisor.start(python("sandbox", SLEEP), python("web", SLEEP))

        supervisor.retire("sandbox")

        assert (supervisor.pid("sandbox"), supervisor.counts.restarted) == (None, {})
        assert supervisor.pid("web") is not None

    def test_kills_what_ignores_the_request_to_end(self, supervisor: Supervisor) -> None:
        stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
        log = supervisor.log("worker")
        supervisor.start(python("worker", stubborn, ready=lambda: log.exists() and "deaf" in log.read_text()))
        pid = supervisor.pid("worker")
        assert pid

        supervisor.stop(grace=timedelta(seconds=0.3))

        assert not alive(pid)

    def test_ends_what_a_killed_process_had_started(self, supervisor: Supervisor, tmp_path: Path) -> None:
        """Dramatiq's and Granian's own workers, even those that went into a session of their own."""
        pids = tmp_path / "pids"
        code = (
            f"import pathlib, subprocess, sys; child = [sys.executable, '-c', {SLEEP!r}];"
            "started = [subprocess.Popen(child), subprocess.Popen(child, start_new_session=True)];"
            f"pathlib.Path({str(pids)!r}).write_text(' '.join(str(each.pid) for each in started)); {SLEEP}"
        )
        supervisor.start(python("worker", code, ready=lambda: pids.exists() and pids.read_text().count(" ") == 1))
        children = [int(pid) for pid in pids.read_text().split()]
        if sys.platform != "linux":  # elsewhere a session of its own is out of reach
            os.kill(children.pop(), signal.SIGKILL)

        supervisor.kill("worker")

        assert not any(map(alive, children))

    def test_everything_dies_with_a_killed_parent(self, tmp_path: Path) -> None:
        story = (
            "import pathlib, sys, time; from embedded.supervisor import Process, Supervisor;"
            f"supervisor = Supervisor(pathlib.Path({str(tmp_path)!r}));"
            f"processes = [Process(name=n, command=[sys.executable, '-c', {SLEEP!r}], env={{}}) for n in ('a', 'b')];"
            "supervisor.start(*processes); print(*[supervisor.pid(n) for n in ('a', 'b')], flush=True);"
            "time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", story], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout
            children = [int(pid) for pid in parent.stdout.readline().split()]
            assert len(children) == 2
            assert all(map(alive, children))
            parent.kill()

        eventually(lambda: not any(map(alive, children)))
