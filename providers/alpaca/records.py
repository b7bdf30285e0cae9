"""Alpaca's cash journals, a few days a page, as a comparison reads them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from funding.errors import NotFound, UnexpectedAnswer
from funding.reconcile.records import Record, RecordPage
from providers.alpaca import wire
from providers.alpaca.adapter import AlpacaAdapter
from providers.fields import Fields, WrongShape

DAYS: Final = 5  # of journals in one page
AROUND: Final = timedelta(days=1)  # Alpaca's day is New York's, and a journal may be made the day after its deposit
KIND: Final = "journal"


class JournalRecords:
    """Every cash journal, ours or not. A journal bears a date only: its time is the beginning of that day.

    The cursor is the first day of the page, as YYYY-MM-DD.
    """

    def __init__(self, alpaca: AlpacaAdapter) -> None:
        self._alpaca = alpaca

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """The journals of some days, from the day before the window to the day after. Raises: as any read."""
        first = date.fromisoformat(cursor) if cursor else (since.astimezone(UTC) - AROUND).date()
        end = min((until.astimezone(UTC) + AROUND).date(), self._alpaca.today())
        last = min(first + timedelta(days=DAYS - 1), end)
        shown = self._alpaca.list_journals(first, last)
        records = [one for item in shown if first <= (one := self._record(item)).at.date() <= last]
        following = last + timedelta(days=1)
        return RecordPage(records, following.isoformat() if following <= end else None)

    def one(self, object_id: str, *, account: str | None) -> Record | None:  # noqa: ARG002 -- a journal has two accounts
        """One journal; None: Alpaca knows none of that id. Raises: as any read."""
        try:
            return self._alpaca.read_journal(object_id, self._record)
        except NotFound:
            return None

    def _record(self, value: Any) -> Record:
        return record(value, firm_account=self._alpaca.firm_account)


def record(value: Any, *, firm_account: str) -> Record:
    """A journal as a record; one that cannot be read says why. Raises: UnexpectedAnswer: it has no id or day.

    Its reference is the flow that it names; not if it brings cash back to the firm, as one that undoes another does.
    """
    fields = Fields(value)
    try:
        known = Record(
            kind=KIND,
            id=fields.id("id"),
            status=fields.text("status").lower(),
            at=_day(fields.text("system_date")),
            reference=_flow_named(value) if fields.maybe_text("to_account") != firm_account else None,
        )
    except WrongShape as error:
        raise UnexpectedAnswer(f"alpaca shows a journal that cannot be told of: {error}", provider="alpaca") from None
    try:
        currency = (fields.maybe_text("currency") or wire.USD).upper()
        if currency != wire.USD:
            return known._replace(asset_out=currency)
        return known._replace(asset_out=wire.USD, amount_out=wire.load_journal(value).amount.minor)
    except WrongShape as error:
        return known._replace(fault=str(error))


def _flow_named(value: Mapping[str, Any]) -> str | None:
    try:
        return str(UUID(wire.reference_of(value)))
    except ValueError:
        return None


def _day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongShape("system_date is not a date") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
