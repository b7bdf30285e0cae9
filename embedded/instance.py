"""A running instance of this checkout: the folder `.run/<name>` with the settings that reach it."""

import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

RUN = ".run"
ENV = "env"
LOCK = "alive"  # locked as long as the instance lives: the lock ends with its process, however that ends
KEPT = "kept"  # what stays when the instance is gone
MOST_KEPT = 20  # older ones make room


class NoInstance(Exception):
    """None runs, or several do and none was named; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """`folder` is `.run/<name>`; `pid` the process that runs it."""

    folder: Path
    pid: int

    @property
    def name(self) -> str:
        """What `--instance` takes."""
        return self.folder.name

    @property
    def kept(self) -> Path:
        """A folder for what is to outlive the instance: its report. Whoever first writes there makes it."""
        return self.folder / KEPT

    def environment(self) -> dict[str, str]:
        """The settings that reach it."""
        return read_env(self.folder / ENV)

    def write_environment(self, values: Mapping[str, str]) -> None:
        """Write the file `env`: lines `KEY=value`, readable by its owner alone, whole or not at all."""
        draft = self.folder / f"{ENV}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
        draft.replace(self.folder / ENV)


@contextmanager
def new_instance(root: Path, kind: str) -> Iterator[Instance]:
    """An instance of the checkout at `root` (named `<kind>-<random>`), known to `running` until the end of the block.

    Folders of instances that died without a chance to clean up are removed first.
    """
    run = root / RUN
    run.mkdir(mode=0o700, exist_ok=True)
    _sweep(run)
    folder = run / f"{kind}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    unlocked = folder / f"{LOCK}.draft"
    with unlocked.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        unlocked.rename(folder / LOCK)  # appears under its name only once it is locked: nobody takes it for a dead one
        try:
            yield Instance(folder=folder, pid=os.getpid())
        finally:
            _clear(folder)


def running(root: Path) -> list[Instance]:
    """The checkout's instances whose process lives, by name; one that has not written its `env` yet is left out."""
    found = []
    for folder in sorted((root / RUN).glob("*/")):
        pid = _owner(folder)
        if pid is not None and (folder / ENV).exists():
            found.append(Instance(folder=folder, pid=pid))
    return found


def find_instance(root: Path, name: str | None = None) -> Instance:
    """The one instance that runs, or the one of that name.

    Raises: NoInstance.
    """
    instances = running(root)
    names = ", ".join(instance.name for instance in instances)
    if name is not None:
        instances = [instance for instance in instances if instance.name == name]
    if len(instances) == 1:
        return instances[0]
    if name is not None:
        raise NoInstance(f"no instance {name!r} runs here" + (f"; these do: {names}" if names else ""))
    if instances:
        raise NoInstance(f"several instances run here: say --instance with one of {names}")
    raise NoInstance("DATABASE_URL is not set and no instance of this checkout runs: start one with bin/up")


def read_env(path: Path) -> dict[str, str]:
    """The lines `KEY=value` of a file; quotes as a shell would read them.

    Raises: ValueError naming the first line that is none; OSError.
    """
    values = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        key, separator, value = line.partition("=")
        if not separator:
            raise ValueError(f"{path}, line {number}: not KEY=value")
        values[key] = "".join(shlex.split(value))
    return values


def _owner(folder: Path) -> int | None:
    """The process that holds the folder's lock, None if none does."""
    with suppress(OSError, ValueError), (folder / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read())
    return None


def _sweep(run: Path) -> None:
    for folder in run.glob("*/"):
        if (folder / LOCK).exists() and _owner(folder) is None:
            _clear(folder)
    old = [folder for folder in run.glob("*/") if (folder / KEPT).exists() and not (folder / LOCK).exists()]
    for folder in sorted(old, key=lambda one: one.stat().st_mtime, reverse=True)[MOST_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Remove the folder of an instance that is over, but for what it keeps; its lock goes last."""
    if not (folder / KEPT).exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in sorted(folder.iterdir(), key=lambda one: one.name == LOCK):
        if path.name == KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
