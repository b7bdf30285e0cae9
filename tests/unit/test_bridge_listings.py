"""What Bridge's listings keep of an object, and what they make of rows that are not as documented."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.errors import UnexpectedAnswer
from funding.facts import CannotUse
from providers.bridge import kept
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.event_log import EventLog
from providers.bridge.interpret import interpret
from providers.bridge.listings import DepositHistory, Drains
from providers.bridge.records import DepositRecords, TransferRecords

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
STAGE: Mapping[str, Any] = {
    "id": "act_1",
    "type": "funds_received",
    "customer_id": "cust_1",
    "virtual_account_id": "va_1",
    "deposit_id": "dep_1",
    "amount": "250.00",
    "currency": "usd",
    "created_at": "2026-03-04T11:59:00.000Z",
    "source": {"sender_name": "ANA PIRES", "sender_bank_routing_number": "021000021", "trace_number": "0210000212"},
}
TRANSFER: Mapping[str, Any] = {
    "id": "tr_1",
    "client_reference_id": "wd_1",
    "state": "payment_processed",
    "on_behalf_of": "cust_1",
    "amount": "250.00",
    "currency": "usd",
    "source": {"payment_rail": "tron", "currency": "usdt", "from_address": "TSecretAddress"},
    "destination": {"payment_rail": "ach", "currency": "usd", "external_account_id": "ea_1"},
    "source_deposit_instructions": {
        "payment_rail": "tron",
        "currency": "usdt",
        "to_address": "TBridgeAddress",
        "bank_account_number": "900100200300",
    },
    "receipt": {"final_amount": "248.75", "developer_fee": "1.25", "url": "https://receipt.example/r/1"},
    "created_at": "2026-03-04T11:59:00.000Z",
    "updated_at": "2026-03-04T11:59:30.000Z",
}
KYC_LINK: Mapping[str, Any] = {
    "id": "kyc_1",
    "customer_id": "cust_1",
    "kyc_status": "rejected",
    "full_name": "Ana Pires",
    "email": "ana@example.com",
    "kyc_link": "https://kyc.example/v/1",
    "rejection_reasons": ["Your passport has expired"],
}


def event(number: int, at: datetime, shown: Mapping[str, Any] = STAGE, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"wh_{number}",
        "event_sequence": number,
        "event_category": "virtual_account.activity",
        "event_type": "created",
        "event_object_id": shown["id"],
        "event_object": dict(shown),
        "event_created_at": at.isoformat(),
        **more,
    }


class Shown(BridgeAdapter):
    """A Bridge whose next pages are these."""

    def __init__(self, *pages: Sequence[dict[str, Any]]) -> None:
        self.pages = [list(page) for page in pages]
        self.asked: list[dict[str, str]] = []

    def _page(self, operation: str, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append(dict(params))
        return self.pages.pop(0)


class TestKept:
    @pytest.mark.parametrize("secret", ["PIRES", "021000021", "0210000212"])
    def test_of_a_stage_names_nobody(self, secret: str) -> None:
        assert secret not in json.dumps(kept.kept_stage(STAGE))

    @pytest.mark.parametrize("secret", ["TSecretAddress", "TBridgeAddress", "900100200300", "ea_1", "receipt.example"])
    def test_of_a_transfer_has_no_address_and_no_bank(self, secret: str) -> None:
        assert secret not in json.dumps(kept.kept_payment(TRANSFER))

    @pytest.mark.parametrize("secret", ["Ana", "ana@", "kyc.example", "passport"])
    def test_of_an_event_has_nothing_of_the_person(self, secret: str) -> None:
        told = kept.kept_event(event(1, NOW, KYC_LINK, event_category="kyc_link", event_object_changes={"x": secret}))
        assert secret not in json.dumps(told)
        assert told["event_object"]["kyc_status"] == "rejected"

    def test_of_a_category_nobody_follows_is_no_more_than_its_id(self) -> None:
        told = kept.kept_event(event(1, NOW, {"id": "x", "number": "4111"}, event_category="card_account"))
        assert told["event_object"] == {"id": "x"}

    @pytest.mark.parametrize("odd", [None, [], "text", 7])
    def test_of_what_is_no_object_is_nothing(self, odd: object) -> None:
        assert kept.kept_stage(odd) == kept.kept_payment(odd) == kept.kept_event(odd) == {}

    @pytest.mark.parametrize(
        "change", [{"state": "returned"}, {"amount": "251.00"}, {"receipt": {"final_amount": "248.74"}}]
    )
    def test_is_news_when_what_matters_changes(self, change: dict[str, Any]) -> None:
        assert _digest(TRANSFER) != _digest({**TRANSFER, **change})

    @pytest.mark.parametrize("change", [{"updated_at": "2026-03-04T12:00:00Z"}, {"features": {"x": True}}])
    def test_is_no_news_when_nothing_of_it_does(self, change: dict[str, Any]) -> None:
        assert _digest(TRANSFER) == _digest({**TRANSFER, **change})


def _digest(shown: Mapping[str, Any]) -> str:
    return kept.digest_of(kept.kept_payment(shown))


class TestRowsThatCannotBeRead:
    @pytest.mark.parametrize("broken", [{"id": None}, {"created_at": "yesterday"}, {"virtual_account_id": 7}])
    def test_are_passed_on_beside_the_others(self, broken: dict[str, Any]) -> None:
        """Ingest quarantines them with a reason; the listing goes on."""
        page = DepositHistory(Shown([{**STAGE, **broken}, dict(STAGE)])).page(since=SINCE, cursor=None)
        assert len({one.id for one in page.findings}) == (1 if broken.get("id", "x") else 2)
        assert page.next_cursor == "act_1"

    def test_of_a_past_event_are_quarantined_under_a_name_of_their_own(self) -> None:
        """A readable copy under the same id must not count as a duplicate of it."""
        rows = [event(1, NOW), {"event_category": "transfer", "event_object": {"state": "returned"}}, event(2, NOW)]
        found = EventLog(Shown(rows), category="transfer").page(since=SINCE, cursor=None).findings
        assert [one.event_id for one in found][::2] == ["wh_1", "wh_2"]
        assert str(found[1].event_id).startswith("fields:")
        with pytest.raises(CannotUse):
            interpret(found[1].body, source="poll")

    def test_alone_lead_nowhere(self) -> None:
        with pytest.raises(UnexpectedAnswer):
            Drains(Shown([{"created_at": NOW.isoformat()}])).page(since=SINCE, cursor=None)
        with pytest.raises(UnexpectedAnswer):
            EventLog(Shown([{"event_id": "wh_1"}]), category="transfer").page(since=SINCE, cursor=None)


class TestPastEvents:
    def test_of_one_moment_are_told_apart_by_bridges_own_number(self) -> None:
        bridge = Shown([event(3, NOW), event(2, NOW)], [event(3, NOW)], [event(1, NOW)], [])
        log = EventLog(bridge, category="transfer")
        first = log.page(since=SINCE, cursor=None)
        second = log.page(since=SINCE, cursor=first.next_cursor)
        assert [one.id for one in second.findings] == ["wh_1"], "the other cursor leads on"
        assert ["starting_after" in one for one in bridge.asked] == [False, True, False]

    def test_whose_times_are_a_little_out_of_order_show_the_way_by_their_numbers(self) -> None:
        """Two machines of Bridge's wrote them, and their clocks differ."""
        first, second, third = event(1, NOW), event(2, NOW - timedelta(milliseconds=3)), event(3, NOW)
        bridge = Shown([first, second], [third], [])
        log, cursor, found = EventLog(bridge, category="transfer"), None, []
        for _ in range(3):
            page = log.page(since=SINCE, cursor=cursor)
            found += [one.id for one in page.findings]
            cursor = page.next_cursor
        assert (found, cursor) == (["wh_1", "wh_2", "wh_3"], None)
        assert [one.get("starting_after") for one in bridge.asked] == [None, "wh_2", "wh_3"]

    def test_that_no_cursor_leads_to_end_the_walk(self) -> None:
        """Better a walk given up, and an alert of a silent poll, than the same page for ever."""
        rows = [event(2, NOW), event(1, NOW - timedelta(seconds=1))]
        log = EventLog(Shown(rows, rows[:1], rows[:1]), category="transfer")
        first = log.page(since=SINCE, cursor=None)
        with pytest.raises(UnexpectedAnswer):
            log.page(since=SINCE, cursor=first.next_cursor)

    def test_of_another_order_from_one_day_to_the_next_are_not_lost(self) -> None:
        """The place that was kept leads to older ones all of a sudden: the other cursor leads on."""
        old, new = event(1, NOW - timedelta(days=1)), event(2, NOW)
        log = EventLog(Shown([old, new], []), category="transfer")
        first = log.page(since=SINCE, cursor=None)
        place = log.page(since=SINCE, cursor=first.next_cursor).next_walk
        older = event(0, NOW - timedelta(days=2))
        changed = EventLog(Shown([older], [new]), category="transfer")
        assert [one.id for one in changed.page(since=SINCE, cursor=place).findings] == ["wh_2"]


