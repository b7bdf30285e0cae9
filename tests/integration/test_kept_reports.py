"""Reports that are kept: made once a day, read again as they were, sent once, cleared after 400 days."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from unittest.mock import Mock
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import reports
from db.notifications import Channel
from dispatch.wake import Wake
from ops.reports import kept
from ops.reports.cells import Column, column, money_column
from ops.reports.render import FORMATS, as_csv, as_json
from ops.reports.report import Chart, Report, Section
from providers.people import People
from providers.rotation import Secret
from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_parked
from tests.support.moved_time import MovedTime
from workers.notify import Notifier
from workers.reports import SENT_ROWS, DailyReports
from workers.sweeps import Sweeps
from workers.walks import Superseded

NAMES = ["daily", "dead-letters", "reconciliation"]
ON_THE_THIRD = datetime(2026, 3, 3, 18, tzinfo=UTC)
AFTER_MIDNIGHT = datetime(2026, 3, 4, 0, 7, tzinfo=UTC)


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, ON_THE_THIRD)


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


class House:
    """The job, with what it woke and whom it told."""

    def __init__(self, time: MovedTime) -> None:
        self.time = time
        self.woken: list[UUID] = []
        self.told: list[tuple[str, str]] = []
        self.wake = Mock(spec=Wake)
        self.wake.notifications.side_effect = self.woken.extend

    def keep(self, channels: tuple[Channel, ...] = (), *, ours: bool = True) -> str:
        job = DailyReports(begin=self.time, wake=self.wake, channels=channels)
        return job.keep_yesterday(lambda _: ours)

    def deliver(self) -> None:
        def tell(_url: str, title: str, said: str) -> bool:
            self.told.append((title, said))
            return True

        notifier = Notifier(
            self.time,
            webhook_url=None,
            webhook_secrets=[],
            outgoing=Mock(),
            people=People([Secret("ops://one")], tell=tell),
        )
        for one in self.woken:
            notifier.deliver(one)


@pytest.fixture
def house(time: MovedTime) -> House:
    """One deposit was parked on the third; it is seven minutes past midnight now."""
    with time() as connection:
        add_parked(connection)
    time.now = AFTER_MIDNIGHT
    return House(time)


def listed(rampkeeper: CommandLine) -> list[tuple[str, str]]:
    return [(row["day"], row["name"]) for row in rampkeeper.json("report", "kept")]


class TestMaking:
    def test_keeps_the_day_that_is_over_once(self, house: House, rampkeeper: CommandLine) -> None:
        assert house.keep() == "3 reports made"
        house.time.passes(hours=3)
        assert house.keep() == "0 reports made"
        assert listed(rampkeeper) == [("2026-03-03", name) for name in reversed(NAMES)]

    def test_makes_what_an_earlier_run_did_not_come_to(self, house: House, rampkeeper: CommandLine) -> None:
        house.keep()
        with house.time() as connection:
            connection.execute(text("DELETE FROM reports WHERE name = 'dead-letters'"))
        assert house.keep() == "1 reports made"
        assert len(listed(rampkeeper)) == 3

    def test_the_next_day_has_its_own(self, house: House, rampkeeper: CommandLine) -> None:
        house.keep()
        house.time.passes(days=1)
        house.keep()
        assert [day for day, _ in listed(rampkeeper)] == ["2026-03-04"] * 3 + ["2026-03-03"] * 3

    def test_stops_when_the_tick_is_someone_elses(self, house: House, rampkeeper: CommandLine) -> None:
        with pytest.raises(Superseded):
            house.keep(ours=False)
        assert listed(rampkeeper) == []

    def test_what_is_kept_stays_as_it_is(self, house: House) -> None:
        """Two workers at once: the first one's stands."""
        with house.time() as connection:
            assert reports.keep(connection, "daily", date(2026, 3, 3), house.time.now, {"first": True})
            assert not reports.keep(connection, "daily", date(2026, 3, 3), house.time.now, {"first": False})
            assert reports.find(connection, "daily", date(2026, 3, 3)) == {"first": True}


