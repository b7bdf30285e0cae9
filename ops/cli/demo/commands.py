"""The real command line, run as a person would run it."""

import subprocess
import sys
from typing import Final

from ops.cli.system import ROOT, System

BY: Final = "demo"
LIMIT_S: Final = 120


class CommandFailed(Exception):
    """A command of ours ended badly; the message holds what it said."""


def acting(system: System, *words: str) -> str:
    """Run `rampkeeper ...` that changes something; what it printed. Raises: CommandFailed."""
    return reading(system, *words, "--yes", "--by", BY)


def reading(system: System, *words: str) -> str:
    """Run `rampkeeper ...`; what it printed. Raises: CommandFailed."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own command line
            [sys.executable, "-P", "-m", "ops.cli.main", *words],
            env=dict(system.environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"rampkeeper {' '.join(words)} did not end within {LIMIT_S} s") from late
    if done.returncode:
        raise CommandFailed(f"rampkeeper {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
