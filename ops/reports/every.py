"""Every report by the name that its command has, as it is made for a day that is kept."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ops.reports import contents
from ops.reports.daily import FORTNIGHT, daily
from ops.reports.report import Report

Make = Callable[[Connection, datetime], Report]  # of the day that begins then, or with what happened since

REPORTS: Final[Mapping[str, Make]] = {
    "daily": daily,
    "dead-letters": lambda connection, day: contents.dead_letters(connection, day - FORTNIGHT),
    "reconciliation": lambda connection, day: contents.reconciliation(connection, day - FORTNIGHT),
}
