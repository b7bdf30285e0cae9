"""The demo from its start to its report: what a stranger sees, and what it leaves behind."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from embedded.instance import running
from ops.cli.reach import ROOT
from ops.cli.system import PRETENDED
from tests.support.demo import demo_environment, descendants, start_demo
from tests.support.waiting import alive, eventually

DOCUMENTED = {
    "flows": {"started", "completed", "parked", "failed"},
    "webhooks": {"sent", "dropped", "duplicated", "reordered"},
    "processes": {"killed", "restarted"},
    "dead_letters": {"opened", "replayed", "open"},
    "provider_effects": {"intended", "made", "duplicates"},
    "ledger": {"balanced", "entries", "clearing_differences"},
    "reconciliation": {"runs", "breaks_opened", "breaks_open"},
    "seconds": {"p50", "p99", "total"},
}


@pytest.fixture
def demo() -> Iterator[Any]:
    """Start a demo; what is left of it is killed and its report removed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        started.append(start_demo(*words))
        return started[-1]

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        with process:
            process.communicate()


def summary_of(process: subprocess.Popen[str], *, limit_s: float) -> tuple[dict[str, Any], str]:
    """The summary and what went to stderr, once it has ended well."""
    out, err = process.communicate(timeout=limit_s)
    assert process.returncode == 0, f"{out}\n{err}"
    assert "\x1b" not in out + err, "control codes in a pipe"
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary, err


@pytest.mark.timeout(300)
class TestDemo:
    def test_ends_well_though_everything_is_killed(self, demo: Any) -> None:
        """Half the webhooks dropped, each process killed twice, the queue emptied, Postgres restarted."""
        summary, said = summary_of(demo("--flows", "6", "--json"), limit_s=280)

        assert summary["troubles"] == []
        kinds = {"due_deposit": 3, "bridge_on_ramp": 1, "stripe_top_up": 1, "bridge_withdrawal": 1}
        assert summary["flows"]["completed"] == kinds
        effects = summary["provider_effects"]
        assert (effects["intended"], effects["made"], effects["duplicates"]) == (6, 6, 0)  # a withdrawal is two
        assert summary["processes"]["killed"] == 6
        assert summary["processes"]["restarted"] >= 6
        assert len(summary["recoveries"]) == 7
        letters = summary["dead_letters"]
        assert (letters["replayed"] >= 1, letters["open"]) == (True, 0)  # compliance refused, then looked again
        assert summary["reconciliation"]["breaks_open"] == 0
        assert "rampkeeper dead-letters replay --group" in said
        shutil.rmtree(Path(summary["report"]).parents[1])

    def test_tells_what_is_documented_and_keeps_its_report(self, demo: Any) -> None:
        summary, _ = summary_of(demo("--flows", "18", "--no-faults", "--json"), limit_s=160)

        for key, names in DOCUMENTED.items():
            assert names <= summary[key].keys()
        assert isinstance(summary["recovered_by_polling"], int)
        assert summary["troubles"] == []
        assert summary["flows"]["ended"] == {
            "due_deposit": {"broker_funded": 6, "returned": 1},
            "bridge_on_ramp": {"credited": 3, "refunded": 1},
            "stripe_top_up": {"claimed": 3, "rejected": 1},
            "bridge_withdrawal": {"paid_out": 3},
        }
        assert summary["processes"] == {"killed": 0, "restarted": 0}
        report = Path(summary["report"])
        page = report.read_text(encoding="utf-8")
        assert "Nothing lost, nothing doubled, nothing unexplained" in page
        assert not re.search(r"<script|\b(src|href)=|@import|url\(", page), "the page needs something else"
        assert {path.name for path in report.parents[1].iterdir()} == {"kept"}, "settings hold passwords"
        shutil.rmtree(report.parents[1])

    @pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_leaves_no_process_behind(self, demo: Any, blow: signal.Signals) -> None:
        process = demo("--flows", "50")
        for line in process.stderr:
            if "set out" in line:
                break
        started = descendants(process.pid)
        assert len(started) > 6  # two servers, the sandbox, web, worker, clock, and who guards them

        process.send_signal(blow)

        expected = -9 if blow is signal.SIGKILL else 128 + blow
        assert process.wait(timeout=60) == expected
        eventually(lambda: not any(map(alive, started)), within_s=40, what=f"the end of {started}")
        assert process.pid not in {one.pid for one in running(ROOT)}


class TestRefusals:
    @pytest.mark.parametrize("name", [f"{provider.upper()}_BASE_URL" for provider in PRETENDED])
    def test_never_meets_a_real_provider(self, name: str) -> None:
        """Money of a demo sent by a real provider would be real."""
        result = subprocess.run(
            [sys.executable, "-P", "-m", "ops.cli.main", "demo"],
            env=demo_environment(**{name: "https://real.example"}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 2
        assert f"{name} is set, and a demo pretends every provider: unset it" in result.stderr
