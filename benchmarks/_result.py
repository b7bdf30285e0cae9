"""The last line of every benchmark: its figures, the commit they were measured at and the machine, as JSON."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PLACES: Final = 3  # of a figure; more would be noise


def tell(bench: str, figures: Mapping[str, float]) -> None:
    """Print `{"bench", "figures", "commit", "machine"}` on one line; to be the last that goes to stdout.

    Figures are plain numbers whose names end in their unit.
    """
    rounded = {name: value if isinstance(value, int) else round(value, PLACES) for name, value in figures.items()}
    line = {"bench": bench, "figures": rounded, "commit": _commit(), "machine": _machine()}
    print(json.dumps(line), flush=True)


def _commit() -> str:
    """The commit checked out, `+` behind it when files differ from it; "unknown" without git or outside a clone."""
    try:
        return _git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own words


def _machine() -> str:
    """Cores, processor, memory, system and Python; never its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}"
    return f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, {system}, Python {platform.python_version()}"


def _processor() -> str:
    """Its name where the system tells, else its architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
