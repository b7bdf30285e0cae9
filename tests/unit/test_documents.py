"""The documents: what is made from code is current, links lead somewhere, and every command named is one."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from funding.flows.table import FLOWS
from ops.cli.main import cli
from ops.documents import (
    example_bridge_on_ramp,
    example_bridge_withdrawal,
    example_due_deposit,
    example_stripe_top_up,
    flow_diagram,
    ledger_example,
    pages,
)
from ops.documents.ledger_example import Story
from settings import GROUPS, Settings, table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "sandbox/**/*.md", "tests/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)  # an environment's packages
)
NO_SETTINGS = {"USD_6"}  # an asset
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")
SETTING = re.compile(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)[`=]")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text_of(path), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub names them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose_of(path), flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


def fault_of_link(page: Path, link: str) -> str | None:
    """Where a relative link fails to lead, if it does."""
    if re.match(r"[a-z]+:", link):
        return None
    target, _, anchor = link.partition("#")
    there = (ROOT / page.parent / target).resolve() if target else ROOT / page
    if not there.exists():
        return f"{page}: {link} leads to nothing"
    if anchor and anchor not in anchors_of(there.relative_to(ROOT)):
        return f"{page}: {link} names a heading that is not there"
    return None


def commands_of(path: Path) -> Iterator[str]:
    """Every call of the command line that a page shows, in code or in a block of code."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text_of(path), flags=re.DOTALL | re.MULTILINE)
    lines = [line.split(" #")[0] for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", prose_of(path))
    for said in [*lines, *spans]:
        found = re.match(r"\s*(?:\$ )?((?:bin/)?rampkeeper(?: .*)?)$", said)
        if found:
            yield found[1].strip()


def fault_of_command(said: str) -> str | None:
    """What of a call is not there: a command, or one of its options. Placeholders are in capitals."""
    words = [word for word in shlex.split(said)[1:] if word != "..."]
    command: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name = words.pop(0)
            following = command.get_command(context, name)
            if following is None:
                return f"{said!r}: there is no {name!r}"
            command = following
        known = {"--help", *(flag for param in command.params for flag in (*param.opts, *param.secondary_opts))}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in known]
    if unknown:
        return f"{said!r}: no option {', '.join(unknown)}"
    # A bare name speaks of the command; with anything behind it, it is to be typed, and must be whole.
    needed = [p for p in command.params if p.required and isinstance(p, click.Option)] if words else []
    missing = [param.opts[0] for param in needed if not set(param.opts) & {word.split("=")[0] for word in words}]
    return f"{said!r}: lacks {', '.join(missing)}" if missing else None


@pytest.mark.parametrize("page", DOCUMENTS, ids=str)
class TestEachPage:
    def test_leads_nowhere_that_is_not(self, page: Path) -> None:
        faults = [fault for link in LINK.findall(prose_of(page)) if (fault := fault_of_link(page, link))]
        assert faults == []

    def test_names_no_command_that_is_not(self, page: Path) -> None:
        faults = [fault for said in commands_of(page) if (fault := fault_of_command(said))]
        assert faults == []

    def test_names_no_file_that_is_not(self, page: Path) -> None:
        named = [path for path in PATH.findall(prose_of(page)) if "NAME" not in path]
        assert [path for path in named if not (ROOT / path).exists() and not (ROOT / page.parent / path).exists()] == []

    def test_names_no_setting_that_is_not(self, page: Path) -> None:
        known = {setting.name for _, group in (("", Settings), *GROUPS) for _, setting in table(group)}
        assert set(SETTING.findall(prose_of(page))) - known - NO_SETTINGS == set()


class TestTheChecks:
    def test_find_what_is_wrong(self) -> None:
        """A check that finds nothing anywhere proves nothing."""
        page = Path("docs/how-money-moves.md")
        assert fault_of_link(page, "no-such-page.md") is not None
        assert fault_of_link(page, "#no-such-heading") is not None
        assert fault_of_link(page, "runbook.md#no-such-alert") is not None
        assert fault_of_link(page, "runbook.md#stuck") is None
        assert fault_of_command("rampkeeper no-such-command") is not None
        assert fault_of_command("bin/rampkeeper flows no-such-command") is not None
        assert fault_of_command("rampkeeper flows list --no-such-option") is not None
        assert fault_of_command("rampkeeper ledger move-suspense FLOW --amount 5") is not None
        assert fault_of_command("rampkeeper flows list --kind due_deposit --json") is None

    def test_see_the_commands_of_a_page(self) -> None:
        shown = set(commands_of(Path("docs/runbook.md")))
        assert {"rampkeeper doctor", "rampkeeper dead-letters groups"} <= shown


def test_every_made_part_has_a_place() -> None:
    assert pages.missing(text_of(page) for page in pages.PAGES) == []


