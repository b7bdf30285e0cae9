"""`rampkeeper notifications`: seen, sent again, let go on."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.support.command_line import CommandLine
from tests.support.fleet_rows import FleetRows
from tests.support.moved_clock import MovedClock


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def rows(engine: Engine) -> FleetRows:
    return FleetRows(MovedClock(engine))


def states(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return list(connection.execute(text("SELECT state FROM notifications ORDER BY happened_at")).scalars())


class TestList:
    def test_shows_the_newest_first_and_filters(self, rows: FleetRows, rampkeeper: CommandLine) -> None:
        rows.notification(state="delivered", ago=timedelta(days=2))
        rows.notification(state="exhausted", channel="apprise")
        assert [row["state"] for row in rampkeeper.json("notifications", "list")] == ["exhausted", "delivered"]
        assert [row["channel"] for row in rampkeeper.json("notifications", "list", "--state", "exhausted")] == [
            "apprise"
        ]
        assert rampkeeper.json("notifications", "list", "--since", "36h", "--channel", "webhook") == []


class TestShow:
    def test_has_every_attempt(self, engine: Engine, rows: FleetRows, rampkeeper: CommandLine) -> None:
        rows.notification(state="exhausted")
        with engine.begin() as connection:
            connection.execute(
                text("""INSERT INTO notification_attempts (notification_id, status, error, took_ms, answer)
                        SELECT id, 500, 'answered 500', 12, 'oops' FROM notifications""")
            )
        (row,) = rampkeeper.json("notifications", "list")
        shown = rampkeeper.json("notifications", "show", row["id"][:8])
        assert shown["attempts_made"][0] | {"at": ""} == {
            "at": "",
            "status": 500,
            "error": "answered 500",
            "took_ms": 12,
            "answer": "oops",
        }
        assert "oops" in rampkeeper("notifications", "show", f"msg_{row['id'].replace('-', '')}").stdout

    def test_says_when_there_is_none(self, rampkeeper: CommandLine) -> None:
        assert "there is no notification" in rampkeeper("notifications", "show", "ab", expect=1).stderr


class TestActing:
    def test_resends_one(self, engine: Engine, rows: FleetRows, rampkeeper: CommandLine) -> None:
        rows.notification(state="exhausted")
        (row,) = rampkeeper.json("notifications", "list")
        rampkeeper("notifications", "resend", row["id"], "--yes", "--by", "ana")
        assert states(engine) == ["due"]
        (line,) = rampkeeper.json("audit", "list")
        assert (line["actor"], line["action"], line["subject"]) == ("ana", "notification.resend", row["id"])

    def test_resumes_a_channel(self, engine: Engine, rows: FleetRows, rampkeeper: CommandLine) -> None:
        rows.notification(state="held")
        rows.notification(state="held", channel="apprise", ago=timedelta(hours=1))
        assert "1 notifications are due" in rampkeeper("notifications", "resume", "webhook", "--yes").stdout
        assert states(engine) == ["due", "held"]
        assert "nothing is held" in rampkeeper("notifications", "resume", "webhook", "--yes", expect=1).stderr

    def test_does_nothing_unasked(self, engine: Engine, rows: FleetRows, rampkeeper: CommandLine) -> None:
        rows.notification(state="held")
        rampkeeper("notifications", "resume", "webhook", expect=2)
        assert states(engine) == ["held"]
