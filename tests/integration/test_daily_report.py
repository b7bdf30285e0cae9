"""The day report: what its charts count, and that every form of it holds the same numbers."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from db import breaks
from funding.money import Money
from funding.outcomes import BreakFound
from ops.reports.daily import daily
from ops.reports.render import as_csv, as_html, as_json, as_text
from ops.reports.report import Report, Section
from tests.support.desk_rows import add_deposit, add_parked
from tests.support.moved_time import MovedTime
from tests.support.rows import add_session

DAY = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, DAY + 12 * HOUR)


def report_of(time: MovedTime, day: datetime = DAY) -> Report:
    with time() as connection:
        return daily(connection, day)


def section(report: Report, key: str) -> Section:
    return next(one for one in report.sections if one.key == key)


def finish(connection: Connection, *, state: str = "broker_funded", took: timedelta) -> None:
    """A deposit that was over after so long, at noon."""
    flow = add_deposit(connection, state=state, status="resting")
    connection.execute(
        text("UPDATE flows SET created_at = :at, closed_at = :noon WHERE id = :id"),
        {"id": flow, "noon": DAY + 12 * HOUR, "at": DAY + 12 * HOUR - took},
    )


class TestCharts:
    def test_success_is_where_the_usual_way_leads(self, time: MovedTime) -> None:
        """A deposit that went back to its payer is over, but is no success."""
        with time() as connection:
            finish(connection, took=HOUR)
            finish(connection, took=2 * HOUR)
            finish(connection, state="returned", took=HOUR)
            add_parked(connection)
        (row,) = section(report_of(time), "kinds").rows

        assert row == {"kind": "due_deposit", "opened": 4, "succeeded": 2, "ended_otherwise": 1, "under_way": 1}

    def test_time_to_finish_counts_the_day_it_was_over(self, time: MovedTime) -> None:
        """One that began two days ago and took two days is told of today: a slow one would otherwise never be."""
        with time() as connection:
            for took in (timedelta(milliseconds=250), 3 * HOUR, timedelta(days=2)):
                finish(connection, took=took)
        times = section(report_of(time), "times")

        assert [(row["p50"], row["p99"]) for row in times.rows] == [(3 * HOUR, timedelta(days=2))]
        assert times.charts[0].bars == [("Due deposit", (3 * 3_600_000, 2 * 24 * 3_600_000))]
        assert section(report_of(time, DAY - timedelta(days=1)), "times").rows == []

    def test_an_age_belongs_to_one_bucket(self, time: MovedTime) -> None:
        with time() as connection:
            for hours in (0.5, 1, 30, 200):
                flow = add_deposit(connection)
                connection.execute(
                    text("UPDATE flows SET created_at = rk_now() - :age WHERE id = :id"),
                    {"id": flow, "age": timedelta(hours=hours)},
                )
            add_parked(connection)
            finish(connection, took=HOUR)

        ages = {row["age"]: (row["moving"], row["parked"]) for row in section(report_of(time), "ages").rows}
        assert ages == {
            "under 1 h": (1, 1),
            "1 h to 6 h": (1, 0),
            "6 h to 1 d": (0, 0),
            "1 d to 3 d": (1, 0),
            "3 d to 7 d": (0, 0),
            "over 7 d": (1, 0),
        }

    def test_a_provider_that_refused_or_was_away_did_not_succeed(self, time: MovedTime) -> None:
        with time() as connection:
            flow, session = add_deposit(connection), add_session(connection)
            for outcome in ("advanced", "snoozed", "unavailable", "rejected"):
                connection.execute(
                    text("""
                        INSERT INTO attempts (id, flow_id, step, visit, number, fence, session_id, finished_at, outcome,
                                              provider)
                        VALUES (gen_random_uuid(), :flow, 'follow_transfer', 1, 1, 1, :session, rk_now(), :outcome,
                                'due')
                    """),
                    {"flow": flow, "session": session, "outcome": outcome},
                )
        assert section(report_of(time), "providers").rows == [
            {"provider": "due", "attempts": 4, "succeeded": 2, "failed": 2}
        ]

    def test_what_is_at_risk_is_so_until_it_is_over(self, time: MovedTime) -> None:
        """Opened on the second, gone on the fourth: at risk at the end of two days. Money has its asset beside it."""
        time.now = DAY - timedelta(days=1, hours=12)
        found = BreakFound(provider="due", type="amount_differs", subject="tf_1", amount=Money(12_345_678, "USDC"))
        with time() as connection:
            breaks.open_break(connection, found, found_by="step")
            add_parked(connection)
        time.now = DAY + HOUR
        with time() as connection:
            connection.execute(text("UPDATE breaks SET status = 'closed', closed_at = rk_now()"))
        report = report_of(time)

        at_risk = {
            (row["asset"], row["day"]): (int(row["letters"]), int(row["breaks"]))
            for row in section(report, "at_risk").rows
        }
        assert len(at_risk) == 2 * 14
        assert at_risk["USDC", "2026-03-01"] == (0, 0)
        assert at_risk["USDC", "2026-03-02"] == at_risk["USDC", "2026-03-03"] == (0, 12_345_678)
        assert at_risk["USDC", "2026-03-04"] == (0, 0)
        assert at_risk["USD", "2026-03-04"] == (249_25, 0)
        assert "12.345678 USDC" in as_text(report)
        by_day = {row["day"]: (row["opened"], row["closed"]) for row in section(report, "breaks").rows}
        assert (by_day["2026-03-02"], by_day["2026-03-03"], by_day["2026-03-04"]) == ((1, 0), (0, 0), (0, 1))

    def test_a_quiet_day_has_words_instead_of_charts(self, time: MovedTime) -> None:
        page = as_html(report_of(time))

        assert "none was opened" in page
        assert "<svg" not in page


class TestForms:
    def test_all_hold_the_numbers_of_the_charts(self, time: MovedTime) -> None:
        with time() as connection:
            for _ in range(12):
                finish(connection, took=HOUR)
            add_parked(connection)
        report = report_of(time)

        assert "12 \u00b7 0 \u00b7 1" in as_html(report)
        assert any(line.split() == ["due_deposit", "13", "12", "0", "1"] for line in as_text(report).splitlines())
        assert ["kinds", "due_deposit", "13", "12", "0", "1"] in list(csv.reader(io.StringIO(as_csv(report))))
        assert '"succeeded": 12' in as_json(report)
        for one in report.sections:
            if any(chart.bars for chart in one.charts):
                assert one.rows, f"{one.key}: its numbers stand in no table"

    def test_the_page_fetches_nothing_and_runs_nothing(self, time: MovedTime) -> None:
        with time() as connection:
            add_parked(connection)
        page = as_html(report_of(time))

        assert "@media print" in page
        for sign in ("<script", "http:", "https:", "url(", "@import", "style="):
            assert sign not in page, sign
