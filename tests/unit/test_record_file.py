"""A file of a provider's records: the whole of it or nothing, every bad line named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from funding.reconcile.records import Record
from ops.actions.customer_file import BadLines
from ops.actions.desk import Refused
from ops.actions.reconcile.record_file import check

HEADER = "provider,kind,id,state,time,asset,amount,asset_out,amount_out,fee,account,reference"
GOOD = "due,transfer,tf_1,payment_processed,2026-03-04T09:30:00Z,USDC,250.00,USD,249.25,0.75,acct_1,"
AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.csv"


def test_reads_records_in_minor_units(path: Path) -> None:
    path.write_text(f"\ufeff{HEADER}\r\n{GOOD}\r\n\r\n{GOOD.replace('tf_1', 'tf_2').replace('09:30', '10:30')}\r\n")
    read = check(path)
    assert next(read.records()) == Record(
        "transfer", "tf_1", "payment_processed", AT, "USDC", 250_000_000, "USD", 249_25, 75, "acct_1"
    )
    assert (read.lines, read.since) == (2, AT)
    assert read.until == AT + timedelta(hours=1, microseconds=1), "the last record lies in the window"


def test_reads_columns_in_any_order_and_a_journals_one_amount(path: Path) -> None:
    path.write_text(
        "amount,asset,time,state,id,kind,provider\n249.25,usd,2026-03-04T09:30:00Z,Executed,j_1,journal,alpaca\n"
    )
    (journal,) = check(path).records()
    assert (journal.status, journal.asset_out, journal.amount_out, journal.amount) == ("executed", "USD", 249_25, None)
    assert journal.at == AT.replace(hour=0, minute=0), "a journal bears a date"


@pytest.mark.parametrize(("said", "reference"), [(f"{UUID(int=7)} tf_1", str(UUID(int=7))), ("by hand", None)])
def test_knows_the_flow_that_a_journals_description_names(path: Path, said: str, reference: str | None) -> None:
    """Two journals "by hand" are not one movement of money."""
    header = "provider,kind,id,state,time,asset,amount,reference"
    path.write_text(f"{header}\nalpaca,journal,j_1,executed,2026-03-04T09:30:00Z,USD,1.00,{said}\n")
    assert next(check(path).records()).reference == reference


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD.replace("due,", "bank,"), "another provider than due"),
        (GOOD.replace("due,transfer", "bridge,transfer"), "another provider than due"),
        (GOOD.replace("transfer", "deposit"), "kind must be transfer"),
        (GOOD.replace("tf_1", "a/b"), "id is no id"),
        (GOOD.replace("payment_processed", ""), "state is missing"),
        (GOOD.replace("2026-03-04T09:30:00Z", "yesterday"), "time is no RFC 3339 time"),
        (GOOD.replace("250.00", "1e99"), "an amount cannot be read"),
        (GOOD.replace("250.00", "-1"), "an amount cannot be read: it is negative"),
        (GOOD.replace("250.00", ""), "an amount cannot be read"),
        (GOOD.replace("249.25", "249.255"), "more than 2 decimal places for USD"),
        (GOOD.replace("USDC,250.00", ","), "amount and asset are missing"),
        (GOOD.replace("USDC", "EURC"), "unknown asset"),
        (GOOD + ",more", "has 13 fields instead of 12"),
        (GOOD.replace("acct_1", "a\x07"), "control characters"),
        (GOOD, "names an id that an earlier line has"),
        ('"', "is no CSV"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_names_each_bad_line(path: Path, line: str, reason: str) -> None:
    path.write_bytes(f"{HEADER}\n{GOOD}\n{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(BadLines) as told:
        check(path)
    ((number, said),) = told.value.faults
    assert number in {3, 4}, "the reader sees the end of a broken line one later"
    assert reason in said


def test_says_which_providers_there_are(path: Path) -> None:
    path.write_text(f"{HEADER}\n{GOOD.replace('due,', 'bank,')}\n")
    with pytest.raises(BadLines, match="line 2: provider must be alpaca or bridge or due or ibex or stripe"):
        check(path)


def test_names_all_of_them(path: Path) -> None:
    bad = GOOD.replace("tf_1", "").replace("250.00", "x")
    path.write_text(f"{HEADER}\n{bad}\n{GOOD}\n{bad}\n")
    with pytest.raises(BadLines, match=r"2 bad lines; nothing was imported\nline 2: .*\nline 4: "):
        check(path)


@pytest.mark.parametrize("content", ["", "id,amount\n", f"{HEADER},note\n", f"{HEADER},id\n", f"{HEADER}\n"])
def test_refuses_a_file_without_records(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(BadLines, match="line 1"):
        check(path)


def test_notices_that_it_changed_meanwhile(path: Path) -> None:
    path.write_text(f"{HEADER}\n{GOOD}\n")
    read = check(path)
    path.write_text(f"{HEADER}\nnonsense\n")
    with pytest.raises(Refused, match="changed while it was read: line 2"):
        list(read.records())
