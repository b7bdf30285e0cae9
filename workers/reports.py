"""The daily reports as a job of the timetable: made shortly after midnight UTC, kept, and sent to people once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import structlog

from db import notifications, report_figures, reports
from db.engine import UnitOfWork
from db.notifications import Channel, NewNotification
from dispatch.wake import Wake
from ops.reports import kept
from ops.reports.daily import DAY, midnight
from ops.reports.every import REPORTS, Make
from ops.reports.render import as_text
from ops.reports.report import Report
from workers.polls import Keep
from workers.walks import Superseded

SENT_ROWS: Final = 20  # of each section: a message is no place for ten thousand

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReports:
    """Makes and keeps what is read in the morning. `channels`: by which people are sent it."""

    begin: UnitOfWork
    wake: Wake
    channels: Sequence[Channel] = ()

    def keep_yesterday(self, keep: Keep) -> str:
        """Make each report of the day that is over, unless it is kept already; send what is new.

        Each is a transaction of its own: what was made stays, whatever happens to the next. Raises: Superseded.
        """
        made = [name for name, make in REPORTS.items() if self._keep_one(name, make, keep)]
        return f"{len(made)} reports made"

    def _keep_one(self, name: str, make: Make, keep: Keep) -> bool:
        with self.begin() as connection:
            if not keep(connection):
                raise Superseded
            day = midnight(report_figures.now(connection)) - DAY
            if reports.is_kept(connection, name, day.date()):
                return False
            report = make(connection, day)
            if not reports.keep(connection, name, day.date(), report.made_at, kept.dump(report)):
                return False  # somebody else was faster
            told = notifications.insert(connection, _messages(name, day, report, self.channels))
        self.wake.notifications(told)
        log.info("report.kept", report=name, day=day.date().isoformat(), told=len(told))
        return True


def _messages(name: str, day: datetime, report: Report, channels: Sequence[Channel]) -> list[NewNotification]:
    said = as_text(report, most=SENT_ROWS)
    whole = f"\nWhole: rampkeeper report {name} --date {day.date().isoformat()}\n"
    return [
        NewNotification(
            id=uuid4(),
            flow_id=None,
            type=f"report.{name}",
            cause=day.date().isoformat(),
            channel=channel,
            data={"flow": None, "customer": None, "amount": None, "asset": None, "text": said + whole},
        )
        for channel in channels
    ]
