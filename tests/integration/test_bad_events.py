"""Signed, and still wrong: each such event is stored, set aside once with its reason, and moves nothing.

From the real door through the real ingest on a real database, and on to everything that lists it afterwards.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db.engine import make_engine
from embedded.services import Services
from tests.support.bad_events import SIGNER, Seen, watching
from tests.support.command_line import CommandLine
from tests.support.databases import Databases
from tests.support.door import samples

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
TRANSFER: dict[str, Any] = {
    "id": "tf_1",
    "ownerId": "acct_1",
    "status": "funds_received",
    "source": {"amount": "250.00", "fee": "0.00", "currency": "USDC", "rail": "base", "virtualAccountId": "va_1"},
    "destination": {"amount": "249.25", "fee": "0.75", "currency": "USD", "rail": "ach"},
    "createdAt": "2026-01-01T10:30:00Z",
}


@pytest.fixture
def seen(engine: Engine, database_url: str) -> Iterator[Seen]:
    with watching(engine, database_url) as seen:
        yield seen


@pytest.fixture(scope="module")
def shared(services: Services, template: str) -> Iterator[Seen]:
    """For many cases one after the other: each empties the inbox first."""
    with Databases(services.database_url).clone(template) as url:
        engine = make_engine(url)
        with watching(engine, url) as seen:
            yield seen
        engine.dispose()


def event(data: Any = TRANSFER, **more: Any) -> bytes:
    return json.dumps({"id": "wh_evt_1", "type": "transfer.status_changed", "data": data} | more).encode()


def transfer(**changes: Any) -> dict[str, Any]:
    """The sample with fields of it, or of its source, changed."""
    sides = {name: value for name, value in changes.items() if name in {"amount", "currency", "virtualAccountId"}}
    rest = {name: value for name, value in changes.items() if name not in sides}
    return {**TRANSFER, "source": {**TRANSFER["source"], **sides}} | rest


DEEP = b"[" * 100_000 + b"]" * 100_000
SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "empty object": (b"{}", "no shape we know"),
    "no shape": (b'{"id":"y","hello":"world"}', "no shape we know"),
    "two shapes": (event(event="deposit", virtualAccountId="va_1"), "two shapes at once"),
    "a poll's shape": (b'{"poll":{"kind":"transfer","object":{}}}', "a poll's body came by webhook"),
    "deeply nested": (b'{"id":"x","type":"transfer.status_changed","data":' + DEEP + b"}", "nested too deeply"),
    "deep beside what is read": (event()[:-1] + b',"x":' + DEEP + b"}", "nested too deeply"),
    "too many digits": (event()[:-1] + b',"x":' + b"9" * 100_000 + b"}", "number"),
    "the same key twice": (event()[:-1] + b',"data":{"id":"tf_2"}}', "names a field twice"),
    "the same key twice, inside": (event().replace(b'"id": "tf_1"', b'"id":"tf_1","id":"tf_2"'), "names a field twice"),
    "type is a number": (event(type=7), "type must be text"),
    "type is a list": (event(type=["transfer.status_changed"]), "type must be text"),
    "type with NUL": (event(type="transfer\x00"), "type is not storable text"),
    "type with half a surrogate": (event(type="\ud800"), "type is not storable text"),
    "type endless": (event(type="x" * 5000), "type is not storable text"),
    "data is text": (event("tf_1"), "data must be an object"),
    "data is a list": (event([TRANSFER]), "data must be an object"),
    "data is a number": (event(1), "data must be an object"),
    "id is a number": (event(transfer(id=7)), "data.id must be text"),
    "id is missing": (event(transfer(id=None)), "data.id is missing"),
    "id with NUL": (event(transfer(id="tf\x00")), "data.id is not storable text"),
    "id with half a surrogate": (event(transfer(id="tf\udfff")), "data.id is not storable text"),
    "id is a path": (event(transfer(id="../accounts")), "data.id is no id"),
    "id is dots": (event(transfer(id="..")), "data.id is no id"),
    "id with a line end": (event(transfer(id="tf_1\n")), "data.id is no id"),
    "id in other letters": (event(transfer(id="tf_\u0661")), "data.id is no id"),
    "id too long": (event(transfer(id="t" * 129)), "data.id is no id"),
    "id endless": (event(transfer(id="t" * 100_000)), "data.id is not storable text"),
    "owner is an object": (event(transfer(ownerId={})), "data.ownerId must be text"),
    "status is a flag": (event(transfer(status=True)), "data.status must be text"),
    "status is null": (event(transfer(status=None)), "data.status is missing"),
    "source is text": (event(transfer(source="va_1")), "data.source must be an object"),
    "virtual account is a number": (event(transfer(virtualAccountId=1)), "data.source.virtualAccountId must be text"),
    "amount is a number": (event(transfer(amount=250)), "data.source.amount must be text"),
    "amount without end": (event().replace(b'"250.00"', b"1e400"), "data.source.amount must be text"),
    "amount with an exponent without end": (event(transfer(amount="1e400")), "data.source.amount is no amount"),
    "amount too large": (event(transfer(amount="9" * 40)), "data.source.amount is no amount"),
    "amount too fine": (event(transfer(amount="0.0000001")), "more decimal places"),
    "amount below zero": (event(transfer(amount="-1")), "must not be negative"),
    "amount is no number": (event(transfer(amount="NaN")), "data.source.amount is no amount"),
    "amount is infinite": (event(transfer(amount="Infinity")), "data.source.amount is no amount"),
    "amount in other digits": (event(transfer(amount="\u0661\u0660")), "data.source.amount is no amount"),
    "amount with underscores": (event(transfer(amount="1_000")), "data.source.amount is no amount"),
    "amount with spaces": (event(transfer(amount=" 250.00")), "data.source.amount is no amount"),
    "amount with commas": (event(transfer(amount="1,000.00")), "data.source.amount is no amount"),
    "currency unknown": (event(transfer(currency="DOGE")), "unknown asset"),
    "currency is an escape": (event(transfer(currency=ESCAPE)), "unknown asset"),
    "currency is a number": (event(transfer(currency=840)), "data.source.currency must be text"),
    "time is no time": (event(occurredAt="yesterday"), "occurredAt is not a time"),
    "time is a number": (event(occurredAt=1767261600), "occurredAt must be text"),
    "time that is not": (event(occurredAt="2026-13-45T99:99:99Z"), "occurredAt is not a time"),
    "time past the end": (event(occurredAt="9999-12-31T23:59:59-14:00"), "occurredAt is not a time"),
    "time with a wild fraction": (
        event(occurredAt="2026-01-01T00:00:00." + "1" * 500 + "Z"),
        "occurredAt is not a time",
    ),
    "seed without its account": (b'{"event":"deposit","virtualAccountId":{}}', "virtualAccountId must be text"),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_it_is_set_aside_once_with_its_reason_and_moves_nothing(shared: Seen, case: str) -> None:
    body, reason = SET_ASIDE[case]
    seen = shared
    with seen.engine.begin() as connection:
        connection.execute(text("TRUNCATE inbox_events CASCADE"))
    seen.log.truncate(0)

    row = seen.take(body)

    assert row["state"] == "dead"
    assert reason in row["reason"]
    assert bytes(row["body"]) == body
    assert seen.values("SELECT count(*) FROM dead_letters WHERE event_id IS NOT NULL AND flow_id IS NULL") == [1]
    assert seen.values("SELECT count(*) FROM flows") == [0]
    assert seen.values("SELECT count(*) FROM journal_entries") == [0]
    assert seen.values("SELECT count(*) FROM looks") == [0]
    said = seen.log.getvalue()
    assert "exception" not in said
    assert "Traceback" not in said


IGNORED: dict[str, tuple[bytes, str]] = {
    "unknown type": (event(type="who.knows"), "ignored"),
    "type with an escape": (event(type=f"x{ESCAPE}"), "ignored"),
    "type that a spreadsheet runs": (event(type="=HYPERLINK(1)"), "ignored"),
    "no virtual account": (event(transfer(virtualAccountId=None)), "ignored"),
    "unknown seed event": (b'{"event":"withdrawal","virtualAccountId":"va_1"}', "ignored"),
    "nine digits of a second": (event(occurredAt="2026-01-01T10:32:00.123456789Z"), "handled"),
    "unknown status": (event(transfer(status="teleported")), "handled"),
    "status with an escape": (event(transfer(status=f"odd{ESCAPE}")), "handled"),
    "fields without number": (event(**{f"x{n}": n for n in range(5000)}), "handled"),
    "numbers without end beside": (event()[:-1] + b',"fxRate":1e400,"n":-1E-99999}', "handled"),
    "an id of the event too long": (event(id="e" * 100_000), "handled"),
    "an id of the event with NUL": (event(id="e\x00\ud800"), "handled"),
}


@pytest.mark.parametrize("case", IGNORED)
def test_it_is_taken_as_a_hint_at_most_and_lists_without_control_codes(
    seen: Seen, database_url: str, case: str
) -> None:
    """An unknown status opens the flow like any other: what it means is asked of the provider, not of the event."""
    body, state = IGNORED[case]

    row = seen.take(body)

    assert row["state"] == state
    assert seen.values("SELECT count(*) FROM dead_letters") == [0]
    assert seen.values("SELECT count(*) FROM flows WHERE state <> 'received'") == [0]
    assert seen.values("SELECT count(*) FROM journal_entries") == [0]
    assert "exception" not in seen.log.getvalue()
    cli = CommandLine(database_url)
    for words in (["events", "list"], ["events", "show", str(row["id"])], ["flows", "list"]):
        assert not any(ord(letter) < 32 and letter != "\n" for letter in cli(*words).output)
        cli.json(*words)
    for form in ("text", "json", "csv", "html"):
        report = cli("report", "daily", "--format", form).output
        assert "\x1b" not in report
        if form == "csv":
            cells = [cell for line in csv.reader(io.StringIO(report)) for cell in line]
            assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_poison_events_hold_up_no_others_and_can_be_listed_and_replayed(seen: Seen, database_url: str) -> None:
    bodies = [event(id=f"good_{n}", data=transfer(id=f"tf_{n}")) for n in range(3)]
    bodies[1:1] = [body for body, _ in SET_ASIDE.values()]
    for number, body in enumerate(bodies):
        marked = body[:-1].replace(b'"id": "wh_evt_1"', b'"id": "wh_evt_%d"' % number) + b"}"
        answer = seen.client.post("/webhooks/due", data=marked, headers=SIGNER.headers(marked))
        assert answer.status_code == 200
    seen.desk.events(seen.values("SELECT id FROM inbox_events WHERE due_at IS NOT NULL"))
    assert seen.values("SELECT count(*) FROM flows") == [3]
    assert seen.values("SELECT count(*) FROM inbox_events WHERE due_at IS NOT NULL") == [0]
    page = samples(seen.client.get("/metrics").text)
    assert page['rampkeeper_door_events_total{provider="due",result="accepted"}'] == len(bodies)

    cli = CommandLine(database_url)
    dead = cli.json("events", "list", "--state", "dead", "--limit", "1000")
    assert len(dead) == len(SET_ASIDE)
    assert len(cli.json("dead-letters", "list", "--limit", "1000")) == len(SET_ASIDE)
    for words in (["events", "list"], ["dead-letters", "list"], ["dead-letters", "groups"]):
        assert not any(ord(letter) < 32 and letter != "\n" for letter in cli(*words).output)
    assert cli.json("events", "show", dead[0]["id"])["state"] == "dead"
    cli("events", "replay", dead[0]["id"], "--yes", "--by", "ana")
    seen.desk.events(seen.values("SELECT id FROM inbox_events WHERE due_at IS NOT NULL"))
    assert seen.values("SELECT state FROM inbox_events WHERE source = 'replay'") == ["dead"]
