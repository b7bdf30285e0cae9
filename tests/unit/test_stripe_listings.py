"""What polls of Stripe follow, and what becomes of objects that are not as documented."""

from datetime import UTC, datetime
from typing import Any

import pytest

from funding.errors import UnexpectedAnswer
from funding.facts import CannotUse, Changed, Ignored, LookDue
from providers.fields import WrongShape, compact
from providers.stripe.adapter import StripePage
from providers.stripe.interpret import interpret, polled
from providers.stripe.listings import CLASSIC, PARTS, EventLog, Made, OneCharge
from providers.stripe.provider import STRIPE, StripeConfig
from providers.stripe.records import ONRAMP, SessionRecords
from tests.support.clients import a_client

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "charge.refunded",
    "created": 1767225600,
    "data": {
        "object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "receipt_email": "ana@example.com"}
    },
}


class Shown:
    """Shows these objects on one page, whatever is asked."""

    def __init__(self, *objects: Any) -> None:
        self.page_of = list(objects)
        self.asked: list[dict[str, str]] = []

    def page(self, _operation: str, _path: str, filters: dict[str, str], *, after: str | None) -> StripePage:
        self.asked.append({**filters, "after": after or ""})
        return StripePage({"data": self.page_of, "has_more": False})

    def intent_of(self, charge: str) -> str | None:
        return None if charge == "ch_old" else "pi_1"

    def read_session(self, _path: str, _id: str, load: Any) -> Any:
        return load(self.page_of[0])


def log(shown: Shown) -> EventLog:
    return EventLog(shown, clock=lambda: SINCE)  # type: ignore[arg-type]


def made(shown: Shown, kind: str = "refund") -> Made:
    return Made(shown, kind=kind, path="/v1/x")  # type: ignore[arg-type]


class TestWhatIsFollowed:
    def test_is_what_interpret_follows(self) -> None:
        for kind in (name for part in PARTS for name in part.types):
            body = {"type": kind, "data": {"object": {"id": "x_1", "status": "open", "payment_status": "paid"}}}
            try:
                (fact,) = interpret(compact(body), source="poll").facts
            except CannotUse:
                continue  # followed, and this object is not whole
            assert not isinstance(fact, Ignored), kind

    def test_fits_in_one_question(self) -> None:
        """Stripe takes 20 names at most, and refuses more."""
        assert len(set(CLASSIC)) == len(CLASSIC) <= 20

    def test_has_a_listing_for_each_way_that_news_can_be_missed(self) -> None:
        client = a_client("http://127.0.0.1:9", provider="stripe")
        config = StripeConfig(base_url="http://127.0.0.1:9", secret_keys=["sk_test_1"])
        connected = STRIPE.connect(client, config, lambda: SINCE)
        assert [one.name for one in connected.listings] == [
            *("events", "undelivered", "onramp_sessions", "checkout_sessions", "refunds", "disputes")
        ]
        assert [one.name for one in connected.looks] == ["stripe_charge"]
        client.close()


class TestAnEvent:
    def test_is_stored_under_stripes_own_id_without_what_nobody_reads(self) -> None:
        (found,) = log(Shown(EVENT)).page(since=SINCE, cursor=None).findings
        assert (found.event_id, found.id) == ("evt_1", "evt_1")
        assert found.changed_at == SINCE
        assert b"ana@example.com" not in found.body

    def test_of_a_type_nobody_asked_for_is_left_out(self) -> None:
        """`crypto.*` is a pattern: more may come under it one day."""
        other = {**EVENT, "type": "crypto.onramp_quote.updated"}
        assert log(Shown(other)).page(since=SINCE, cursor="1|").findings == []

    @pytest.mark.parametrize("odd", [None, "", 5, {"a": 1}])
    def test_without_an_id_is_news_once_and_for_people_to_see(self, odd: Any) -> None:
        shown = Shown({**EVENT, "id": odd}, {**EVENT, "id": odd, "created": 1767225601})
        first, second = log(shown).page(since=SINCE, cursor=None).findings
        assert first.event_id is None
        assert first.id != second.id

    def test_does_not_take_the_name_of_one_of_ours(self) -> None:
        (found,) = log(Shown({**EVENT, "id": "poll:refund:re_1:1"})).page(since=SINCE, cursor=None).findings
        assert found.event_id is not None
        assert found.event_id.startswith("named:")

    def test_asks_for_the_next_part_after_the_last_page_of_one(self) -> None:
        shown = Shown()
        page = log(shown).page(since=SINCE, cursor=None)
        assert page.next_cursor == "1|"
        assert log(shown).page(since=SINCE, cursor="1|").next_cursor is None
        assert [one.get("type") for one in shown.asked] == [None, "crypto.*"]


