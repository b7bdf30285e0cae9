"""Makes this checkout's `.venv` from the hashed lock file, then runs a program in it.

Run by bin/* with any Python 3.11 or newer, before anything is installed: the standard library alone.
Arguments: those of `.venv/bin/python` for the program to run; none, to stop once the environment is ready; or
`--is-ready`, to say by the exit code whether anything needs to be done.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # we may run before the checkout is installed

from embedded.guardian import Guardian  # noqa: E402 - found by the line above

LOCK = "requirements.lock"
PROJECT = "pyproject.toml"
SOURCES = (LOCK, PROJECT)  # what the environment is made from
STAMP = "rampkeeper-stamp"  # inside .venv: says what it was made from, once it is complete
UNFINISHED = "rampkeeper-unfinished"  # inside .venv: being made or changed; if nobody is at it, it was cut short
PATIENCE = timedelta(seconds=4)  # between two lines of progress
NO_INDEX = """\
The packages could not be fetched. Is the network reachable? pip asks the public package index unless told otherwise by
PIP_INDEX_URL, PIP_FIND_LINKS or a pip.conf, all of which are honoured here. Run the same command again afterwards."""


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def say(line: str) -> None:
    """One line of progress, beside the program's own output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Environment:
    """The virtual environment of the checkout at `root`; of a folder without a project, when `sources` names none."""

    def __init__(self, root: Path, *, sources: Sequence[str] = SOURCES) -> None:
        self.root = root
        self.sources = sources
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"

    def wanted_stamp(self) -> str:
        """What a complete environment's stamp says. The path is part of it: environments cannot be moved."""
        digest = hashlib.sha256(str(self.root).encode())
        for name in self.sources:
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()

    def is_ready(self) -> bool:
        """Whether it is complete and made from what the checkout holds now."""
        with suppress(OSError):
            stamp = (self.folder / STAMP).read_text()
            return stamp == self.wanted_stamp() and os.access(self.python, os.X_OK)
        return False

    def make(self) -> None:
        """Make it, or bring it up to date; one process at a time, others wait.

        Raises: SetupError.
        """
        with _locked(self.root / ".run", say_whom_we_wait_for=self.folder.name) as lock:
            if self.is_ready():
                return
            if (self.folder / UNFINISHED).exists():
                say("The last set-up was cut short: starting over.")
                shutil.rmtree(self.folder)
            if not self._works():
                say(f"Making {self.folder} with Python {sys.version.split()[0]} ...")
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir()
                (self.folder / UNFINISHED).touch()
                self._run(lock, "venv", [sys.executable, "-I", "-m", "venv", self.folder])
            (self.folder / UNFINISHED).touch()
            (self.folder / STAMP).unlink(missing_ok=True)
            say("Fetching and installing what requirements.lock lists: a minute or two the first time ...")
            self._pip(lock, "--require-hashes", "-r", self.root / LOCK)
            if PROJECT in self.sources:
                self._pip(lock, "--no-deps", "--no-build-isolation", "-e", self.root)
            (self.folder / STAMP).write_text(self.wanted_stamp())
            (self.folder / UNFINISHED).unlink()
            say("The environment is ready.")

    def _works(self) -> bool:
        """Whether its Python runs: the one it was made from may have been removed since."""
        check = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
        command = [str(self.python), "-I", "-c", check]
        with suppress(OSError):
            return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - its own Python
        return False

    def _pip(self, lock: TextIO, *arguments: str | Path) -> None:
        options = ["--no-user", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        self._run(lock, "pip", [self.python, "-I", "-m", "pip", "install", *options, *arguments])

    def _run(self, lock: TextIO, name: str, command: list[str | Path]) -> None:
        """Run it to its end, telling how far it is. It dies with us, and keeps the lock until it has."""
        log = self.root / ".run" / f"setup-{name}.log"
        log.unlink(missing_ok=True)
        with Guardian(pass_fds=[lock.fileno()]) as guardian:
            guardian.start(name, command, env=os.environ, cwd=self.root, log=log)
            told = ""
            while (code := guardian.wait(name, PATIENCE)) is None:
                last = _last_line(log)
                if last != told:
                    say(f"  {last}")
                told = last
        if code != 0:
            text = log.read_text(errors="replace")
            advice = NO_INDEX if name == "pip" and _was_unreachable(text) else f"All it said: {log}"
            tail = "\n".join(text.splitlines()[-15:])
            raise SetupError(f"{tail}\n\n{name} failed. {advice}")


@contextmanager
def _locked(folder: Path, *, say_whom_we_wait_for: str) -> Iterator[TextIO]:
    """Hold the set-up lock, which the system frees when its holder is gone, however that came about."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = (folder / "setup.lock").open("a+")
    except OSError as error:
        raise SetupError(f"This checkout is not yours to set up ({error}): use a clone of your own.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            say(f"Waiting for process {holder}, which is making {say_whom_we_wait_for} ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1].strip()[:110] if lines else ""


def _was_unreachable(text: str) -> bool:
    signs = ("No matching distribution found", "ConnectionError", "NewConnectionError", "Max retries", "resolution")
    return any(sign in text for sign in signs)


def main() -> int:
    """Exit code: 1 when the environment could not be made; else the program's own."""
    environment = Environment(ROOT)
    if sys.argv[1:] == ["--is-ready"]:
        return 0 if environment.is_ready() else 1
    try:
        if not environment.is_ready():
            if Path(sys.prefix) == environment.folder:  # we run in what may have to be removed
                base = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001 - no public name for it
                os.execv(base, [base, "-I", __file__, *sys.argv[1:]])  # noqa: S606 - the Python it was made from
            started = time.monotonic()
            environment.make()
            say(f"Set up in {time.monotonic() - started:.0f} s.")
    except SetupError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"The environment cannot be made here: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; the next start goes on from here.")
        return 130
    if len(sys.argv) > 1:
        os.execv(environment.python, [str(environment.python), *sys.argv[1:]])  # noqa: S606 - what bin/* asks for
    return 0


if __name__ == "__main__":
    sys.exit(main())
