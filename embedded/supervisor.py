"""Keeps named processes running: starts one again that dies, and lets none outlive this process."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Self

from embedded.guardian import Guardian, GuardianError
from embedded.private_folder import log_tail

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 5.0
SETTLED_S = 20.0  # a process that lived this long starts again without a wait when it dies
LOOK_EVERY_S = 0.05  # for readiness


class SupervisorError(Exception):
    """A process ended before it was ready, or did not become ready in time; the message holds its last words."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """What to run. `env` is its whole environment; `ready` says whether it can be used, and may be called often."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str]
    ready: Callable[[], bool] = lambda: True
    ready_within: timedelta = timedelta(seconds=60)
    cwd: Path | None = None


@dataclass(kw_only=True)
class _State:
    process: Process
    started_at: float = 0.0  # monotonic
    backoff_s: float = FIRST_BACKOFF_S
    due_at: float | None = None  # when to start it again, monotonic
    wanted: bool = True
    starts: int = 0


@dataclass(kw_only=True)
class Counts:
    """By process name."""

    killed: Counter[str] = field(default_factory=Counter)  # by `kill`
    restarted: Counter[str] = field(default_factory=Counter)  # after any death


class Supervisor:
    """Runs processes until `stop`; the log of each is `logs`/<name>.log.

    `say` is told in words what happened to whom. Methods may be called from any thread.
    """

    def __init__(self, logs: Path, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.counts = Counts()
        self._logs = logs
        self._say = say
        self._states: dict[str, _State] = {}
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()  # held to start a process again, and to retire one
        self._stopping = False
        self._guardian = Guardian(on_exit=self._note_exit)
        self._thread = threading.Thread(target=self._restart_the_dead, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, *processes: Process) -> None:
        """Start them side by side and wait until all are ready.

        Raises: SupervisorError naming the process that ended or did not get ready.
        """
        for process in processes:
            with self._changed:
                state = self._states[process.name] = _State(process=process)
            try:
                self._launch(state)
            except GuardianError as error:
                state.wanted = False
                raise SupervisorError(str(error)) from error
        for process in processes:
            self.wait_ready(process.name, unbroken=True)

    def wait_ready(self, name: str, *, unbroken: bool = False) -> None:
        """Wait until the process runs and is ready; with `unbroken` its death meanwhile is an error.

        Raises: SupervisorError.
        """
        state = self._states[name]
        deadline = time.monotonic() + state.process.ready_within.total_seconds()
        while time.monotonic() < deadline:
            running = self.pid(name) is not None
            if unbroken and (state.starts > 1 or not running):
                state.wanted = False
                raise SupervisorError(f"{name} ended before it was ready:\n{log_tail(self.log(name))}")
            if running and state.process.ready():
                return
            time.sleep(LOOK_EVERY_S)
        raise SupervisorError(f"{name} is not ready after {state.process.ready_within}:\n{log_tail(self.log(name))}")

    def pid(self, name: str) -> int | None:
        """Process id, None while it is down."""
        return self._guardian.pid_of(name)

    def names(self) -> list[str]:
        """Of all processes, in the order they were started."""
        return list(self._states)

    def log(self, name: str) -> Path:
        """Where its output goes, all starts in one file."""
        return self._logs / f"{name}.log"

    def signal(self, name: str, number: int) -> None:
        """Send any signal (SIGSTOP and SIGCONT too); nothing happens if the process is down."""
        self._guardian.signal(name, number)

    def kill(self, name: str, number: int = SIGKILL) -> None:
        """End the process by a signal and count it; what it has started itself dies with it. It is started again.

        After SIGKILL it is dead on return; `wait_ready` then waits for its next life.
        """
        self.counts.killed[name] += 1
        self._guardian.signal(name, number)
        if number == SIGKILL:
            self._guardian.wait(name, timedelta(seconds=10))

    def retire(self, name: str, *, grace: timedelta = timedelta(seconds=30)) -> None:
        """End one process for good: SIGTERM, after `grace` SIGKILL."""
        with self._one_at_a_time, self._changed:
            self._states[name].wanted = False
            self._states[name].due_at = None
        self._guardian.signal(name, 15)
        if self._guardian.wait(name, grace) is None:
            self._guardian.signal(name, SIGKILL)
            self._guardian.wait(name, grace)

    def stop(self, *, grace: timedelta = timedelta(seconds=30)) -> None:
        """End all: SIGTERM, after `grace` SIGKILL. Doing it again changes nothing."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._guardian.close(grace=grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, state: _State) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        process = state.process
        state.started_at = time.monotonic()
        state.starts += 1
        self._guardian.start(
            process.name, process.command, env=process.env, cwd=process.cwd, log=self.log(process.name)
        )

    def _note_exit(self, name: str, code: int) -> None:
        with self._changed:
            state = self._states[name]
            if self._stopping or not state.wanted:
                return
            if time.monotonic() - state.started_at > SETTLED_S:
                state.backoff_s = FIRST_BACKOFF_S
            state.due_at = time.monotonic() + state.backoff_s
            how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            wait_s, state.backoff_s = state.backoff_s, min(state.backoff_s * 2, LAST_BACKOFF_S)
            self._changed.notify_all()
        self._say(f"{name} {how}; starting it again in {wait_s:.1f} s")

    def _restart_the_dead(self) -> None:
        while (state := self._next_due()) is not None:
            try:
                with self._one_at_a_time:
                    if state.wanted:
                        self._launch(state)
            except GuardianError as error:
                self._say(f"{state.process.name} could not be started again: {error}")
                with self._changed:
                    state.due_at = time.monotonic() + LAST_BACKOFF_S
            else:
                self.counts.restarted[state.process.name] += 1

    def _next_due(self) -> _State | None:
        """The next process to start again, once its time has come; None when all is to end."""
        with self._changed:
            while not self._stopping:
                due = {state.due_at: state for state in self._states.values() if state.due_at is not None}
                wait_s = min(due) - time.monotonic() if due else None
                if wait_s is not None and wait_s <= 0:
                    state = due[min(due)]
                    state.due_at = None
                    return state
                self._changed.wait(wait_s)
            return None