class TestAnObject:
    @pytest.mark.parametrize("odd", ["text", 5, None, {}, {"id": 5}, {"id": "re_1"}, {"id": "re_1", "status": 5}])
    def test_that_is_not_as_documented_is_for_ingest_to_judge(self, odd: Any) -> None:
        (found,) = made(Shown(odd)).page(since=SINCE, cursor=None).findings
        with pytest.raises(CannotUse):
            interpret(found.body, source="poll")

    def test_that_names_only_its_charge_has_it_looked_at(self) -> None:
        refund = {"id": "re_1", "object": "refund", "status": "succeeded", "charge": "ch_1"}
        (found,) = made(Shown(refund)).page(since=SINCE, cursor=None).findings
        assert interpret(found.body, source="poll").facts == (LookDue(poll="stripe_charge", subject="ch_1"),)

    def test_of_a_charge_that_no_payment_has_is_nothing(self) -> None:
        """Looked at, it must not have itself looked at again."""
        look = OneCharge(Shown(), charge="ch_old")  # type: ignore[arg-type]
        assert look.page(since=SINCE, cursor=None).findings == ()

    def test_that_is_a_checkout_session_reads_as_its_event_does(self) -> None:
        shown = {"id": "cs_1", "object": "checkout.session", "payment_status": "paid", "status": "complete"}
        (polled_fact,) = interpret(polled("checkout_session", shown), source="poll").facts
        event = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": shown}}
        (told,) = interpret(compact(event), source="webhook").facts
        assert isinstance(polled_fact, Changed)
        assert polled_fact == told


class TestARecord:
    def test_that_cannot_be_read_says_why(self) -> None:
        session = {
            "id": "cos_1",
            "status": "fulfillment_complete",
            "created": 1767225600,
            "transaction_details": {"destination_currency": "usdc", "destination_amount": "1e999"},
        }
        found = SessionRecords(Shown(session), ONRAMP).one("cos_1", account=None)  # type: ignore[arg-type]
        assert found is not None
        assert (found.amount, found.fault is None) == (None, False)
        assert "1e999" not in str(found.fault)

    @pytest.mark.parametrize("odd", ["text", {}, {"id": "cos_1", "status": "x"}, {"id": "a b", "status": "x"}])
    def test_without_a_name_or_a_time_is_not_passed_over(self, odd: Any) -> None:
        with pytest.raises(UnexpectedAnswer):
            SessionRecords(Shown(odd), ONRAMP).page(since=SINCE, until=SINCE, cursor=None)  # type: ignore[arg-type]

    def test_has_only_a_flow_of_ours_for_its_reference(self) -> None:
        """Others write names of their own under `metadata`."""
        for named in ("dep_1", "5B0F3A0E-4A1C-5A5D-9D5E-2F60A1B2C3D4", None):
            session = {"id": "cos_1", "status": "rejected", "created": 1767225600, "metadata": {"flow": named}}
            assert ONRAMP.load(session).reference is None
        with pytest.raises(WrongShape):
            ONRAMP.load({"id": "cos_1", "status": "rejected", "created": "yesterday"})
