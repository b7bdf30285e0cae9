"""A checkout as small as can be, with our own bin/ and set-up: it installs in seconds and from no index."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "small"
version = "1"
"""
BACKEND = '''\
"""Builds an editable wheel that only points here."""
import pathlib, zipfile
def build_editable(folder, *_):
    info = "small-1.dist-info/"
    files = {"small.pth": str(pathlib.Path.cwd()) + "\\n",
             info + "METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
             info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: b\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    record = "".join(f"{name},,\\n" for name in [*files, info + "RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder, "small-1-py3-none-any.whl"), "w") as wheel:
        for name, text in {**files, info + "RECORD": record}.items():
            wheel.writestr(name, text)
    return "small-1-py3-none-any.whl"
'''
MAIN = """\
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid()}))
"""


class SmallCheckout:
    """`run` starts one of its bin/ programs; what that runs prints its arguments as JSON."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("bin", "embedded"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "ops" / "cli").mkdir(parents=True)
        (root / "ops" / "cli" / "main.py").write_text(MAIN)
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "backend.py").write_text(BACKEND)
        (root / "requirements.lock").write_text("# nothing\n")

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Under next to no environment, as a cron job or a container would."""
        plain = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "PIP_NO_INDEX": "1"}
        return subprocess.Popen(
            [self.root / "bin" / arguments[0], *arguments[1:]],
            env=plain | environment,
            cwd=cwd or "/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, cwd=cwd, **environment) as process:
            out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def processes(self) -> list[str]:
        """Command lines of what runs from this checkout; empty where there is no /proc."""
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.root) in line:
                lines.append(line)
        return lines
