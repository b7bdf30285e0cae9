"""Finding what an id names: ours, whole or begun, or a provider's. Every look-up is by an index; nothing here locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from db.listings import REFERENCE_KINDS, id_range
from db.page_reading import rows

MOST: Final = 20  # of one kind; an id that fits more must be said in full
LONGEST_NUMBER: Final = 18  # digits of an event's number that Postgres can hold
FEWEST: Final = 4  # characters that begin an id of ours


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that bears the id: what it is, its id here (of a customer's link: the customer's), a word on it."""

    what: str  # "flow", "event", "letter", "break" or "customer"
    id: str
    says: str


# Served by the primary keys of these tables.
_BEGUN: Final = {
    "flow": "SELECT id::text AS id, kind || ', ' || state AS says FROM flows",
    "letter": "SELECT id::text AS id, error || ', ' || status AS says FROM dead_letters",
    "break": "SELECT id::text AS id, provider || ', ' || type AS says FROM breaks",
}
# Other ids of ours, said in full, and what they belong to. Served by the primary keys of these tables.
_WHOLE: Final = (
    "SELECT flow_id::text AS id, 'told of by ' || type AS says FROM notifications WHERE id = :id",
    "SELECT flow_id::text AS id, 'asked ' || provider || ' under this key' AS says FROM intentions WHERE key = :id",
    "SELECT flow_id::text AS id, 'attempt of ' || step AS says FROM attempts WHERE id = :id",
)
# Served by the primary key (provider, kind, external_id).
_REFERENCE: Final = """
    SELECT r.flow_id::text AS id, r.provider || ' ' || r.kind AS says FROM flow_references r
      JOIN unnest(CAST(:providers AS text[]), CAST(:kinds AS text[])) AS k (provider, kind)
        ON r.provider = k.provider AND r.kind = k.kind
     WHERE r.external_id = :said
"""
# Served by the unique index (provider, event_id), and by the primary key.
_EVENT: Final = """
    SELECT id::text AS id, provider || ' ' || coalesce(type, 'without a type') AS says FROM inbox_events
     WHERE provider = ANY(:providers) AND event_id = :said
"""
_EVENT_NUMBER: Final = """
    SELECT id::text AS id, provider || ' ' || coalesce(type, 'without a type') AS says FROM inbox_events
     WHERE id = :number
"""
# Served by the primary keys of both tables.
_CUSTOMER: Final = "SELECT id, 'level ' || level AS says FROM customers WHERE id = :said"
_LINK: Final = """
    SELECT l.customer_id AS id, 'has the ' || l.provider || ' ' || replace(l.kind, '_', ' ') AS says
      FROM customer_links l
      JOIN unnest(CAST(:providers AS text[]), CAST(:kinds AS text[])) AS k (provider, kind)
        ON l.provider = k.provider AND l.kind = k.kind
     WHERE l.external_id = :said
"""


def search(
    connection: Connection, said: str, *, providers: Sequence[str], link_kinds: Sequence[tuple[str, str]]
) -> list[Hit]:
    """Whatever bears this id, each once. `providers` may have sent events; `link_kinds` are (provider, kind)."""
    hits: list[Hit] = []

    def look(what: str, query: str, **values: object) -> None:
        found = rows(connection, f"{query} LIMIT :most", **values, most=MOST)
        hits.extend(Hit(what, row["id"], row["says"]) for row in found if row["id"])

    look("flow", _REFERENCE, said=said, **_pairs(REFERENCE_KINDS))
    ours = said.removeprefix("msg_")  # as receivers of notifications see it
    between = id_range(ours) if len(ours) >= FEWEST else None
    if between is not None:
        first, last = between
        for what, query in _BEGUN.items():
            look(what, f"{query} WHERE id BETWEEN :first AND :last", first=first, last=last)
        for query in _WHOLE if first == last else ():
            look("flow", query, id=first)
    look("event", _EVENT, said=said, providers=list(providers))
    if said.isascii() and said.isdigit() and len(said) <= LONGEST_NUMBER:
        look("event", _EVENT_NUMBER, number=int(said))
    look("customer", _CUSTOMER, said=said)
    look("customer", _LINK, said=said, **_pairs(link_kinds))
    return list({(hit.what, hit.id): hit for hit in reversed(hits)}.values())[::-1]


def _pairs(kinds: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"providers": [provider for provider, _ in kinds], "kinds": [kind for _, kind in kinds]}
