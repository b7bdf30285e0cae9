"""The audit log holds together, and shows where it does not."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db import audit
from db.audit import Act
from tests.support.command_line import CommandLine


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def written(engine: Engine) -> Engine:
    """Five lines, in two transactions."""
    with engine.begin() as connection:
        audit.append(connection, "ana", [Act("flow.wake", f"flow {n}", {"n": n, "who": "J\u00f6rg"}) for n in range(3)])
    with engine.begin() as connection:
        audit.append(connection, "bo", [Act("recover", "all"), Act("provider.pause", "due", {"reason": "down"})])
    return engine


def tamper(engine: Engine, statement: str) -> None:
    """What only a superuser can do: triggers, the guard of the log, do not run."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement))


class TestChain:
    def test_is_whole_as_it_was_written(self, written: Engine, rampkeeper: CommandLine) -> None:
        shown = rampkeeper.json("audit", "verify")

        assert (shown["whole"], shown["lines"], shown["broken"]) == (True, 5, None)
        assert len(shown["head"]) == 64

    def test_is_whole_when_empty(self, rampkeeper: CommandLine) -> None:
        assert rampkeeper("audit", "verify").stdout.startswith("the chain is whole: 0 lines")

    @pytest.mark.parametrize(
        ("statement", "broken", "reason"),
        [
            ("UPDATE audit_log SET actor = 'nobody' WHERE id = 3", "3", "its content is not what was written"),
            ("UPDATE audit_log SET detail = '{}' WHERE id = 2", "2", "its content is not what was written"),
            ("UPDATE audit_log SET at = at - interval '1 hour' WHERE id = 5", "5", "its content is not"),
            ("DELETE FROM audit_log WHERE id = 2", "2", "the line is missing"),
            ("DELETE FROM audit_log WHERE id = 5", "5", "the line is missing"),
            ("DELETE FROM audit_log WHERE id = 1", "1", "the line is missing"),
            ("UPDATE audit_log SET previous = '\\x01' WHERE id = 4", "4", "does not follow the line before it"),
            ("UPDATE audit_head SET last_hash = '\\x01'", "5", "the head names another last line"),
            ("DELETE FROM audit_head", "0", "the head row is gone"),
        ],
    )
    def test_shows_the_first_line_somebody_touched(
        self, written: Engine, rampkeeper: CommandLine, statement: str, broken: str, reason: str
    ) -> None:
        """The log is worth something only if a superuser's edit shows."""
        tamper(written, statement)

        shown = rampkeeper.json("audit", "verify", expect=1)

        assert (shown["whole"], shown["broken"]) == (False, broken)
        assert reason in shown["reason"]

    def test_refuses_edits_in_the_ordinary_way(self, written: Engine) -> None:
        with pytest.raises(DBAPIError, match="append-only"), written.begin() as connection:
            connection.execute(text("DELETE FROM audit_log WHERE id = 5"))


class TestLog:
    def test_is_written_with_the_act_or_not_at_all(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """An act that was refused must not stand in the log, nor a line be missing for one that was done."""
        rampkeeper("providers", "pause", "due", "--reason", "down", "--yes", "--by", "ana")
        rampkeeper("providers", "pause", "due", "--reason", "again", "--yes", "--by", "ana", expect=1)
        rampkeeper("providers", "resume", "due", "--yes", "--by", "bo")

        lines = rampkeeper.json("audit", "list")

        assert [(line["actor"], line["action"], line["subject"]) for line in lines] == [
            ("bo", "provider.resume", "due"),
            ("ana", "provider.pause", "due"),
        ]
        assert list(lines[0]) == ["id", "at", "actor", "action", "subject", "detail"]

    def test_is_listed_by_action_and_by_name(self, written: Engine, rampkeeper: CommandLine) -> None:
        assert len(rampkeeper.json("audit", "list", "--kind", "flow.wake")) == 3
        assert len(rampkeeper.json("audit", "list", "--by", "bo")) == 2

    def test_is_exported_as_lines_of_json(self, written: Engine, rampkeeper: CommandLine, tmp_path: Path) -> None:
        rampkeeper("audit", "export", "--output", str(tmp_path / "audit.jsonl"))

        lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == ["1", "2", "3", "4", "5"]
        assert lines[1]["previous"] == lines[0]["hash"]
