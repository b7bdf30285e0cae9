"""What bin/test runs: the static checks side by side, then the tests; arguments go to pytest.

With `--coverage`, only what is measured: see `[tool.coverage]` in pyproject.toml.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from embedded.guardian import Guardian

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STATIC_CHECKS = {
    "lint": ["ruff", "check", "--no-cache", "--output-format", "concise", "."],
    "format": ["ruff", "format", "--no-cache", "--check", "."],
    "types": ["mypy", "--no-color-output"],
    "imports": ["lint-imports", "--no-cache", "--no-logo"],
}
MEASURED = [f"tests/{place}" for place in ("unit", "contract", "integration", "flows", "fuzz")]
COVERAGE = ["--cov", "--cov-config=pyproject.toml", "--cov-report=term-missing", *MEASURED]
LIMIT = timedelta(minutes=10)
WORKERS = min(max(os.cpu_count() or 2, 2) + 1, 6)  # one more than cores: the lot over real processes mostly waits


def static_checks() -> list[str]:
    """Run them; say how each went, with its output if it failed. Answers the names of those that did."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="rk-check-") as folder, Guardian() as guardian:
        started = time.monotonic()
        for name, (program, *arguments) in STATIC_CHECKS.items():
            command = [str(BIN / program), *arguments]
            environment = os.environ | {"NO_COLOR": "1", "PYTHONWARNINGS": "default"}
            guardian.start(name, command, env=environment, cwd=ROOT, log=Path(folder, name))
        print(f"Checking {', '.join(STATIC_CHECKS)} ...", file=sys.stderr, flush=True)
        for name in STATIC_CHECKS:
            code = guardian.wait(name, LIMIT)
            print(f"{name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - started:.0f} s)", flush=True)
            if code != 0:
                failed.append(name)
                print(Path(folder, name).read_text(errors="replace"), flush=True)
    return failed


def tests(arguments: list[str]) -> int:
    """Run pytest where we are, so that Ctrl-C and a debugger reach it; its exit code."""
    if "--coverage" in arguments:
        arguments = [*COVERAGE, *(each for each in arguments if each != "--coverage")]
    chosen = any(each.startswith(("-n", "--numprocesses", "--pdb", "--dist")) for each in arguments)
    parallel = [] if chosen else ["-n", str(WORKERS), "--dist", "loadgroup"]
    command = [sys.executable, "-m", "pytest", *parallel, *arguments]
    environment = os.environ | {"RAMPKEEPER_TEST_PARENT": str(os.getpid())}  # it ends itself when we are gone
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # pytest has had it too, and is summing up
                continue


def main() -> int:
    """Exit code 0 if all is well."""
    try:
        failed = static_checks()
    except KeyboardInterrupt:
        return 130
    code = tests(sys.argv[1:])
    if failed:
        print(f"Failed beside the tests: {', '.join(failed)}", file=sys.stderr, flush=True)
    return code or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
