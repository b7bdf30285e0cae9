"""Child processes that cannot outlive this one, even if it is killed outright."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_LIMIT = timedelta(seconds=60)  # a guardian answers at once, but the machine may be busy


class GuardianError(Exception):
    """A child could not be started, or the guardian itself is gone."""


class Guardian:
    """Starts children through a helper process that ends them, and removes folders, when this process is gone.

    `pass_fds` are kept open as long as the guardian lives (a lock, say). `on_exit` is called with the name and exit
    code of each child that ends, in a thread of ours. Names are free to use again once their process has ended.
    All methods may be called from any thread.

    Raises: GuardianError.
    """

    def __init__(self, *, pass_fds: Sequence[int] = (), on_exit: Callable[[str, int], None] | None = None) -> None:
        self._on_exit = on_exit
        self._changed = threading.Condition()
        self._pids: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._failures: dict[str, str] = {}
        self._gone = False
        request_read, self._requests = os.pipe()
        event_read, event_write = os.pipe()
        program = Path(__file__).with_name("guardian_process.py")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", str(program), str(request_read), str(event_write)],
                stdin=subprocess.DEVNULL,
                pass_fds=[request_read, event_write, *pass_fds],
                start_new_session=True,
                cwd="/",
            )
        except BaseException:
            os.close(self._requests)
            os.close(event_read)
            raise
        finally:
            os.close(request_read)
            os.close(event_write)
        self._reader = threading.Thread(target=self._read_events, args=(event_read,), name="guardian", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the guardian itself."""
        return self._process.pid

    def remove_at_end(self, folder: Path) -> None:
        """Have the folder removed at the end, with all in it; asked before it is made, no kill leaves it behind."""
        with self._changed:
            self._send(do="remove", folder=str(folder))

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        log: Path | None = None,
        user: tuple[int, int] | None = None,
        umask: int = -1,
        stop_signal: int = 15,
    ) -> int:
        """Start a process and answer its process id once it exists.

        `env` is its whole environment. Output is appended to `log`, or goes where ours goes. `user` is (uid, gid).
        `stop_signal` is what it gets when the guardian ends.
        """
        request: dict[str, Any] = {"command": [str(part) for part in command], "env": dict(env), "umask": umask}
        request |= {"name": name, "stop_signal": int(stop_signal)}
        request |= {"cwd": str(cwd)} if cwd else {}
        request |= {"log": str(log)} if log else {}
        request |= {"uid": user[0], "gid": user[1]} if user else {}
        with self._changed:
            if name in self._pids:
                raise GuardianError(f"{name} is running already")
            self._codes.pop(name, None)
            self._failures.pop(name, None)
            self._send(do="start", **request)
            self._changed.wait_for(
                lambda: self._gone or name in self._pids or name in self._failures or name in self._codes,
                START_LIMIT.total_seconds(),
            )
            if name in self._pids:
                return self._pids[name]
            if name in self._codes:  # ended before we looked: its exit code tells
                return 0
            raise GuardianError(f"{name} did not start: {self._failures.get(name, 'the guardian does not answer')}")

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process; nothing happens if it has ended."""
        with self._changed:
            self._send(do="signal", name=name, signal=int(number))

    def pid_of(self, name: str) -> int | None:
        """Process id, or None if it is not running."""
        with self._changed:
            return self._pids.get(name)

    def wait(self, name: str, timeout: timedelta) -> int | None:
        """Exit code of the process (negative: the signal that ended it), or None if it is still running by then."""
        with self._changed:
            self._changed.wait_for(lambda: self._gone or name not in self._pids, timeout.total_seconds())
            if self._gone and name in self._pids:
                raise GuardianError("the guardian is gone")
            return self._codes.get(name)

    def close(self, *, grace: timedelta = timedelta(seconds=30)) -> None:
        """End all children (asked first, killed after `grace`), remove the folders, wait until that is done."""
        with self._changed:
            if self._requests >= 0:
                if not self._gone:
                    self._send(do="close", grace_s=grace.total_seconds())
                os.close(self._requests)
                self._requests = -1
        self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, **request: Any) -> None:
        if self._requests < 0 or self._gone:
            raise GuardianError("the guardian is gone")
        data = json.dumps(request).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            raise GuardianError("the guardian is gone") from None

    def _read_events(self, source: int) -> None:
        with os.fdopen(source) as events:
            for line in events:
                event = json.loads(line)
                with self._changed:
                    self._note(event)
                    self._changed.notify_all()
                if event["event"] == "exited" and self._on_exit:
                    self._on_exit(event["name"], event["code"])
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _note(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "started":
                self._pids[event["name"]] = event["pid"]
            case "exited":
                self._pids.pop(event["name"], None)
                self._codes[event["name"]] = event["code"]
            case "failed":
                self._failures[event["name"]] = event["error"]
