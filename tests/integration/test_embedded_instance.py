"""Instances: how the command line finds a system that `bin/up` started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.instance import MOST_KEPT, NoInstance, find_instance, new_instance, read_env, running
from tests.support.waiting import eventually

VALUES = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:5/db", "NOTE": 'it\'s $HOME, "quoted" & spaced'}


class TestInstance:
    def test_is_found_while_it_runs_and_only_then(self, tmp_path: Path) -> None:
        with new_instance(tmp_path, "up") as instance:
            assert running(tmp_path) == []  # nothing to reach yet
            instance.write_environment(VALUES)
            found = find_instance(tmp_path)
            assert (found, found.environment()) == (instance, VALUES)

        with pytest.raises(NoInstance, match="no instance of this checkout runs: start one with bin/up"):
            find_instance(tmp_path)

    def test_keeps_its_settings_from_others(self, tmp_path: Path) -> None:
        """They hold passwords and keys."""
        with new_instance(tmp_path, "up") as instance:
            instance.write_environment(VALUES)
            assert (instance.folder / "env").stat().st_mode & 0o777 == 0o600

    def test_writes_settings_a_shell_can_read(self, tmp_path: Path) -> None:
        with new_instance(tmp_path, "up") as instance:
            instance.write_environment(VALUES)
            script = f'set -a; . {instance.folder / "env"}; printf "%s" "$NOTE"'
            shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)  # noqa: S607 - any bash
        assert shown.stdout == VALUES["NOTE"]

    def test_asks_which_of_several(self, tmp_path: Path) -> None:
        with new_instance(tmp_path, "up") as one, new_instance(tmp_path, "demo") as other:
            one.write_environment(VALUES)
            other.write_environment(VALUES)
            with pytest.raises(NoInstance, match=f"say --instance with one of {other.name}, {one.name}"):
                find_instance(tmp_path)
            assert find_instance(tmp_path, one.name) == one
            with pytest.raises(NoInstance, match="no instance 'else' runs here; these do: "):
                find_instance(tmp_path, "else")

    def test_forgets_one_that_was_killed(self, tmp_path: Path) -> None:
        """Its folder is left; neither that nor a process that has its number by now is taken for it."""
        story = (
            "import pathlib, time; from embedded.instance import new_instance;"
            f"holder = new_instance(pathlib.Path({str(tmp_path)!r}), 'up'); instance = holder.__enter__();"
            "instance.write_environment({'A': 'b'}); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", story]) as process:
            eventually(lambda: running(tmp_path))
            (left,) = running(tmp_path)
            process.kill()

        assert running(tmp_path) == []
        assert left.folder.exists()
        with new_instance(tmp_path, "up"):
            assert not left.folder.exists()

    def test_names_the_line_that_is_no_setting(self, tmp_path: Path) -> None:
        (tmp_path / "env").write_text("A=b\nnonsense\n")
        with pytest.raises(ValueError, match="line 2: not KEY=value"):
            read_env(tmp_path / "env")


class TestKept:
    def test_outlives_the_instance_and_nothing_else_does(self, tmp_path: Path) -> None:
        """A report is read after the demo is over; its settings hold passwords that nobody needs any more."""
        with new_instance(tmp_path, "demo") as instance:
            instance.write_environment(VALUES)
            (instance.folder / "logs").mkdir()
            (instance.folder / "logs" / "web.log").write_text("said")
            instance.kept.mkdir()
            (instance.kept / "report.html").write_text("well")

        assert [path.relative_to(instance.folder) for path in instance.folder.rglob("*")] == [
            Path("kept"),
            Path("kept/report.html"),
        ]
        assert running(tmp_path) == []

    def test_makes_room_for_newer_ones(self, tmp_path: Path) -> None:
        for number in range(MOST_KEPT + 3):
            with new_instance(tmp_path, "demo") as instance:
                instance.kept.mkdir()
            os.utime(instance.folder, (number, number))
        with new_instance(tmp_path, "demo"):
            left = sorted(path.stat().st_mtime for path in (tmp_path / ".run").glob("*/") if (path / "kept").exists())
        assert left == list(range(3, MOST_KEPT + 3))
