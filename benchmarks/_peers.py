"""The environment that the peers run in: made on first use, apart from the product's own."""

from pathlib import Path
from typing import Final

from benchmarks._processes import BenchmarkFailed
from embedded.virtualenv import LOCK, Environment, SetupError

FOLDER: Final = Path(__file__).with_name("peers")


def peers_python() -> Path:
    """Their Python, with all that their lock file lists. Raises: BenchmarkFailed: it cannot be made."""
    environment = Environment(FOLDER, sources=(LOCK,))
    try:
        if not environment.is_ready():
            environment.make()
    except SetupError as error:
        raise BenchmarkFailed(f"the environment of the peers cannot be made: {error}") from error
    return environment.python
