"""Every error Bridge documents, and what is to be done next after it."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    UnexpectedAnswer,
)
from funding.ports.bridge import NO_RETURN_ADDRESS
from tests.contract.bridge_client import speaking_to
from tests.support.odd_server import Behave, OddServer, always, answer, read_request

SINCE = datetime.now(UTC) - timedelta(hours=1)
# Status, code, what it is after a read, what it is after a create.
REFUSALS: list[tuple[int, str | None, type[ProviderError], type[ProviderError]]] = [
    *(
        (400, code, ProviderRejected, ProviderRejected)
        for code in (
            *("invalid_parameters", "invalid_json", "bad_request", "frozen", "has_not_accepted_tos"),
            *("requires_active_kyc_status", "deactivated_external_account"),
        )
    ),
    # Something is there already, or was made under this key: only a look-up tells.
    (400, "duplicate_record", ProviderRejected, OutcomeUnknown),
    (400, "not_truly_idempotent", ProviderRejected, OutcomeUnknown),
    (422, "unprocessable_entity", ProviderRejected, OutcomeUnknown),
    (422, None, ProviderRejected, OutcomeUnknown),
    (400, "not_found", NotFound, NotFound),
    (404, "not_found", NotFound, NotFound),
    (404, None, NotFound, NotFound),
    (401, "unauthorized", Misconfigured, Misconfigured),
    (403, None, Misconfigured, Misconfigured),
    (403, "not_allowed", ProviderRejected, ProviderRejected),
    (403, "developer_limits_exceeded", ProviderRejected, ProviderRejected),
    (403, "missing_required_endorsements", ProviderRejected, ProviderRejected),
    (408, None, ProviderUnavailable, OutcomeUnknown),
    (409, "resource_state_conflict", ProviderRejected, OutcomeUnknown),
    (429, None, ProviderThrottled, ProviderThrottled),
    (500, None, ProviderUnavailable, OutcomeUnknown),
    (502, "external_dependency_failed", ProviderUnavailable, OutcomeUnknown),
    (503, None, ProviderUnavailable, OutcomeUnknown),
]


def two_pages(newest: list[dict[str, str]], older: list[dict[str, str]]) -> Behave:
    """A listing of so many rows: the first page, and whatever comes after a row of it."""

    def behave(connection: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set() and (request := read_request(connection)):
            shown = older if b"starting_after=" in request else newest
            connection.sendall(answer(body=json.dumps({"data": shown}).encode()))

    return behave


def refusal(status: int, code: str | None) -> bytes:
    body = {"message": "no", "source": {"key": {"amount": "is odd"}}} | ({"code": code} if code else {})
    return answer(f"{status} X", json.dumps(body).encode(), {"Retry-After": "7"})


class TestARefusal:
    @pytest.mark.parametrize(("status", "code", "kind", "_creating"), REFUSALS)
    def test_of_a_read_says_what_to_do_next(
        self, status: int, code: str | None, kind: type[ProviderError], _creating: type[ProviderError]
    ) -> None:
        with OddServer(always(refusal(status, code))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(ProviderError) as caught:
                bridge.get_payout("tr_1")
            assert type(caught.value) is kind
            assert (caught.value.status, caught.value.code) == (status, code)

    @pytest.mark.parametrize(("status", "code", "_reading", "kind"), REFUSALS)
    def test_of_a_payout_says_whether_it_may_exist(
        self, status: int, code: str | None, _reading: type[ProviderError], kind: type[ProviderError]
    ) -> None:
        with OddServer(always(refusal(status, code))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(ProviderError) as caught:
                bridge.create_payout("{}", key=uuid4())
            assert type(caught.value) is kind
            assert (caught.value.status, caught.value.code) == (status, code)

    @pytest.mark.parametrize(("status", "code"), [(422, None), (400, "not_truly_idempotent"), (503, None)])
    def test_that_its_key_will_repeat_is_told_from_one_that_it_may_not(self, status: int, code: str | None) -> None:
        """Asking again under a dead key gets the same for ever: it is looked up, then made under another."""
        with OddServer(always(refusal(status, code))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(OutcomeUnknown) as caught:
                bridge.create_payout("{}", key=uuid4())
            assert caught.value.answered

    def test_waits_as_long_as_bridge_says(self) -> None:
        with OddServer(always(refusal(429, None))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(ProviderThrottled) as caught:
                bridge.get_customer("cust_1")
            assert caught.value.retry_after == timedelta(seconds=7)


class TestAnOddAnswer:
    @pytest.mark.parametrize("body", [b"{}", b'{"id":"tr_1","state":"awaiting_funds"}', b"<html>", b"", b"[]"])
    def test_to_a_create_may_hide_a_payout(self, body: bytes) -> None:
        with OddServer(always(answer("201 Created", body))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(OutcomeUnknown):
                bridge.create_payout("{}", key=uuid4())
            with pytest.raises(UnexpectedAnswer):
                bridge.get_payout("tr_1")

    @pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"count":0}', b'{"data":[{"x":1}]}'])
    def test_is_never_taken_for_an_empty_listing(self, body: bytes) -> None:
        """Nothing there would be believed, and the payout made twice."""
        with OddServer(always(answer(body=body))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(UnexpectedAnswer):
                bridge.find_payouts("wd_1", customer="cust_1", since=SINCE)
            with pytest.raises(UnexpectedAnswer):
                bridge.get_deposit("dep_1", customer="cust_1", virtual_account="va_1")

    def test_that_leads_in_a_circle_is_left(self) -> None:
        """A listing that pays no heed to its cursor."""
        body = json.dumps({"data": [{"id": "1"}, {"id": "2"}]}).encode()
        with (
            OddServer(always(answer(body=body))) as server,
            speaking_to(server.url) as bridge,
            pytest.raises(UnexpectedAnswer, match="never end"),
        ):
            bridge.find_payouts("wd_1", customer="cust_1", since=SINCE)

    def test_with_an_unreadable_payout_of_ours_is_no_answer(self) -> None:
        body = json.dumps([{"id": "1", "client_reference_id": "wd_1", "created_at": "2001-01-01T00:00:00Z"}]).encode()
        with OddServer(always(answer(body=body))) as server, speaking_to(server.url) as bridge:
            with pytest.raises(UnexpectedAnswer, match="source is missing"):
                bridge.find_payouts("wd_1", customer="cust_1", since=SINCE)
            assert bridge.find_payouts("wd_2", customer="cust_1", since=SINCE) == []

    def test_with_another_customers_deposit_is_no_answer(self) -> None:
        row = {"id": "1", "deposit_id": "dep_1", "customer_id": "cust_2", "virtual_account_id": "va_1"}
        with (
            OddServer(two_pages([row], [])) as server,
            speaking_to(server.url) as bridge,
            pytest.raises(UnexpectedAnswer, match="customer_id"),
        ):
            bridge.get_deposit("dep_1", customer="cust_1", virtual_account="va_1")

    def test_with_deposits_nobody_asked_for_is_read_for_the_one(self) -> None:
        """That a history can be asked for one deposit is not in Bridge's own pages."""
        with (
            OddServer(two_pages([{"id": "1", "deposit_id": "dep_2"}], [])) as server,
            speaking_to(server.url) as bridge,
            pytest.raises(NotFound),
        ):
            bridge.get_deposit("dep_1", customer="cust_1", virtual_account="va_1")

    @pytest.mark.parametrize("odd", ["2001-01-01T00:00:00Z", "soon", ""])
    def test_with_one_old_payout_among_new_ones_is_read_on(self, odd: str) -> None:
        """What a listing is ordered by is not written: one old row does not say that all behind it are older."""
        new = [{"id": "3", "created_at": datetime.now(UTC).isoformat()}, {"id": "2", "created_at": odd}]
        ours = [{"id": "1", "client_reference_id": "wd_1", "created_at": "2001-01-01T00:00:00Z"}]
        with (
            OddServer(two_pages(new, ours)) as server,
            speaking_to(server.url) as bridge,
            pytest.raises(UnexpectedAnswer, match="source is missing"),
        ):
            bridge.find_payouts("wd_1", customer="cust_1", since=SINCE)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("return_instructions", NO_RETURN_ADDRESS),
        ("return_instructions.address", NO_RETURN_ADDRESS),
        ({"return_instructions": "is unknown"}, NO_RETURN_ADDRESS),
        ("amount", "invalid_parameters"),
        ({"amount": "is too little"}, "invalid_parameters"),
        (None, "invalid_parameters"),
        (["return_instructions"], "invalid_parameters"),
    ],
)
def test_an_order_whose_return_address_alone_is_refused_is_told_apart(key: object, code: str) -> None:
    """Nothing was made: the same order without it may be taken."""
    said = {"code": "invalid_parameters", "message": "bad field", "source": {"key": key}}
    reply = answer("400 X", json.dumps(said).encode())
    with OddServer(always(reply)) as server, speaking_to(server.url) as bridge:
        with pytest.raises(ProviderRejected) as caught:
            bridge.create_payout("{}", key=uuid4())
        assert caught.value.code == code
