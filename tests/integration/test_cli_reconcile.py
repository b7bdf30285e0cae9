"""`rampkeeper reconcile`: files compared, breaks shown and worked on, each act audited."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from db.breaks import open_break
from funding.outcomes import BreakFound
from tests.support.command_line import CommandLine
from tests.support.compared import add_compared
from tests.support.desk_rows import digests
from tests.support.rows import add_event

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
HEADER = "provider,kind,id,state,time,asset,amount,asset_out,amount_out"
BREAK = [
    "id", "provider", "type", "status", "subject", "flow", "event", "ours", "theirs", "amount_at_risk", "asset",
    "opened_at", "seen_at", "closed_at", "suggested_action", "owner",
]  # fmt: skip


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def file(engine: Engine, tmp_path: Path) -> str:
    """Three transfers: one that agrees, one of another amount, one that nobody has here."""
    with engine.begin() as connection:
        add_compared(connection, transfer="tf_ok", at=AT)
        add_compared(connection, transfer="tf_amount", at=AT, amount=240_000_000)
    path = tmp_path / "due.csv"
    lines = [f"due,transfer,{name},payment_processed,{AT.isoformat()},USDC,250.00,USD,249.25" for name in
             ("tf_ok", "tf_amount", "tf_here")]  # fmt: skip
    path.write_text("\n".join([HEADER, *lines, ""]))
    return str(path)


@pytest.fixture
def found(rampkeeper: CommandLine, file: str) -> dict[str, str]:
    """The ids of the breaks that the file led to, by type."""
    rampkeeper("reconcile", "import", file, "--yes")
    return {row["type"]: row["id"] for row in rampkeeper.json("reconcile", "breaks")}


class TestImport:
    def test_compares_the_file_and_prints_the_run(self, rampkeeper: CommandLine, file: str) -> None:
        run = rampkeeper.json("reconcile", "import", file, "--yes", "--by", "ana")
        assert (run["status"], run["source"], run["asked_by"]) == ("finished", "file", "ana")
        assert [(one["type"], one["subject"]) for one in run["findings"]] == [
            ("amount_differs", "transfer tf_amount"),
            ("missing_here", "transfer tf_here"),
        ]
        again = rampkeeper.json("reconcile", "import", file, "--yes")
        assert json.dumps(again["findings"]) == json.dumps(run["findings"]), "the same bytes for the same input"
        assert [line["action"] for line in rampkeeper.json("audit", "list")] == ["reconcile.import"] * 2

    def test_can_fail_on_breaks(self, rampkeeper: CommandLine, file: str) -> None:
        assert "missing_here" in rampkeeper("reconcile", "import", file, "--yes", "--fail-on-breaks", expect=1).stdout

    def test_takes_the_whole_file_or_nothing(self, rampkeeper: CommandLine, file: str, engine: Engine) -> None:
        text_of = Path(file).read_text()
        Path(file).write_text(text_of.replace("tf_here,payment", "tf_here,,payment").replace("250.00", "x", 1))
        with engine.begin() as connection:
            before = digests(connection)
        told = rampkeeper("reconcile", "import", file, "--yes", expect=1).stderr
        assert "2 bad lines; nothing was imported" in told
        assert "line 2: " in told
        assert "line 4: " in told
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_closes_what_a_later_file_of_the_window_does_not_hold(self, rampkeeper: CommandLine, file: str) -> None:
        """A file holds everything of its window: what is not in it any more is gone."""
        rampkeeper("reconcile", "import", file, "--yes")
        Path(file).write_text("\n".join(Path(file).read_text().splitlines()[:-1]))
        assert rampkeeper.json("reconcile", "import", file, "--yes")["counts"]["closed"] == 1

    def test_asks_first(self, rampkeeper: CommandLine, file: str) -> None:
        assert "Add --yes" in rampkeeper("reconcile", "import", file, expect=2).stderr


class TestBreaks:
    def test_are_listed_in_the_documented_shape(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        by_amount = rampkeeper.json("reconcile", "breaks", "--sort", "amount")
        assert [list(row) for row in by_amount] == [BREAK, BREAK]
        assert [row["amount_at_risk"] for row in by_amount] == [250_000_000, 10_000_000]

    @pytest.mark.parametrize(
        ("filters", "count"),
        [
            (("--type", "missing_here"), 1),
            (("--provider", "alpaca"), 0),
            (("--state", "closed"), 0),
            (("--state", "all"), 2),
            (("--owner", "ana"), 0),
            (("--since", "1h"), 2),
            (("--limit", "1"), 1),
        ],
    )
    def test_are_filtered(
        self, rampkeeper: CommandLine, found: dict[str, str], filters: tuple[str, ...], count: int
    ) -> None:
        assert len(rampkeeper.json("reconcile", "breaks", *filters)) == count

    def test_of_one_run_or_flow(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        (run,) = rampkeeper.json("reconcile", "runs")
        assert len(rampkeeper.json("reconcile", "breaks", "--run", run["id"][:8])) == 2
        flow = rampkeeper.json("reconcile", "show", found["amount_differs"])["flow"]
        assert len(rampkeeper.json("reconcile", "breaks", "--flow", flow)) == 1

    def test_are_assigned_noted_and_resolved(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        """From the first look to the end, all of it in the history and in the audit log."""
        one = found["amount_differs"]
        rampkeeper("reconcile", "assign", one[:13], "--yes", "--by", "ana")
        rampkeeper("reconcile", "note", one, "Due says 250 is right", "--yes", "--by", "ana")
        rampkeeper("reconcile", "resolve", one, "--note", "paid the rest", "--yes", "--by", "bo")

        shown = rampkeeper.json("reconcile", "show", one)
        assert (shown["status"], shown["owner"], shown["resolved_by"]) == ("closed", "ana", "bo")
        assert [(line["what"], line["by_whom"], line["note"]) for line in shown["history"]] == [
            ("opened", None, None),
            ("assigned", "ana", "ana"),
            ("noted", "ana", "Due says 250 is right"),
            ("resolved", "bo", "paid the rest"),
        ]
        actions = [line["action"] for line in rampkeeper.json("audit", "list")]
        assert actions == ["break.resolve", "break.note", "break.assign", "reconcile.import"]
        assert "paid the rest" in rampkeeper("reconcile", "show", one).stdout

    def test_are_resolved_once(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        one = found["missing_here"]
        rampkeeper("reconcile", "resolve", one, "--note", "done", "--yes")
        assert "closed already" in rampkeeper("reconcile", "resolve", one, "--note", "x", "--yes", expect=1).stderr

    def test_are_given_to_another_and_back(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        one = found["missing_here"]
        rampkeeper("reconcile", "assign", one, "--to", "bo", "--yes")
        assert [row["owner"] for row in rampkeeper.json("reconcile", "breaks", "--owner", "bo")] == ["bo"]
        rampkeeper("reconcile", "assign", one, "--nobody", "--yes")
        assert rampkeeper.json("reconcile", "breaks", "--owner", "bo") == []
        rampkeeper("reconcile", "assign", one, "--nobody", "--to", "bo", "--yes", expect=2)

    @pytest.mark.parametrize(
        "words",
        [
            ("show", "ffff"),
            ("note", "ffff", "hello", "--yes"),
            ("resolve", "no-id", "--note", "x", "--yes"),
            ("breaks", "--run", "ffff"),
        ],
    )
    def test_of_a_wrong_id_change_nothing(
        self, engine: Engine, rampkeeper: CommandLine, found: dict[str, str], words: tuple[str, ...]
    ) -> None:
        with engine.begin() as connection:
            before = digests(connection)
        assert "there is no" in rampkeeper("reconcile", *words, expect=1).stderr
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_need_words_in_a_note(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        told = rampkeeper("reconcile", "resolve", *found.values(), "--note", " ", "--yes", expect=1).stderr
        assert "not empty" in told
        assert len(rampkeeper.json("reconcile", "breaks")) == 2


class TestRun:
    def test_says_what_setting_it_needs(self, rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        told = rampkeeper("reconcile", "run", "--provider", "due", expect=2).stderr
        assert "REDIS_URL" in told
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        configured = CommandLine("", redis_url="redis://127.0.0.1:1/0")
        configured._environment["DATABASE_URL"] = rampkeeper._environment["DATABASE_URL"]
        assert "DUE_BASE_URL" in configured("reconcile", "run", "--provider", "due", expect=2).stderr

    def test_shows_runs_the_newest_first(self, rampkeeper: CommandLine, file: str, engine: Engine) -> None:
        for _ in range(2):
            rampkeeper("reconcile", "import", file, "--yes")
        with engine.begin() as connection:
            connection.execute(
                text("""
                    INSERT INTO reconciliation_runs (id, provider, since, until, status, finished_at, error)
                    VALUES (gen_random_uuid(), 'alpaca', rk_now(), rk_now(), 'failed', rk_now(), 'no answer')
                """)
            )
        listed = rampkeeper.json("reconcile", "runs")
        assert [row["status"] for row in listed] == ["failed", "finished", "finished"]
        assert "no answer" in rampkeeper("reconcile", "runs", "--state", "failed").stdout
        assert "tf_here" in rampkeeper("reconcile", "show", listed[-1]["id"]).stdout
        assert rampkeeper.json("report", "reconciliation")


class TestAPossibleSecondDeposit:
    @pytest.fixture
    def doubt(self, engine: Engine) -> str:
        """The id of the break about an event that came again."""
        with engine.begin() as connection:
            event = add_event(connection, f"sha256:{'0' * 64}:2")
            connection.execute(text("UPDATE inbox_events SET state = 'handled', due_at = NULL, handled_at = rk_now()"))
            found = BreakFound(provider="due", type="possible_second_deposit", subject=f"event {event}")
            return str(open_break(connection, found, found_by="ingest", event=event).id)

    @staticmethod
    def event(engine: Engine) -> tuple[str, bool]:
        """Its state, and whether it is due."""
        with engine.begin() as connection:
            row = connection.execute(text("SELECT state, due_at IS NOT NULL AS due FROM inbox_events")).one()
        return row.state, row.due

    def test_that_is_another_has_its_event_handled_once_more(
        self, engine: Engine, rampkeeper: CommandLine, doubt: str
    ) -> None:
        rampkeeper("reconcile", "resolve", doubt, "--as", "another", "--yes", "--by", "ana")
        assert self.event(engine) == ("received", True)

        again = rampkeeper("reconcile", "resolve", doubt, "--as", "resend", "--yes", expect=1)
        assert "closed already" in again.stderr
        assert self.event(engine) == ("received", True)
        shown = rampkeeper.json("reconcile", "show", doubt)
        assert [(line["what"], line["by_whom"]) for line in shown["history"]][-2:] == [
            ("resolved", "ana"),
            ("another", "ana"),
        ]
        assert [line["action"] for line in rampkeeper.json("audit", "list")] == ["break.second_deposit"]

    def test_that_is_a_resend_has_its_event_ignored(self, engine: Engine, rampkeeper: CommandLine, doubt: str) -> None:
        rampkeeper("reconcile", "resolve", doubt, "--as", "resend", "--yes")
        assert self.event(engine) == ("ignored", False)

    def test_is_not_closed_without_an_answer(self, engine: Engine, rampkeeper: CommandLine, doubt: str) -> None:
        told = rampkeeper("reconcile", "resolve", doubt, "--note", "settled", "--yes", expect=1).stderr
        assert "--as another" in told
        rampkeeper("reconcile", "resolve", doubt, "--yes", expect=2)
        assert self.event(engine) == ("handled", False)

    def test_whose_bytes_are_gone_must_be_sent_again(self, engine: Engine, rampkeeper: CommandLine, doubt: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE inbox_events SET body = NULL"))
        assert "send it again" in rampkeeper("reconcile", "resolve", doubt, "--as", "another", "--yes", expect=1).stderr
        assert rampkeeper.json("reconcile", "show", doubt)["status"] == "open"

    def test_is_the_only_break_that_is_answered_so(self, rampkeeper: CommandLine, found: dict[str, str]) -> None:
        one = found["missing_here"]
        assert (
            "possible_second_deposit only"
            in rampkeeper("reconcile", "resolve", one, "--as", "resend", "--yes", expect=1).stderr
        )