class TestReading:
    def test_shows_the_day_as_it_was_and_says_so(self, house: House, rampkeeper: CommandLine) -> None:
        """The deposit is gone from the books since; the kept report still tells of it."""
        house.keep()
        with house.time() as connection:
            connection.execute(text("UPDATE flows SET parked_at = NULL, parked_reason = NULL, due_at = rk_now()"))
            connection.execute(text("UPDATE dead_letters SET status = 'resolved', resolved_at = rk_now()"))

        told = rampkeeper("report", "daily", "--date", "2026-03-03").stdout
        assert "as of 2026-03-04 00:07:00Z, kept since" in told
        assert "parked          1" in told
        document = rampkeeper.json("report", "dead-letters", "--date", "2026-03-03")
        assert (document["kept"], document["facts"]["waiting"]) == (True, "1")
        live = rampkeeper.json("report", "dead-letters")
        assert (live["kept"], live["facts"]["waiting"]) == (False, "0")

    def test_a_day_that_was_not_kept_is_counted_now(self, house: House, rampkeeper: CommandLine) -> None:
        document = rampkeeper.json("report", "daily", "--date", "2026-03-03")
        assert (document["kept"], document["facts"]["opened"]) == (False, "1")

    @pytest.mark.parametrize("name", NAMES[1:])
    def test_what_stood_open_cannot_be_counted_later(self, name: str, rampkeeper: CommandLine) -> None:
        refused = rampkeeper("report", name, "--date", "2026-03-03", expect=1)
        assert f"no {name} report of 2026-03-03 is kept" in refused.output

    def test_nothing_is_kept_yet(self, rampkeeper: CommandLine) -> None:
        assert "no kept reports" in rampkeeper("report", "kept").output

    @pytest.mark.parametrize("form", list(FORMATS))
    def test_every_form_is_what_it_was(self, form: str) -> None:
        """Times, money, lengths and formulas come back through JSON as they were read on the day."""
        row = {"at": AFTER_MIDNIGHT, "amount": 12_345_678, "asset": "USDC", "took": timedelta(hours=3), "who": "\t=1+1"}
        columns = [column("at"), money_column("money"), column("took"), column("who")]
        chart = Chart("Money", [("a", (12_345_678, 0))], ("in", "out"), "USDC")
        made = Report(
            title="T",
            made_at=AFTER_MIDNIGHT,
            facts=[("waiting", "1")],
            sections=[Section(key="rows", title="Rows", columns=columns, rows=[row], charts=[chart], tabled=False)],
            kept=True,
        )
        assert FORMATS[form](kept.load(kept.dump(made))) == FORMATS[form](made)


class TestSending:
    def test_each_is_sent_once_as_text(self, house: House) -> None:
        house.keep(("apprise",))
        house.time.passes(hours=1)
        house.keep(("apprise",))
        house.deliver()

        assert [title for title, _ in house.told] == [f"report.{name}" for name in NAMES]
        daily, letters, _ = (said for _, said in house.told)
        assert daily.startswith("Day report 2026-03-03\n")
        assert "rampkeeper report dead-letters --date 2026-03-03" in letters
        assert "journal_rejected" in letters

    def test_nobody_is_told_where_nobody_is_named(self, house: House) -> None:
        house.keep()
        with house.time() as connection:
            assert connection.execute(text("SELECT count(*) FROM notifications")).scalar_one() == 0

    def test_a_message_is_no_place_for_a_thousand_rows(self, house: House) -> None:
        with house.time() as connection:
            for _ in range(SENT_ROWS + 2):
                add_parked(connection)
        house.keep(("apprise",))
        house.deliver()

        letters = house.told[1][1]
        assert "\nand 3 more\n" in letters
        assert letters.count("Ask Alpaca why") == SENT_ROWS + 1, "each row, and the group's newest"


def test_is_cleared_after_400_days(house: House, rampkeeper: CommandLine) -> None:
    house.keep()
    sweeps = Sweeps(begin=house.time, limits={}, enabled=(), alpaca=None)
    house.time.passes(days=399)
    sweeps.retain(lambda _: True)
    assert len(listed(rampkeeper)) == 3
    house.time.passes(days=3)
    assert "3 reports" in sweeps.retain(lambda _: True)
    assert listed(rampkeeper) == []


class TestFormulas:
    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\uff1d", "\u202e="])
    def test_none_reaches_a_spreadsheet(self, start: str) -> None:
        """Whatever begins a cell, and whatever a spreadsheet passes over before it."""
        row = {"who": f"{start}cmd|' /C calc'!A0"}
        section = Section(key="rows", title="Rows", columns=[Column("who", lambda row: row["who"])], rows=[row])
        report = Report(title=row["who"], made_at=AFTER_MIDNIGHT, facts=[("who", row["who"])], sections=[section])

        for line in csv.reader(io.StringIO(as_csv(report))):
            for cell in line:
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")), line

    def test_json_keeps_the_text_as_it_is(self) -> None:
        section = Section(key="rows", title="Rows", columns=[column("who")], rows=[{"who": "=1"}])
        assert '"who": "=1"' in as_json(Report(title="T", made_at=AFTER_MIDNIGHT, sections=[section]))
