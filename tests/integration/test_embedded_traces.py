"""What embedded servers leave behind: nothing, whoever starts them and however they end."""

import ctypes
import errno
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from embedded.guardian_process import IPC_RMID
from embedded.private_folder import MEMORY_DISK
from tests.support.waiting import alive, eventually

STORY = """
import contextlib, importlib, json, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin by ignoring it
names = {"postgres": "PostgresServer", "valkey": "ValkeyServer"}
with contextlib.ExitStack() as stack:
    classes = [getattr(importlib.import_module("embedded." + name), names[name]) for name in sys.argv[1:]]
    servers = [stack.enter_context(each()) for each in classes]
    print(json.dumps({
        "pids": [pid for each in servers for pid in (each.pid, each._guardian.pid)],
        "users": [os.stat(f"/proc/{each.pid}").st_uid if os.path.exists("/proc/self") else -1 for each in servers],
        "folders": [str(path) for each in servers for path in (each._folder.path, each._folder.data)],
    }), flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).parents[2]
GONE = errno.EINVAL  # what the system says of a segment that does not exist
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = (sys.executable, f"/usr/bin/python{VERSION}", f"/usr/local/bin/python{VERSION}")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A process that has services, and what it says of them."""

    process: subprocess.Popen[str]
    pids: list[int]
    users: list[int]
    folders: list[Path]

    def shared_memory(self) -> int:
        """The System V segment of the database server."""
        return int((self.folders[1] / "postmaster.pid").read_text().splitlines()[6].split()[1])

    def everything_is_gone(self) -> bool:
        return not any(map(alive, self.pids)) and not any(folder.exists() for folder in self.folders)


@pytest.fixture
def start() -> Iterator[Callable[..., Told]]:
    """Start servers (both, unless named) in a process of their own, as the user of that name."""
    started: list[subprocess.Popen[str]] = []

    def begin(*servers: str, user: str | None = None, python: str = sys.executable, **environment: str) -> Told:
        entry = pwd.getpwnam(user) if user else None
        process = subprocess.Popen(
            [python, "-c", STORY, *(servers or ("postgres", "valkey"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
        )
        started.append(process)
        assert process.stdout
        line = process.stdout.readline()
        assert line, "the services did not start: see what they said above"
        said = json.loads(line)
        said["folders"] = [Path(folder) for folder in said["folders"]]
        return Told(process=process, **said)

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        with process:
            process.communicate()


def outside() -> dict[str, tuple[int, int, int, float]]:
    """Owner, permissions and, of files that must stay as they are, the time of the last change."""
    interpreter = Path(sys.executable)
    parents = [*interpreter.parents, *Path(os.__file__).parents, Path(tempfile.gettempdir()), MEMORY_DISK]
    seen = {}
    for path in {*parents, Path("/etc/passwd"), Path("/etc/group"), Path("/etc/shadow"), Path.home()}:
        with suppress(OSError):
            facts = path.stat()
            changed_at = facts.st_mtime if path.is_file() else 0.0  # others make and remove files in those folders
            seen[str(path)] = (facts.st_uid, facts.st_gid, facts.st_mode, changed_at)
    return seen


class TestTraces:
    def test_none_after_an_orderly_end(self, start: Callable[..., Told]) -> None:
        told = start()
        told.process.communicate("")

        assert told.process.returncode == 0
        assert told.everything_is_gone()

    @pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_none_after_the_parent_is_struck_down(self, start: Callable[..., Told], blow: int) -> None:
        """Nobody may have to look for a database server after a demo was interrupted."""
        told = start()
        told.process.send_signal(blow)

        eventually(told.everything_is_gone, what=f"no trace of {told.pids} and {told.folders}")

    def test_none_of_a_server_killed_before_its_parent(self, start: Callable[..., Told]) -> None:
        """A database server killed outright leaves shared memory to whoever cleans up after it."""
        told = start()
        segment = told.shared_memory()
        os.kill(told.pids[0], signal.SIGKILL)
        told.process.kill()

        eventually(told.everything_is_gone)
        assert remove_segment(segment) == GONE

    def test_no_server_outlives_its_guardian(self, start: Callable[..., Told]) -> None:
        if sys.platform != "linux":
            pytest.skip("only Linux tells a process of its parent's death")
        told = start()
        segment = told.shared_memory()
        for guardian in told.pids[1::2]:
            os.kill(guardian, signal.SIGKILL)

        eventually(lambda: not any(map(alive, told.pids)))
        remove_segment(segment)  # what the guardian can no longer do
        for folder in told.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def test_changes_nothing_outside_its_own_folders(self, start: Callable[..., Told]) -> None:
        """No user is added, no parent folder opened to all."""
        before = outside()
        told = start()
        during = outside()
        told.process.communicate("")

        assert during == before
        assert outside() == before


@needs_root
class TestUsers:
    def test_root_hands_the_servers_to_nobody(self, start: Callable[..., Told]) -> None:
        told = start()
        assert told.users == [pwd.getpwnam("nobody").pw_uid] * 2
        readable_by_others = [folder.stat().st_mode & 0o066 for folder in told.folders]
        assert readable_by_others == [0] * len(told.folders)

    def test_an_ordinary_user_needs_nothing_of_root(self, start: Callable[..., Told]) -> None:
        user = pwd.getpwnam("nobody")
        packages = {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path(psycopg.__file__).parents[1]}"}
        python = next(filter(lambda path: can_run(path, user.pw_uid, packages), PYTHONS), None)
        if python is None:
            pytest.skip(f"no Python {VERSION} here that an ordinary user may run, with the packages of this checkout")
        told = start("postgres", user="nobody", python=python, **packages)
        assert told.users == [user.pw_uid]

        told.process.kill()
        eventually(told.everything_is_gone)

    def test_finds_a_place_when_the_first_is_closed_to_others(self, start: Callable[..., Told], tmp_path: Path) -> None:
        """TMPDIR of root is often a folder only root may enter; its permissions are not ours to change."""
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)

        told = start(TMPDIR=str(closed))

        assert closed.stat().st_mode & 0o777 == 0o700
        assert not any(folder.is_relative_to(closed) for folder in told.folders)
        assert list(closed.iterdir()) == []


def can_run(python: str, uid: int, environment: dict[str, str]) -> bool:
    try:
        command = [python, "-c", "import embedded.postgres"]
        return subprocess.run(command, user=uid, env=environment, cwd="/", check=False).returncode == 0
    except OSError:
        return False


def remove_segment(number: int) -> int:
    """Remove a System V segment of shared memory: 0, or why it could not be."""
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.shmctl(number, IPC_RMID, None) else 0
