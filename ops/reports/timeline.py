"""A flow's story in the order of time: what was heard, tried, decided, booked, found and told, each in a line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from db.story import Story
from ops.reports.cells import length_text
from ops.reports.words import BAD_OUTCOMES, TROUBLED_OUTCOMES, capital, outcome_text, plain, provider_name

Row = Mapping[str, Any]

_SOURCES: Final = {"webhook": "by webhook", "poll": "found by a poll", "stream": "on its stream", "replay": "replayed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line. `kind`: "event", "attempt", "move", "entry", "letter", "break" or "told"; `tone` as its colour.

    `facts` are names and values, ids mostly; `link` is a kind of page ("event", "letter", "break") and an id for it.
    """

    at: datetime
    kind: str
    title: str
    tone: str = "quiet"
    detail: str = ""
    facts: tuple[tuple[str, Any], ...] = ()
    link: tuple[str, str] | None = None


def timeline(story: Story) -> list[Happening]:
    """Everything that happened, the oldest first; what happened at one moment stands as cause before effect."""
    found: list[Happening] = [
        *map(_event, story.events),
        *map(_attempt, story.attempts),
        *map(_move, story.transitions),
        *map(_entry, story.entries),
        *(line for letter in story.letters for line in _letter(letter)),
        *(line for one in story.breaks for line in _break(one)),
        *map(_told, story.notifications),
    ]
    return sorted(found, key=lambda line: line.at)  # stable: equal times stay in the order above


def _event(row: Row) -> Happening:
    lag = row["handled_at"] - row["received_at"] if row["handled_at"] else None
    tone = {"dead": "bad", "deferred": "wait"}.get(row["state"], "quiet")
    repeats = f"came {row['duplicates'] + 1} times" if row["duplicates"] else None
    return Happening(
        at=row["received_at"],
        kind="event",
        tone=tone,
        title=f"{provider_name(row['provider'])} said {row['type'] or 'something without a type'}",
        detail=row["last_error"] or row["reason"] or "",
        facts=_facts(
            ("how", _SOURCES.get(row["source"], row["source"])),
            ("event", row["event_id"]),
            ("state", "quarantined" if row["state"] == "dead" else row["state"]),
            ("handled after", _short(lag)),
            ("repeats", repeats),
        ),
        link=("event", row["id"]),
    )


def _attempt(row: Row) -> Happening:
    outcome = row["outcome"]
    tone = "bad" if outcome in BAD_OUTCOMES else "warn" if outcome in TROUBLED_OUTCOMES else "quiet"
    took = row["finished_at"] - row["started_at"] if row["finished_at"] else None
    return Happening(
        at=row["started_at"],
        kind="attempt",
        tone="wait" if outcome is None else tone,
        title=f"{capital(plain(row['step']))}: {outcome_text(outcome, row['provider'])}",
        detail=row["message"] or "",
        facts=_facts(
            ("try", row["number"]),
            ("looks", row["claims"] if row["claims"] > 1 else None),
            ("took", _short(took)),
            ("request id", row["request_id"]),
            ("error", row["error"]),
            ("learned late", row["late"]),
            ("attempt", row["id"]),
        ),
    )


def _move(row: Row) -> Happening:
    came = plain(row["to_state"])
    effective = row["effective_at"]
    return Happening(
        at=row["recorded_at"],
        kind="move",
        tone="strong",
        title=f"{capital(plain(row['from_state']))} → {came}" if row["from_state"] else f"Opened as {came}",
        detail=row["reason"] or "",
        facts=_facts(("happened at the provider", effective if effective != row["recorded_at"] else None)),
    )


def _entry(row: Row) -> Happening:
    return Happening(
        at=row["recorded_at"],
        kind="entry",
        title=f"Booked: {plain(row['purpose'])}",
        facts=_facts(("entry", row["id"]), ("cause", row["cause"]), ("reverses entry", row["reverses"])),
    )


def _letter(row: Row) -> Iterator[Happening]:
    yield Happening(
        at=row["opened_at"],
        kind="letter",
        tone="bad" if row["status"] in {"open", "replaying"} else "quiet",
        title=f"Parked: {plain(row['error'])}",
        detail=row["message"],
        facts=_facts(("step", plain(row["step"])), ("to blame", row["blame"]), ("dead letter", row["id"])),
        link=("letter", row["id"]),
    )
    if row["resolved_at"]:
        yield Happening(
            at=row["resolved_at"],
            kind="letter",
            tone="ok" if row["status"] == "resolved" else "quiet",
            title=f"Dead letter {plain(row['status'])}",
            facts=_facts(("by", row["resolved_by"])),
            link=("letter", row["id"]),
        )


def _break(row: Row) -> Iterator[Happening]:
    yield Happening(
        at=row["opened_at"],
        kind="break",
        tone="bad" if row["status"] == "open" else "quiet",
        title=f"Break found: {plain(row['type'])}",
        detail=row["suggested_action"] or "",
        facts=_facts(("ours", row["ours"]), ("theirs", row["theirs"]), ("owner", row["owner"])),
        link=("break", row["id"]),
    )
    if row["closed_at"]:
        title = f"Break closed: {plain(row['type'])}"
        yield Happening(at=row["closed_at"], kind="break", tone="ok", title=title, link=("break", row["id"]))


def _told(row: Row) -> Happening:
    tone = {"exhausted": "bad", "held": "warn"}.get(row["state"], "quiet")
    whom = "Your backend" if row["channel"] == "webhook" else "People"
    states = {
        "due": "not delivered yet",
        "delivered": "delivered",
        "exhausted": "given up",
        "held": "held back until it is resent",
    }
    return Happening(
        at=row["happened_at"],
        kind="told",
        tone=tone,
        title=f"{whom} told: {row['type']}",
        detail=row["last_error"] or "",
        facts=_facts(
            ("delivery", states.get(row["state"], row["state"])),
            ("next try", row["due_at"]),
            ("delivered", row["delivered_at"]),
            ("attempts", row["attempts"] or None),
            ("last answer", row["last_status"]),
            ("notification", row["id"]),
        ),
    )


def _facts(*facts: tuple[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in facts if value is not None)


def _short(length: timedelta | None) -> str | None:
    """A length of time, in milliseconds where seconds say too little; None for None."""
    if length is None:
        return None
    if length < timedelta(seconds=10):
        return f"{length.total_seconds() * 1000:.0f} ms"
    return length_text(length)


def postings(entries: Iterable[Row]) -> list[dict[str, Any]]:
    """The lines of entries, in order, each with the entry it belongs to."""
    return [
        {
            "entry": entry["id"],
            "purpose": plain(entry["purpose"]),
            "recorded_at": entry["recorded_at"],
            "first": place == 0,
            "lines": len(entry["postings"]),
            **posting,
        }
        for entry in entries
        for place, posting in enumerate(entry["postings"] or [])
    ]
