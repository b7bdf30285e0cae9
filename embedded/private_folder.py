"""A folder of our own for one server: what it runs and what it stores; nothing outside it is touched.

Database servers refuse to run as root. Started by root, a server runs as `nobody`, from a copy of its programs: the
originals may lie where `nobody` may not go, and their permissions are not ours to change.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedded.guardian import Guardian

STAND_INS = ("nobody", "daemon")
WAYS = "run as an ordinary user, or set DATABASE_URL and REDIS_URL"
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - we make a folder of our own there
MEMORY_DISK_ROOM_BYTES = 2 << 30  # less room, as in many containers, and the data goes to the ordinary disk


class EmbeddedError(Exception):
    """A server could not be started on this machine; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class PrivateFolder:
    """`path` and `data` are removed as a whole at the end; programs lie under `site`."""

    path: Path
    data: Path  # the server's own, empty at first; in `path` or on the memory disk
    site: Path  # the folder packages are installed in, or our copy of the part that is needed
    user: tuple[int, int] | None  # (uid, gid) the server must run as; None: as ourselves

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.path / "log"


def make_private_folder(
    guardian: Guardian, *, site: Path, programs: Iterable[Path], probe: Path, in_memory: bool = False
) -> PrivateFolder:
    """Make the folder, with the `programs` (relative to `site`) in it if we are root; `guardian` removes it.

    `probe` is the one of them that answers `--version`: it proves that the place allows programs to run. With
    `in_memory` the data lies on the memory disk if the machine has one with room to spare: disks can be slow.

    Raises: EmbeddedError naming each place tried and why it would not do.
    """
    if os.geteuid() != 0:
        _need_a_name()
        path = _name(guardian, Path(tempfile.gettempdir()))
        path.mkdir(mode=0o700)
        data = _make_data(guardian, path, None, in_memory=in_memory)
        return PrivateFolder(path=path, data=data, site=site, user=None)
    user = _nobody()
    refusals = []
    for place in _places():
        path = _name(guardian, place)
        try:
            path.mkdir(mode=0o700)
            path.chmod(0o711)  # the server passes through to its own data, and lists nothing
            _copy(programs, site, path / "site")
            _try_out(path / "site" / probe, user)
            data = _make_data(guardian, path, user, in_memory=in_memory)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(path, ignore_errors=True)
            refusals.append(f"{place}: {error}")
        else:
            return PrivateFolder(path=path, data=data, site=path / "site", user=user)
    raise EmbeddedError(
        "started by root, the database server has to run as the user 'nobody', and no temporary folder allows that ("
        + "; ".join(refusals)
        + f"): point TMPDIR to a folder all may enter, {WAYS}"
    )


def server_environment() -> dict[str, str]:
    """What a server needs of our environment: next to nothing, so that it behaves alike everywhere."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def log_tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def _nobody() -> tuple[int, int]:
    """The user to run as in place of root; it must have a name, for initdb looks it up."""
    for name in STAND_INS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedError(
        f"PostgreSQL must not run as root, and this machine has no user {' or '.join(STAND_INS)}: {WAYS}"
    )


def _need_a_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL's initdb needs a user with a name, and {os.geteuid()} has none: {WAYS}"
        ) from None


def _places() -> list[Path]:
    """Temporary folders, the preferred one first, each once."""
    candidates = [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - we make a folder of our own there
    return [place for place in dict.fromkeys([*map(Path, candidates), MEMORY_DISK]) if place.is_dir()]


def _name(guardian: Guardian, place: Path) -> Path:
    path = place / f"rk-{secrets.token_hex(6)}"
    guardian.remove_at_end(path)
    return path


def _make_data(guardian: Guardian, path: Path, user: tuple[int, int] | None, *, in_memory: bool) -> Path:
    data = path / "data"
    if in_memory:
        with suppress(OSError):
            if shutil.disk_usage(MEMORY_DISK).free >= MEMORY_DISK_ROOM_BYTES:
                data = _name(guardian, MEMORY_DISK)
                data.mkdir(mode=0o700)
    data.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(data, *user)
    return data


def _copy(programs: Iterable[Path], site: Path, to: Path) -> None:
    for program in programs:
        target = to / program
        target.parent.mkdir(parents=True, exist_ok=True)
        if (site / program).is_dir():
            shutil.copytree(site / program, target, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
        else:
            shutil.copy2(site / program, target)
    for copied in (to, *to.rglob("*")):
        if not copied.is_symlink():  # a strict umask may have kept the originals from other users
            copied.chmod(0o755 if copied.is_dir() or os.access(copied, os.X_OK) else 0o644)


def _try_out(program: Path, user: tuple[int, int]) -> None:
    subprocess.run(  # noqa: S603 - the server's own program
        [program, "--version"],
        user=user[0],
        group=user[1],
        extra_groups=[],
        cwd="/",
        env=server_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )
