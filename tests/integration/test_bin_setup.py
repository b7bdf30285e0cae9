"""bin/*: from a bare checkout to a running program, whatever happens on the way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.virtualenv import STAMP, UNFINISHED, Environment
from tests.support.small_checkout import ROOT, SmallCheckout
from tests.support.waiting import eventually

PROGRAMS = sorted(path.name for path in (ROOT / "bin").glob("[!.]*"))


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> SmallCheckout:
    """Set up once; tests that disturb it make their own."""
    checkout = SmallCheckout(tmp_path_factory.mktemp("ready"))
    result = checkout.run("rampkeeper", "first")
    assert result.returncode == 0, result.stderr
    assert "Making" in result.stderr
    return checkout


@pytest.fixture
def bare(tmp_path: Path) -> SmallCheckout:
    return SmallCheckout(tmp_path)


def fake_python(folder: Path, name: str, *, version: tuple[int, int], venv: bool) -> None:
    """A program that answers the questions bin/.venv.sh asks as such a Python would."""
    new_enough = version >= (3, 11)
    program = folder / name
    program.write_text(
        "#!/bin/sh\n"
        f'case "$3" in *version_info*) exit {0 if new_enough else 1} ;; *ensurepip*) exit {0 if venv else 1} ;; esac\n'
        'echo "handed over: $@"\n'
    )
    program.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what bin/* may count on, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "readlink"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True)  # noqa: S607 - any which
        (folder / name).symlink_to(found.stdout.strip())
    return folder


class TestReady:
    def test_does_nothing_the_second_time(self, ready: SmallCheckout) -> None:
        result = ready.run("rampkeeper", "flows", "list", "--state", "broker funded")
        assert json.loads(result.stdout)["arguments"] == ["flows", "list", "--state", "broker funded"]
        assert result.stderr == ""

    @pytest.mark.parametrize(("program", "first"), [("demo", ["demo"]), ("up", ["up"]), ("rampkeeper", [])])
    def test_hands_each_program_its_arguments(self, ready: SmallCheckout, program: str, first: list[str]) -> None:
        result = ready.run(program, "--seed", "7", "two words")
        assert json.loads(result.stdout)["arguments"] == [*first, "--seed", "7", "two words"]

    def test_works_through_links_and_from_anywhere(self, ready: SmallCheckout, tmp_path: Path) -> None:
        """Paths in arguments stay relative to where the caller is."""
        (tmp_path / "inner").mkdir()
        (tmp_path / "keeper").symlink_to(ready.root / "bin" / "rampkeeper")
        (tmp_path / "inner" / "again").symlink_to("../keeper")
        (tmp_path / "ops.py").write_text("raise SystemExit('not this one')")
        command = [tmp_path / "inner" / "again"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(result.stdout)["cwd"] == str(tmp_path)

    def test_is_one_process_from_start_to_end(self, ready: SmallCheckout) -> None:
        """So that a signal to the program reaches the program."""
        with ready.start("rampkeeper") as process:
            out, _ = process.communicate()
        assert json.loads(out)["pid"] == process.pid

    def test_is_not_misled_by_a_foreign_environment(self, ready: SmallCheckout, tmp_path: Path) -> None:
        result = ready.run("rampkeeper", VIRTUAL_ENV=str(tmp_path), CDPATH=str(tmp_path), PYTHONHOME="/no/such")
        assert (result.returncode, result.stderr) == (0, "")


class TestSetUp:
    def test_two_at_once_wait_for_each_other(self, bare: SmallCheckout) -> None:
        with bare.start("rampkeeper", "a") as one, bare.start("rampkeeper", "b") as other:
            outcomes = [one.communicate(), other.communicate()]

        assert [json.loads(out)["arguments"] for out, _ in outcomes] == [["a"], ["b"]]
        told = [err for _, err in outcomes]
        assert sum("Making" in err for err in told) == 1
        (waited,) = (err for err in told if "Making" not in err)
        assert "Waiting for process" in waited or waited == ""  # or it came when all was done

    def test_heals_after_a_kill_and_leaves_no_process(self, bare: SmallCheckout) -> None:
        with bare.start("rampkeeper") as process:
            eventually((bare.root / ".venv" / UNFINISHED).exists)
            process.kill()
        eventually(lambda: bare.processes() == [])

        result = bare.run("rampkeeper", "again")

        assert json.loads(result.stdout)["arguments"] == ["again"]
        assert "The last set-up was cut short: starting over." in result.stderr

    def test_says_so_when_no_package_can_be_fetched(self, bare: SmallCheckout) -> None:
        (bare.root / "requirements.lock").write_text("nowhere-to-be-found==1.0 --hash=sha256:" + "0" * 64 + "\n")

        result = bare.run("demo")

        assert (result.returncode, result.stdout) == (1, "")
        assert "No matching distribution found for nowhere-to-be-found" in result.stderr
        assert "Is the network reachable?" in result.stderr
        assert "\x1b" not in result.stderr


class TestPython:
    def test_takes_the_first_that_will_do(self, bare: SmallCheckout, tools: Path) -> None:
        fake_python(tools, "python3.12", version=(3, 12), venv=False)
        fake_python(tools, "python3.11", version=(3, 11), venv=True)
        fake_python(tools, "python3", version=(3, 9), venv=True)

        result = bare.run("rampkeeper", PATH=str(tools))

        assert result.stdout.startswith(f"handed over: -I {bare.root}/embedded/virtualenv.py -P -m ops.cli.main")

    def test_obeys_a_wish(self, bare: SmallCheckout, tools: Path) -> None:
        fake_python(tools, "mine", version=(3, 13), venv=True)
        result = bare.run("rampkeeper", PATH=str(tools), PYTHON=str(tools / "mine"))
        assert result.stdout.startswith("handed over")

    def test_says_what_to_install(self, bare: SmallCheckout, tools: Path) -> None:
        fake_python(tools, "python3", version=(3, 9), venv=True)
        result = bare.run("demo", PATH=str(tools))
        assert (result.returncode, result.stdout) == (1, "")
        assert "Python 3.11 or newer" in result.stderr
        assert "apt-get install python3 python3-venv" in result.stderr

    def test_says_which_one_lacks_venv(self, bare: SmallCheckout, tools: Path) -> None:
        """Debian's python3 comes without it."""
        fake_python(tools, "python3", version=(3, 12), venv=False)
        result = bare.run("demo", PATH=str(tools))
        assert result.returncode == 1
        assert "python3 is new enough but comes without venv" in result.stderr
        assert "apt-get install python3-venv" in result.stderr


class TestStamp:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> Environment:
        for name in ("requirements.lock", "pyproject.toml"):
            (tmp_path / name).write_text("as it was")
        environment = Environment(tmp_path)
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)
        (environment.folder / STAMP).write_text(environment.wanted_stamp())
        return environment

    def test_holds_while_nothing_changes(self, environment: Environment) -> None:
        assert environment.is_ready()

    @pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
    def test_falls_with_what_the_environment_is_made_from(self, environment: Environment, name: str) -> None:
        (environment.root / name).write_text("changed")
        assert not environment.is_ready()

    def test_falls_with_its_python(self, environment: Environment) -> None:
        """A system upgrade removes the Python an environment was made from."""
        environment.python.unlink()
        environment.python.symlink_to("/no/such/python")
        assert not environment.is_ready()

    def test_falls_when_the_checkout_moves(self, environment: Environment) -> None:
        moved = environment.root.with_name(f"{environment.root.name}-moved")
        environment.root.rename(moved)
        assert not Environment(moved).is_ready()


class TestScripts:
    def test_are_those_the_documentation_names(self) -> None:
        assert PROGRAMS == ["bench", "demo", "rampkeeper", "test", "up"]

    @pytest.mark.parametrize("path", [*(f"bin/{name}" for name in [*PROGRAMS, ".venv.sh"]), ".ci/run"])
    def test_are_sound_bash(self, path: str) -> None:
        subprocess.run(["bash", "-n", str(ROOT / path)], check=True)  # noqa: S607 - any bash
        text = (ROOT / path).read_text()
        if not path.endswith(".sh"):
            assert text.startswith("#!/usr/bin/env bash\n")
            assert "\nset -euo pipefail\n" in text
            assert os.access(ROOT / path, os.X_OK)

    def test_bench_lists_what_can_be_run(self) -> None:
        command = [sys.executable, "-P", "-m", "benchmarks"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        unknown = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
        assert unknown.returncode == 2
        assert unknown.stdout == ""
        assert unknown.stderr == f"No benchmark is named 'nonsense'. There are:\n{listed.stdout}"
