"""The command line run inside the test's process, on the test's own database."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from click.testing import CliRunner, Result

from ops.cli.main import cli


@contextmanager
def _logging_kept() -> Iterator[None]:
    """A command sets up logging for a process of its own; this one is the tests'."""
    config, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.configure(**config)
        root.handlers[:] = handlers
        root.setLevel(level)


class CommandLine:
    """Runs `rampkeeper ...`; `json` gives the one document it printed."""

    def __init__(self, database_url: str, *, redis_url: str = "") -> None:
        self._environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "DATABASE_POOLER": ""}

    def __call__(self, *words: str, stdin: str | None = None, expect: int = 0) -> Result:
        """Run it; the exit code must be `expect`."""
        with _logging_kept():
            result = CliRunner().invoke(cli, words, input=stdin, env=self._environment, catch_exceptions=False)
        assert result.exit_code == expect, f"{words}: exit {result.exit_code}\n{result.output}"
        assert "\x1b" not in result.output, "control codes in a pipe"
        return result

    def json(self, *words: str, expect: int = 0) -> Any:
        """What it printed with --json."""
        return json.loads(self(*words, "--json", expect=expect).stdout)
