"""What a comparison reads of a provider's objects, whole or damaged: told of as far as it can be, never guessed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from funding.errors import Misconfigured, UnexpectedAnswer
from providers.alpaca import records as alpaca
from providers.due import records as due
from providers.due.adapter import DuePage
from providers.due.records import TransferRecords

FIRM = "9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"
FLOW = str(UUID(int=7))
MADE = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def a_transfer(**more: Any) -> dict[str, Any]:
    source = {"amount": "250.00", "fee": "0.00", "currency": "USDC", "rail": "base", "virtualAccountId": "va_1"}
    destination = {"amount": "249.25", "fee": "0.75", "currency": "USD", "rail": "ach"}
    whole = {
        "id": "tf_1",
        "ownerId": "acct_1",
        "status": "Payment_Processed",
        "createdAt": "2026-03-04T09:30:00Z",
        "source": {**source, **more.pop("source", {})},
        "destination": {**destination, **more.pop("destination", {})},
    }
    return whole | more


class TestTransfers:
    def test_are_read_whole(self) -> None:
        hashed = {"confirmation": {"kind": "transaction_hash", "network": "base", "hash": "0xabc"}}
        record = due.record(a_transfer(source=hashed), "acct_1")
        assert record
        assert (record.id, record.status, record.at, record.account) == ("tf_1", "payment_processed", MADE, "acct_1")
        assert (record.amount, record.amount_out, record.fee) == (250_000_000, 249_25, 75)
        assert record.reference == "va_1 0xabc", "two transfers of one payment on chain are one movement of money"

    def test_that_came_by_no_virtual_account_are_not_deposits(self) -> None:
        assert due.record(a_transfer(source={"virtualAccountId": None}), "acct_1") is None

    def test_in_another_currency_are_told_of_without_the_amount(self) -> None:
        record = due.record(a_transfer(destination={"currency": "EURC"}), "acct_1")
        assert record
        assert (record.asset_out, record.amount_out, record.fault) == ("EURC", None, None)

    def test_that_cannot_be_read_say_why(self) -> None:
        record = due.record(a_transfer(source={"amount": "many"}), "acct_1")
        assert record
        assert record.fault
        assert "source.amount" in record.fault
        assert "many" not in record.fault

    @pytest.mark.parametrize(
        "broken", [{"id": None}, {"createdAt": "soon"}, {"status": 7}, {"source": {"currency": 1}}]
    )
    def test_without_what_names_them_end_the_run(self, broken: dict[str, Any]) -> None:
        """Leaving one out in silence could hide money."""
        with pytest.raises(UnexpectedAnswer):
            due.record(a_transfer(**broken), "acct_1")


class TestAccounts:
    class Due:
        """Lists transfers of any account, its accounts only to some keys."""

        def __init__(self, accounts: list[str] | None) -> None:
            self.accounts = accounts
            self.read: list[str] = []

        def list_accounts(self) -> list[str]:
            if self.accounts is None:
                raise Misconfigured("403", provider="due")
            return self.accounts

        def list_transfers(self, *, account: str, since: datetime, cursor: str | None) -> DuePage:
            self.read.append(account)
            return DuePage([a_transfer(id=f"tf_{account}"), a_transfer(id="tf_late", createdAt="2026-03-09T00:00:00Z")])

    @pytest.mark.parametrize(("listed", "read"), [(["a", "c"], ["a", "b", "c"]), (None, ["b"]), ([], ["b"])])
    def test_that_are_listed_or_known_are_all_read(self, listed: list[str] | None, read: list[str]) -> None:
        provider = self.Due(listed)
        source = TransferRecords(provider, accounts=["b"])  # type: ignore[arg-type]
        cursor, found = None, []
        while True:
            page = source.page(since=MADE - timedelta(days=1), until=MADE + timedelta(days=1), cursor=cursor)
            found += [record.id for record in page.records]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert provider.read == read
        assert found == [f"tf_{account}" for account in read], "what was made after the window is left out"


def a_journal(**more: Any) -> dict[str, Any]:
    return {
        "id": "j_1",
        "entry_type": "JNLC",
        "from_account": FIRM,
        "to_account": "customer",
        "status": "executed",
        "net_amount": "249.25",
        "currency": "USD",
        "description": f"{FLOW} tf_1",
        "system_date": "2026-03-04",
        **more,
    }


class TestJournals:
    def test_are_read_whole(self) -> None:
        record = alpaca.record(a_journal(), firm_account=FIRM)
        assert (record.id, record.status, record.at) == ("j_1", "executed", MADE.replace(hour=0, minute=0))
        assert (record.asset_out, record.amount_out, record.reference) == ("USD", 249_25, FLOW)

    @pytest.mark.parametrize("more", [{"description": "by hand"}, {"description": None}, {"to_account": FIRM}])
    def test_name_no_flow_when_made_by_hand_or_bringing_cash_back(self, more: dict[str, Any]) -> None:
        """A journal that undoes another is no second payment."""
        assert alpaca.record(a_journal(**more), firm_account=FIRM).reference is None

    def test_in_another_currency_or_unreadable(self) -> None:
        assert alpaca.record(a_journal(currency="EUR"), firm_account=FIRM).asset_out == "EUR"
        assert alpaca.record(a_journal(net_amount="1.005"), firm_account=FIRM).fault
        with pytest.raises(UnexpectedAnswer):
            alpaca.record(a_journal(system_date="today"), firm_account=FIRM)
