"""`python -m tests.fuzz TARGET --seconds N`: let coverage guide what is tried, for as long as you like.

Needs the package atheris, which is in no lock file: it has wheels for a few releases of Python only. What breaks a
target is kept among its seeds, where `bin/test` meets it again.
"""

import argparse
import hashlib
import importlib
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tests.fuzz.seeds_of import SEEDS


def main() -> None:
    """Fuzz one target; exit code 0 when time is up and nothing broke."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris, into a virtual environment beside this one's packages")
    with atheris.instrument_imports(include=["db", "funding", "ops", "providers", "settings", "web"]):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(targets))
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    seeds = SEEDS / chosen.target
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="rk-fuzz-") as found:
        options = [f"-max_total_time={chosen.seconds}", f"-artifact_prefix={found}/", "-max_len=4096", "-timeout=20"]
        atheris.Setup([sys.argv[0], *options, found, str(seeds)], _keeping(targets[chosen.target], seeds))
        atheris.Fuzz()


def _keeping(target: Callable[[bytes], None], seeds: Path) -> Callable[[bytes], None]:
    """The same target; what breaks it becomes a seed."""

    def kept(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            (seeds / f"found-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            raise

    return kept


if __name__ == "__main__":
    main()
