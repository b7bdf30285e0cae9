"""Alpaca's cash journals and balances, as flows and polls ask for them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from funding.errors import NotFound, ProviderError, ProviderRejected, UnexpectedAnswer
from funding.ports.alpaca import AlpacaJournals, BrokerageBalances, CashJournal, JournalOrder
from providers.alpaca import wire
from providers.fields import WrongShape, is_id, objects
from providers.http import ProviderClient, Request

Loaded = TypeVar("Loaded")
MOST_JOURNALS: Final = 10_000  # asked for at once; as many as that in an answer may be a cut one
PAGE: Final = 100  # activities a page
_DAY: Final = timedelta(days=1)
# Cash that comes and goes without our journals. JNLC is left out: our own flows would fill every page.
_CASH_ACTIVITIES: Final = "CSD,CSW,TRANS,FEE,INT"


def classify(status: int, code: str | None) -> type[ProviderError] | None:
    """A 403 of the 4031... family refuses the request (not enough cash, not allowed), not our key."""
    return ProviderRejected if status == 403 and code is not None and code.startswith("4031") else None  # noqa: PLR2004 -- forbidden


class AlpacaAdapter(AlpacaJournals):
    """Alpaca's journals in our words.

    Amounts travel as decimal strings in dollars; here they are `Money` of USD.
    Source: Alpaca Broker API docs, "Journals", "Account activities" and "Idempotency", read 2026-11.
    """

    def __init__(
        self,
        client: ProviderClient,
        *,
        firm_account: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._firm_account = firm_account
        self._clock = clock

    @property
    def firm_account(self) -> str:
        """The account our journals take cash from."""
        return self._firm_account

    def journal_request(self, order: JournalOrder) -> str:
        """The exact JSON body `create_journal` sends. Raises: ValueError: not dollars, or not above zero."""
        return wire.dump_order(order, firm_account=self._firm_account)

    def create_journal(self, request: str, *, key: UUID) -> CashJournal:
        """Create, or with the same key and body get the first answer again.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent),
        ProviderThrottled (not done), Misconfigured. `code == "40310000"` is the firm's cash being short.
        """
        call = Request(
            operation="alpaca.create_journal",
            method="POST",
            path="/v1/journals",
            body=request,
            headers={"Idempotency-Key": str(key)},
            creates=True,
        )
        return self._client.call(call, wire.load_journal)

    def get_journal(self, journal_id: str) -> CashJournal:
        """One journal. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        return self.read_journal(journal_id, wire.load_journal)

    def read_journal(self, journal_id: str, load: Callable[[Any], Loaded]) -> Loaded:
        """As `get_journal`, read by `load`."""
        self._check(journal_id)
        request = Request(operation="alpaca.get_journal", method="GET", path=f"/v1/journals/{journal_id}")
        return self._client.call(request, load)

    def find_journals(self, reference: str, *, since: datetime, to_account: str | None) -> Sequence[CashJournal]:
        """All journals with that reference from the day before `since`, oldest first, listing walked to its end.

        `to_account` None: to any account.
        """
        first = since.astimezone(UTC).date() - _DAY
        shown = self.list_journals(first, self.today(), to_account=to_account)
        try:
            return [wire.load_journal(one) for one in shown if wire.reference_of(one) == reference]
        except WrongShape as error:
            raise UnexpectedAnswer(f"a journal in a shape we do not know: {error}", provider="alpaca") from error

    def list_journals(self, first: date, last: date, *, to_account: str | None = None) -> list[dict[str, Any]]:
        """Cash journals of those days, the parts we read, oldest day first, each once.

        The listing has no page token. Whether its dates include their own day is not documented, so it is asked from
        the day before to the day after; a full answer is asked again in halves. Raises: UnexpectedAnswer: a day with
        more journals than one answer holds; and as any read.
        """
        found = self._client.call(self._journals(first - _DAY, last + _DAY, to_account), _journals)
        if len(found) >= MOST_JOURNALS:
            if first == last:
                raise UnexpectedAnswer("listing truncated: too many journals in one day", provider="alpaca")
            middle = first + (last - first) // 2
            halves = (
                self.list_journals(first, middle, to_account=to_account),
                self.list_journals(middle + _DAY, last, to_account=to_account),
            )
            found = [journal for half in halves for journal in half]
        once = {str(one.get("id")): one for one in found}
        return sorted(once.values(), key=lambda one: str(one.get("system_date") or ""))

    def list_activities(self, *, since: datetime, cursor: str | None) -> list[dict[str, Any]]:
        """One page of cash activities of the firm's account, the parts we read; the cursor is the last one's id."""
        params = {
            "account_id": self._firm_account,
            "activity_types": _CASH_ACTIVITIES,
            "after": since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "page_size": str(PAGE),
        }
        if cursor is not None:
            params["page_token"] = cursor
        request = Request(
            operation="alpaca.list_activities", method="GET", path="/v1/accounts/activities", params=params
        )
        return self._client.call(request, lambda value: [wire.kept_activity(one) for one in objects(value)])

    def get_balances(self, account: str) -> BrokerageBalances:
        """Balances of a customer's account or of the firm's own. Raises: NotFound, and as any read."""
        self._check(account)
        path = f"/v1/trading/accounts/{account}/account"
        return self._client.call(Request(operation="alpaca.get_balances", method="GET", path=path), wire.load_balances)

    def today(self) -> date:
        """Today in UTC. Alpaca counts days in New York, which is never ahead of it."""
        return self._clock().astimezone(UTC).date()

    def _journals(self, after: date, before: date, to_account: str | None) -> Request:
        params = {
            "after": after.isoformat(),
            "before": before.isoformat(),
            "entry_type": "JNLC",
            "limit": str(MOST_JOURNALS),
        }
        if to_account is not None:
            params["to_account"] = to_account
        return Request(operation="alpaca.list_journals", method="GET", path="/v1/journals", params=params)

    def _check(self, text: str) -> None:
        if not is_id(text):
            raise NotFound("no object can have such an id", provider="alpaca")


def _journals(value: Any) -> list[dict[str, Any]]:
    """A bare list; an answer in pages would be one we take for whole. Raises: WrongShape."""
    return [wire.kept_journal(one) for one in objects(value)]