@pytest.mark.parametrize("page", pages.PAGES, ids=str)
def test_made_parts_are_current(page: Path) -> None:
    assert text_of(page) == pages.filled(text_of(page)), "run: python -m ops.documents.pages"


def test_the_diagram_draws_every_state_and_every_move_of_a_table() -> None:
    """A move that is not drawn goes through a state in between, by steps that may make both parts of it."""
    for flow in FLOWS.values():
        drawn = {(state, to) for state, to, _ in flow_diagram.moves(flow)}
        for step in flow.steps():
            for state, to in ((state, to) for state in step.on for to in step.may_reach if state != to):
                ways = [via for via in flow_diagram.states(flow) if {(state, via), (via, to)} <= drawn]
                assert (state, to) in drawn or ways, f"{flow.name}: {state} to {to} is not drawn"
        named = {state for move in drawn for state in move}
        assert named == set(flow_diagram.states(flow))


class TestTheExamplesOfTheLedger:
    @pytest.mark.parametrize("flow", pages.EXAMPLES)
    def test_balance(self, flow: str) -> None:
        for story in pages.EXAMPLES[flow]():
            sums: defaultdict[tuple[str, str], int] = defaultdict(int)
            for _, entry in story.entries:
                for posting in entry.postings:
                    sums[posting.account.asset, posting.layer] += posting.minor
            assert set(sums.values()) == {0}, story.title

    @pytest.mark.parametrize("flow", pages.EXAMPLES)
    def test_leave_nothing_on_the_way(self, flow: str) -> None:
        """The usual way of each ends with the customer; what a provider holds for us is no longer on its way."""
        usual = pages.EXAMPLES[flow]()[0]
        on_the_way = ("deposit", "payout", "top_up", "exchange", "suspense", "on_chain", "due:clearing")
        assert [place for place in ledger_example.left(usual) if place[1] in on_the_way] == []

    def test_give_the_customer_what_was_paid_out(self) -> None:
        left = left_by(example_due_deposit.stories()[0])
        assert left["brokerage", "USD"] == -example_due_deposit.PAID_OUT.minor
        assert left["alpaca:clearing", "USD"] == left["bank", "USD"] == 0

    def test_show_the_markup_of_half_a_percent_beside_the_fees(self) -> None:
        left = left_by(example_bridge_on_ramp.stories()[0])
        whole = example_bridge_on_ramp.CAME.minor * 10_000  # a dollar has cents, its tokens have millionths
        assert left["bridge:markup", "USDT"] == -left["bridge:markup_kept", "USDT"] == -whole // 200
        assert left["wallet", "USDT"] == -example_bridge_on_ramp.CREDITED.minor
        assert left["wallet", "USDT"] + left["bridge:markup", "USDT"] + left["bridge:fees_passed_on", "USDT"] == -whole

    def test_bring_home_all_that_a_bank_gives_back(self) -> None:
        """Together with what had left before, a withdrawal that came back has moved nothing."""
        usual, *_, came_back = example_bridge_withdrawal.stories()
        paid = came_back.entries[0][1]
        left = left_by(Story("both", (*usual.entries, *came_back.entries[1:])))
        assert usual.entries[-1][1] == paid
        assert not left

    def test_owe_only_what_was_spent(self) -> None:
        disputed = example_stripe_top_up.stories()[3]
        left = left_by(Story("until it is won", disputed.entries[:1]))
        assert left["receivable", "USD"] == 30_00
        assert not left_by(disputed)


def left_by(story: Story) -> Counter[tuple[str, str]]:
    """What a story leaves in each (account, asset), whoever owns it."""
    sums: Counter[tuple[str, str]] = Counter()
    for (_, name, asset), minor in ledger_example.left(story).items():
        sums[name, asset] += minor
    return sums


class TestQueueFailures:
    """Every known way in which queues fail has a row that names a test, or says why it cannot happen."""

    @pytest.fixture
    def rows(self) -> dict[int, str]:
        text = text_of(Path("docs/queue-failures.md"))
        return {int(number): rest for number, rest in re.findall(r"^\| (\d+) \|(.*)$", text, flags=re.MULTILINE)}

    def test_have_a_row_each(self, rows: dict[int, str]) -> None:
        assert sorted(rows) == list(range(1, 29))

    def test_name_tests_that_exist(self, rows: dict[int, str]) -> None:
        named = {tuple(one) for row in rows.values() for one in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)}
        assert [f"{path}::{name}" for path, name in sorted(named) if f"def {name}(" not in text_of(Path(path))] == []

    def test_have_a_test_or_a_reason(self, rows: dict[int, str]) -> None:
        bare = [number for number, row in rows.items() if "::" not in row and "cannot" not in row]
        assert bare == []
