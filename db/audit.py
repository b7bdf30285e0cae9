"""The audit log: what was done by whom, each line chained to the one before. Tables `audit_log`, `audit_head`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

BATCH = 1000  # rows fetched at a time when the whole chain is walked


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to what. `detail` holds JSON values without fractions, and nothing secret or personal."""

    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the log as it is stored."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`broken`: the id of the first line that does not hold, `reason` why; both None when the chain is whole."""

    lines: int
    head: bytes
    broken: int | None = None
    reason: str | None = None


_INSERT = text("""
    INSERT INTO audit_log (id, at, actor, action, subject, detail, previous, hash)
    VALUES (:id, :at, :actor, :action, :subject, CAST(:detail AS jsonb), :previous, :hash)
""")


def append(connection: Connection, actor: str, acts: Sequence[Act]) -> None:
    """Add lines in the caller's transaction, in the order given.

    Locks the one head row until the caller commits, so that lines are chained one transaction after another:
    call it last. `actor` is recorded as said.
    """
    if not acts:
        return
    head = connection.execute(text("SELECT last_id, last_hash, rk_now() AS now FROM audit_head FOR UPDATE")).one()
    number, previous = head.last_id, bytes(head.last_hash)
    rows = []
    for act in acts:
        number += 1
        line = hash_of(previous, number, head.now, actor, act.action, act.subject, act.detail)
        rows.append(
            {
                "id": number,
                "at": head.now,
                "actor": actor,
                "action": act.action,
                "subject": act.subject,
                "detail": _canonical(act.detail),
                "previous": previous,
                "hash": line,
            }
        )
        previous = line
    connection.execute(_INSERT, rows)
    connection.execute(text("UPDATE audit_head SET last_id = :id, last_hash = :hash"), {"id": number, "hash": previous})


def hash_of(
    previous: bytes, number: int, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> bytes:
    """SHA-256 of the previous line's hash and this line as canonical JSON: keys sorted, no spaces, UTC to the µs."""
    line = {
        "id": number,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": detail,
    }
    return hashlib.sha256(previous + _canonical(line).encode()).digest()


def verify(connection: Connection) -> Verdict:
    """Walk the whole chain from its first line to the head, in the order of ids. Needs one transaction, locks nothing.

    Finds a line that was changed, removed, put in or moved. Lines cut off at the end together with a head that was
    rewritten to fit are seen only by comparing `head` with one kept elsewhere.
    """
    # The head is read first and lines after it are left out: they are being written meanwhile.
    head = connection.execute(text("SELECT last_id, last_hash FROM audit_head")).one_or_none()
    if head is None:
        return Verdict(lines=0, head=b"", broken=0, reason="the head row is gone")
    number, previous = 0, b"\x00"
    for line in lines(connection, until=head.last_id):
        reason = _fault(line, number, previous)
        if reason:
            return Verdict(lines=number, head=previous, broken=min(line.id, number + 1), reason=reason)
        number, previous = line.id, line.hash
    if number != head.last_id:
        return Verdict(lines=number, head=previous, broken=number + 1, reason="the line is missing")
    if bytes(head.last_hash) != previous:
        return Verdict(lines=number, head=previous, broken=number, reason="the head names another last line")
    return Verdict(lines=number, head=previous)


def _fault(line: Line, number: int, previous: bytes) -> str | None:
    """What is wrong with the line after `number`, whose hash is `previous`."""
    if line.id != number + 1:
        return "the line is missing" if line.id > number + 1 else "it stands before the first line"
    if line.previous != previous:
        return "it does not follow the line before it"
    if line.hash != hash_of(previous, line.id, line.at, line.actor, line.action, line.subject, line.detail):
        return "its content is not what was written"
    return None


def lines(connection: Connection, *, until: int | None = None) -> Iterator[Line]:
    """Every line up to the id `until`, oldest first, fetched a batch at a time by primary key."""
    after = -1
    while True:
        rows = connection.execute(
            text("""
                SELECT * FROM audit_log WHERE id > :after AND (CAST(:until AS bigint) IS NULL OR id <= :until)
                 ORDER BY id LIMIT :batch
            """),
            {"after": after, "until": until, "batch": BATCH},
        ).mappings()
        batch = [_line(row) for row in rows]
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1].id


def newest(
    connection: Connection, *, limit: int, action: str | None = None, actor: str | None = None, since: datetime | None
) -> list[Line]:
    """The newest lines first. Walks the primary key backwards; the filters are applied on the way."""
    rows = connection.execute(
        text("""
            SELECT * FROM audit_log
             WHERE (CAST(:action AS text) IS NULL OR action = :action)
               AND (CAST(:actor AS text) IS NULL OR actor = :actor)
               AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
             ORDER BY id DESC LIMIT :limit
        """),
        {"limit": limit, "action": action, "actor": actor, "since": since},
    ).mappings()
    return [_line(row) for row in rows]


def _line(row: RowMapping) -> Line:
    return Line(
        id=row["id"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        detail=row["detail"],
        previous=bytes(row["previous"]),
        hash=bytes(row["hash"]),
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
