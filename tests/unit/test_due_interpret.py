"""What Due's events say."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import Announced, CannotUse, Changed, Fact, Ignored, LookDue, Opening
from funding.money import Money
from providers.due.interpret import interpret, polled
from providers.due.wire import kept

TRANSFER: dict[str, Any] = {
    "id": "tf_1",
    "ownerId": "acct_1",
    "status": "payment_processed",
    "source": {"amount": "250.00", "fee": "0.00", "currency": "USDC", "rail": "base", "virtualAccountId": "va_1"},
    "destination": {"amount": "249.25", "fee": "0.75", "currency": "USD", "rail": "ach", "id": "rcp_1"},
    "createdAt": "2026-01-01T10:30:00Z",
}
OPENING = Opening(
    flow_kind="due_deposit",
    link_kind="virtual_account",
    link_id="va_1",
    amount=Money(250_000000, "USDC"),
    data={"account": "acct_1", "virtual_account": "va_1"},
    mode="va_auto",
)


def an_event(data: Any = TRANSFER, **more: Any) -> dict[str, Any]:
    return {
        "id": "wh_evt_1",
        "type": "transfer.status_changed",
        "data": data,
        "occurredAt": "2026-01-01T10:32:00.123456789Z",
        "attemptedAt": "2026-01-01T10:32:01Z",
    } | more


def a_transfer(**changes: Any) -> dict[str, Any]:
    """The sample with fields changed: `source__amount` reaches into a side, None takes a field away."""
    made = copy.deepcopy(TRANSFER)
    for name, value in changes.items():
        *path, last = name.split("__")
        place = made[path[0]] if path else made
        if value is None:
            del place[last]
        else:
            place[last] = value
    return made


def read(event: Any, source: str = "webhook") -> Fact:
    (fact,) = interpret(json.dumps(event).encode(), source=source).facts
    return fact


class TestATransferEvent:
    def test_opens_a_deposit_or_wakes_its_flow(self) -> None:
        """Times come with nine digits, more than most parsers take."""
        at = datetime(2026, 1, 1, 10, 32, 0, 123456, tzinfo=UTC)
        assert read(an_event()) == Changed(
            kind="transfer", id="tf_1", status="payment_processed", at=at, opening=OPENING
        )

    @pytest.mark.parametrize("status", ["funds_received", "MANUAL_REVIEW", "a_status_of_next_year"])
    def test_says_its_status_as_a_hint_whatever_it_is(self, status: str) -> None:
        fact = read(an_event(a_transfer(status=status)))
        assert isinstance(fact, Changed)
        assert fact.status == status.lower()

    @pytest.mark.parametrize("status", ["awaiting_funds", "Awaiting_Funds"])
    def test_opens_nothing_before_the_money_is_there(self, status: str) -> None:
        assert read(an_event(a_transfer(status=status))) == Ignored(reason="not funded yet")

    def test_of_no_virtual_account_is_no_deposit(self) -> None:
        """A transfer of the firm's own, in a currency we have no scale for, is nobody's dead letter."""
        assert isinstance(read(an_event(a_transfer(source__virtualAccountId=None, source__currency="EUR"))), Ignored)

    def test_cut_short_makes_a_look_due(self) -> None:
        short = {"id": "tf_1", "ownerId": "acct_1", "status": "payment_processed"}
        assert read(an_event(short)) == LookDue(poll="due_transfer", subject="acct_1/tf_1")

    def test_reads_the_same_without_the_fields_older_events_lack(self) -> None:
        fact = read({"type": "transfer.status_changed", "data": TRANSFER})
        assert fact == Changed(kind="transfer", id="tf_1", status="payment_processed", at=None, opening=OPENING)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"source__amount": 250.0}, "source.amount"),
            ({"source__amount": 250}, "source.amount"),
            ({"source__amount": "1e400"}, "source.amount"),
            ({"source__amount": "NaN"}, "source.amount"),
            ({"source__amount": "-1"}, "source.amount"),
            ({"source__amount": "0.0000001"}, "source.amount"),
            ({"source__amount": None}, "source.amount"),
            ({"source__currency": "DOGE"}, "source.amount"),
            ({"source__currency": None}, "source.currency"),
            ({"source__virtualAccountId": 7}, "source.virtualAccountId"),
            ({"id": 7}, "id"),
            ({"id": "../x"}, "id"),
            ({"id": "tf\x00"}, "id"),
            ({"id": None}, "id"),
            ({"ownerId": "a/b"}, "ownerId"),
            ({"ownerId": ["acct"]}, "ownerId"),
            ({"status": 3}, "status"),
            ({"source": "va_1"}, "source"),
        ],
    )
    def test_of_another_shape_is_set_aside_naming_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(CannotUse, match=field.replace(".", r"\.")) as caught:
            read(an_event(a_transfer(**changes)))
        for value in changes.values():
            if isinstance(value, str) and value not in {"NaN", "-1"} and len(value) > 3:
                assert value not in str(caught.value)

    @pytest.mark.parametrize("at", ["yesterday", 5, "2026-13-01T00:00:00Z", "2026-01-01"])
    def test_of_no_known_time_is_set_aside(self, at: Any) -> None:
        with pytest.raises(CannotUse, match="occurredAt"):
            read(an_event(occurredAt=at))


class TestOtherEvents:
    @pytest.mark.parametrize("kind", ["virtual_account.updated", "bp.kyc.status_changed", "invented.next_year"])
    def test_are_understood_and_ignored(self, kind: str) -> None:
        assert isinstance(read(an_event({"anything": 1}, type=kind)), Ignored)

    @pytest.mark.parametrize(("said", "amount"), [("250.00", "250.00"), (250, None), (None, None), ({}, None)])
    def test_of_the_seed_announce_money_that_only_its_accounts_mode_can_tell_of(
        self, said: Any, amount: str | None
    ) -> None:
        """It has no id, currency or status: nothing may be credited from it; a look needs no amount."""
        seed = {"event": "deposit", "virtualAccountId": "va_1", "amount": said}
        assert read(seed) == Announced(
            flow_kind="due_deposit",
            opens_in="legacy_offramp",
            link_kind="virtual_account",
            link_id="va_1",
            amount=amount,
            look=LookDue(poll="due_virtual_account", subject="va_1"),
        )

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"type": "transfer.status_changed"},
            {"event": "deposit"},
            an_event(event="deposit", virtualAccountId="va_1"),
            an_event(poll={"kind": "transfer", "object": TRANSFER}),
            {"event": "deposit", "virtualAccountId": {"id": "va_1"}},
            {"type": 5, "data": {}},
            {"type": "transfer.status_changed", "data": "tf_1"},
            {"type": "transfer.status_changed", "data": [TRANSFER]},
        ],
    )
    def test_of_no_shape_or_two_are_set_aside(self, body: dict[str, Any]) -> None:
        with pytest.raises(CannotUse):
            read(body)

    @pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"])
    def test_that_are_no_object_are_set_aside(self, body: bytes) -> None:
        with pytest.raises(CannotUse):
            interpret(body, source="webhook")


class TestAPollsFinding:
    def test_says_what_the_webhook_says(self) -> None:
        fact = interpret(polled(kept(TRANSFER)), source="poll").facts[0]
        assert fact == Changed(kind="transfer", id="tf_1", status="payment_processed", at=None, opening=OPENING)

    def test_is_not_taken_from_a_webhook(self) -> None:
        with pytest.raises(CannotUse):
            interpret(polled(kept(TRANSFER)), source="webhook")

    def test_may_be_replayed(self) -> None:
        assert isinstance(interpret(polled(kept(TRANSFER)), source="replay").facts[0], Changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(["id", "ownerId", "status", "source", "destination", "createdAt"])


class TestAnyBody:
    @given(data=st.dictionaries(FIELDS, JSON), more=JSON)
    def test_is_read_or_set_aside_but_never_breaks(self, data: Any, more: Any) -> None:
        """A poison event must not stop the batch it is in."""
        for body in (
            an_event(a_transfer() | data),
            {"poll": {"kind": "transfer", "object": a_transfer() | data}},
            more,
        ):
            try:
                interpret(json.dumps(body).encode(), source="replay")
            except CannotUse:
                continue
