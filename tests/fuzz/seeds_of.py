"""What the fuzzers begin with, and what once broke something: files under `seeds/`, a folder for each target."""

from pathlib import Path
from typing import Final

SEEDS: Final = Path(__file__).with_name("seeds")


def seeds_of(target: str) -> list[Path]:
    """In the order of their names."""
    return sorted((SEEDS / target).iterdir())
