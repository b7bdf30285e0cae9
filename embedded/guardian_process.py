"""A small process that holds others: when its parent is gone, so are they, and the folders it was given.

Started by `embedded.guardian`; runs with the standard library alone, in one thread, in a session of its own, so that
neither Ctrl-C nor a signal to its parent's group ends it first. Requests come in by one pipe, one JSON object a line,
events go out by another. The request pipe's end, however it comes about (closed, parent killed), means: stop all.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0
TICK_S = 1.0  # how often the parent is looked for when its pipe says nothing: a fork of it may hold the pipe open
ABANDONED_GRACE_S = 3.0  # how long children may take to end once the parent is gone
LINUX = sys.platform == "linux"


class Keeper:
    """Starts, signals and reaps children by name; `run` returns when all of them and their folders are gone."""

    def __init__(self, requests: int, events: int) -> None:
        self._requests = requests
        self._events = events
        self._parent = os.getppid()
        self._children: dict[int, dict[str, Any]] = {}  # by process id: the request that started it, and its Popen
        self._folders: list[str] = []  # removed at the end
        self._unread = b""
        self._libc = ctypes.CDLL(None, use_errno=True)
        if LINUX:
            # Orphans of our children come to us rather than to init, so that none outlives us unseen.
            self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self) -> None:
        """Serve until the parent asks us to end, or is gone."""
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        grace_s: float | None = None
        try:
            while grace_s is None:
                readable, _, _ = select.select([self._requests, wake], [], [], TICK_S)
                if wake in readable:
                    with suppress(BlockingIOError):
                        os.read(wake, 4096)
                self._reap()
                if self._requests in readable:
                    grace_s = self._read_requests()
                if os.getppid() != self._parent:
                    grace_s = ABANDONED_GRACE_S
        finally:
            self._stop_all(ABANDONED_GRACE_S if grace_s is None else grace_s)
            self._clean_up()

    def _read_requests(self) -> float | None:
        """Do what the parent asks; the grace in seconds once it asks us to end, or is gone."""
        data = os.read(self._requests, 65536)
        if not data:
            return ABANDONED_GRACE_S
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            match request["do"]:
                case "start":
                    self._start(request)
                case "signal":
                    self._signal(request["name"], request["signal"])
                case "remove":
                    self._folders.append(request["folder"])
                case "close":
                    return float(request["grace_s"])
                case _:
                    self._tell(event="failed", name="", error=f"unknown request {request['do']!r}")
        return None

    def _start(self, request: dict[str, Any]) -> None:
        drop = {"user": request["uid"], "group": request["gid"], "extra_groups": []} if "uid" in request else {}
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if request.get("log") else None
        try:
            process = subprocess.Popen(  # noqa: S603 - the command comes from our own parent
                request["command"],
                env=request["env"],
                cwd=request.get("cwd"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=request.get("umask", -1),
                start_new_session=True,
                preexec_fn=self._die_with_us(),  # noqa: PLW1509 - this process has a single thread
                **drop,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._tell(event="failed", name=request["name"], error=f"{type(error).__name__}: {error}")
            return
        finally:
            if log is not None:
                os.close(log)
        self._children[process.pid] = {**request, "process": process}
        self._tell(event="started", name=request["name"], pid=process.pid)

    def _die_with_us(self) -> Callable[[], None] | None:
        """Runs in the child before its program does: should we ourselves be killed, the kernel ends it (Linux only)."""
        if not LINUX:
            return None
        us = os.getpid()

        def ask_kernel() -> None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != us:
                os._exit(1)

        return ask_kernel

    def _signal(self, name: str, number: int) -> None:
        for pid, child in self._children.items():
            if child["name"] == name:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _reap(self) -> None:
        """Take note of who has ended; whatever a child left behind ends with it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            child["process"].returncode = code
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._kill_orphans()
            self._tell(event="exited", name=child["name"], pid=pid, code=code)

    def _kill_orphans(self) -> None:
        """End what has come to us from a dead child: not ours by name, nor in the session of a child that lives."""
        while orphans := [pid for pid, session in self._adopted() if session not in self._children]:
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _adopted(self) -> list[tuple[int, int]]:
        """Process and session id of each child of ours that we did not start; empty where there is no /proc."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat") if LINUX else ():
            with suppress(OSError):
                pid_text, _, rest = stat.read_text(errors="replace").rpartition(")")
                _state, parent, _group, session = rest.split()[:4]
                pid = int(pid_text.split(" ", 1)[0])
                if int(parent) == os.getpid() and pid not in self._children:
                    found.append((pid, int(session)))
        return found

    def _stop_all(self, grace_s: float) -> None:
        for pid, child in self._children.items():
            with suppress(ProcessLookupError):
                os.kill(pid, child.get("stop_signal", signal.SIGTERM))
        self._wait_until_empty(grace_s)
        for pid in list(self._children):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self._wait_until_empty(5.0)
        self._kill_orphans()

    def _wait_until_empty(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._reap()
        while self._children and time.monotonic() < deadline:
            time.sleep(0.01)
            self._reap()

    def _clean_up(self) -> None:
        for folder in self._folders:
            # PostgreSQL killed outright leaves a System V segment, named in line 7 of its postmaster.pid.
            with suppress(OSError, IndexError, ValueError):
                segment = int(Path(folder, "postmaster.pid").read_text().splitlines()[6].split()[1])
                self._libc.shmctl(segment, IPC_RMID, None)
            shutil.rmtree(folder, ignore_errors=True)

    def _tell(self, **event: Any) -> None:
        with suppress(BrokenPipeError):  # the parent is gone: its request pipe says so too
            os.write(self._events, json.dumps(event).encode() + b"\n")


def main() -> None:
    """Arguments: the numbers of the pipe that requests come in by and the one events go out by."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # not SIG_IGN: our children would inherit that
    requests, events = int(sys.argv[1]), int(sys.argv[2])
    for end in (requests, events):
        os.set_inheritable(end, False)  # noqa: FBT003 - its only spelling
    Keeper(requests, events).run()


if __name__ == "__main__":
    main()