class TestRecords:
    def deposit(self, *rows: Mapping[str, Any]) -> Any:
        source = DepositRecords(Shown([dict(row) for row in rows], []))
        first = source.page(since=SINCE, until=NOW, cursor=None)
        rest = source.page(since=SINCE, until=NOW, cursor=first.next_cursor)
        (found,) = [*first.records, *rest.records]
        return found

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"amount": "250.001"}, "decimal places"),
            ({"amount": None}, "amount is missing"),
            ({"deposit_id": None}, "deposit_id is missing"),
        ],
    )
    def test_say_why_a_deposit_cannot_be_read(self, change: dict[str, Any], told: str) -> None:
        assert told in str(self.deposit({**STAGE, **change}).fault)

    def test_leave_amounts_of_other_money_unread(self) -> None:
        found = self.deposit({**STAGE, "currency": "mxn", "amount": "1.234"})
        assert (found.asset, found.amount, found.fault) == ("MXN", None, None)

    def test_take_no_estimate_for_an_amount(self) -> None:
        found = self.deposit({**STAGE, "id": "act_2", "type": "payment_submitted", "amount": "249.999"}, STAGE)
        assert (found.status, found.amount, found.amount_out) == ("payment_submitted", 250_00, None)

    def test_leave_out_changes_of_the_account(self) -> None:
        change = {**STAGE, "id": "act_9", "type": "account_update", "deposit_id": None, "amount": None}
        assert self.deposit(change, STAGE).id == "dep_1"

    def test_of_a_transfer_have_what_was_sent_on_once_it_was(self) -> None:
        for state, out in (("payment_processed", 248_75), ("payment_submitted", None)):
            page = TransferRecords(Shown([{**TRANSFER, "state": state}])).page(since=SINCE, until=NOW, cursor=None)
            (found,) = page.records
            assert (found.asset, found.amount, found.amount_out, found.reference) == ("USDT", 250_000000, out, "wd_1")
