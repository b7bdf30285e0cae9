"""Due's JSON and our words for it."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from funding.money import Money
from funding.ports.due import TransferStatus
from providers.due import wire
from providers.due.listings import decode_event
from providers.fields import WrongShape, parse_time
from tests.unit.test_due_interpret import TRANSFER, a_transfer


class TestLoadTransfer:
    def test_reads_the_documented_sample(self) -> None:
        transfer = wire.load_transfer(
            a_transfer(source__confirmation={"kind": "transaction_hash", "network": "base", "hash": "0xab"})
        )
        assert transfer.chain_hash == "0xab"
        assert transfer.virtual_account == "va_1"
        assert transfer.destination_rest == 0
        assert transfer.created_at == datetime(2026, 1, 1, 10, 30, tzinfo=UTC)

    @pytest.mark.parametrize("amount", ["249.2599", "249.25999999999999999999"])
    def test_floors_what_goes_on_and_keeps_the_rest(self, amount: str) -> None:
        transfer = wire.load_transfer(a_transfer(destination__amount=amount))
        assert transfer.destination == Money(249_25, "USD")
        assert transfer.destination_rest == Decimal(amount) - Decimal("249.25")

    @pytest.mark.parametrize("changes", [{"source__fee": None}, {"source__fee": ""}, {"destination__fee": None}])
    def test_takes_a_missing_fee_for_none(self, changes: dict[str, Any]) -> None:
        transfer = wire.load_transfer(a_transfer(**changes))
        assert 0 in {transfer.source_fee.minor, transfer.destination_fee.minor}

    @pytest.mark.parametrize(
        "changes",
        [
            {"source__amount": "1.0000001"},
            {"source__amount": 1},
            {"source__amount": True},
            {"destination__amount": 249.25},
            {"destination__amount": "-0.01"},
            {"destination": None},
            {"createdAt": None},
            {"source__fee": 0},
            {"id": "a b"},
        ],
    )
    def test_refuses_another_shape(self, changes: dict[str, Any]) -> None:
        with pytest.raises(WrongShape):
            wire.load_transfer(a_transfer(**changes))

    @pytest.mark.parametrize("status", list(TransferStatus))
    def test_knows_each_status_in_any_case(self, status: TransferStatus) -> None:
        assert wire.load_transfer(a_transfer(status=status.upper())).status is status

    def test_is_blind_to_fields_nobody_asked_for(self) -> None:
        assert wire.load_transfer(TRANSFER | {"brandNew": {"deep": [1.5]}, "fxRate": 1.1718750000000002})


class TestKept:
    def test_leaves_names_and_bank_details_behind(self) -> None:
        details = {"accountNumber": "900100200300", "routingNumber": "101000019"}
        shown = json.dumps(wire.kept(a_transfer(destination__label="Ana Pires", destination__details=details)))
        assert "Ana" not in shown
        assert "900100200300" not in shown

    @pytest.mark.parametrize("odd", [None, 5, "x", [], {"source": "x"}, {"source": None}])
    def test_keeps_what_it_can_of_anything(self, odd: Any) -> None:
        assert isinstance(wire.digest_of(wire.kept(odd)), str)


class TestDecodeEvent:
    def test_reads_four_encodings_as_one(self) -> None:
        text = json.dumps(TRANSFER)
        encodings = [TRANSFER, text, base64.b64encode(text.encode()).decode(), list(text.encode())]
        assert [decode_event(one) for one in encodings] == [TRANSFER] * 4

    @pytest.mark.parametrize("odd", [None, 5, "", "!!", "{", [300], ["a"], [1.5], "bm90IGpzb24="])
    def test_refuses_anything_else(self, odd: Any) -> None:
        with pytest.raises(WrongShape):
            decode_event(odd)


class TestParseTime:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-01-01T10:32:00Z", datetime(2026, 1, 1, 10, 32, tzinfo=UTC)),
            ("2026-01-01T10:32:00.123456789Z", datetime(2026, 1, 1, 10, 32, 0, 123456, tzinfo=UTC)),
            ("2026-01-01T10:32:00.1Z", datetime(2026, 1, 1, 10, 32, 0, 100000, tzinfo=UTC)),
            ("2026-01-01T12:32:00+02:00", datetime(2026, 1, 1, 10, 32, tzinfo=UTC)),
            ("2026-01-01T12:32:00.000000001+0200", datetime(2026, 1, 1, 10, 32, tzinfo=UTC)),
            ("2026-01-01 10:32:00", datetime(2026, 1, 1, 10, 32, tzinfo=UTC)),
            ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_reads(self, text: str, moment: datetime) -> None:
        assert parse_time(text) == moment

    @pytest.mark.parametrize(
        "text", ["", "now", "2026-01-01", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:00", "2026-01-01T25:00:00Z"]
    )
    def test_refuses(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"time|day|hour|month"):
            parse_time(text)
