"""Whose listing is walked next: the accounts that links and open work name. Tables `customer_links`, `flows`."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

WORKING_IN_A_ROW: Final = 3  # accounts with open work that are walked before one without


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose listing to walk, and since when they have had work open (None: they have none)."""

    name: str
    working_since: datetime | None


# Open work is read again from its beginning, because a listing's window may go by creation; but not for ever.
_LONGEST_REACH = "greatest(min(created_at), rk_now() - interval '7 days')"

# "account" is a kind of link by its own id, "virtual_account.account" one by an attribute of it.
_NAMED_BY = "CASE WHEN n.by LIKE '%.%' THEN l.attributes ->> split_part(n.by, '.', 2) ELSE l.external_id END"

_ACCOUNTS = text(f"""
    WITH linked AS (
      SELECT DISTINCT {_NAMED_BY} AS name, l.customer_id
        FROM customer_links l JOIN unnest(CAST(:links AS text[])) AS n(by) ON l.kind = split_part(n.by, '.', 1)
       WHERE l.provider = :provider
    ), working AS (
      SELECT coalesce(data ->> CAST(:named AS text), linked.name) AS name, {_LONGEST_REACH} AS since
        FROM flows LEFT JOIN linked ON linked.customer_id = flows.customer_id
       WHERE status = 'open' AND kind = ANY(CAST(:flows AS text[])) AND (NOT :here OR provider = :provider) GROUP BY 1
    ), ranked AS (
      SELECT name, w.since, m.finished_at,
             row_number() OVER (PARTITION BY w.since IS NULL ORDER BY m.finished_at NULLS FIRST, name) AS turn
        FROM (SELECT DISTINCT name FROM linked) l FULL JOIN working w USING (name)
        LEFT JOIN poll_marks m ON m.provider = :provider AND m.poll = :poll AND m.subject = name
       WHERE name <> ''
    )
    SELECT name, since FROM ranked WHERE turn <= :limit ORDER BY turn
""")  # noqa: S608 -- built from the constants above

_WORKING_SINCE = text(f"""
    SELECT {_LONGEST_REACH} FROM flows WHERE status = 'open' AND provider = :provider HAVING count(*) > 0
""")  # noqa: S608 -- built from the constant above


def accounts_in_turn(
    connection: Connection,
    *,
    provider: str,
    poll: str,
    links: Sequence[str],
    flows: Sequence[str],
    named: str | None,
    here: bool = False,
    limit: int,
) -> Sequence[Subject]:
    """The accounts to walk now: those with open work first, each group longest unread first, at most `limit`.

    `links` name accounts: a kind of link by its own id, "kind.attribute" by that attribute. Open work are open flows of
    the kinds `flows`, on the account that their data gives under `named`, else on all that their customer's links name;
    `here`: only of those that now speak to this provider. Every fourth is one without open work, so that money nobody
    told us of is found too, also where the accounts before it take more calls than one. Reads every link and, by
    ix_flows_open_moved_at, every open flow; no locks.
    """
    values = {"provider": provider, "poll": poll, "named": named, "here": here, "limit": limit}
    rows = connection.execute(_ACCOUNTS, {**values, "links": list(links), "flows": list(flows)})
    subjects = [Subject(row.name, row.since) for row in rows]
    working = [s for s in subjects if s.working_since is not None]
    others = [s for s in subjects if s.working_since is None]
    for_working = max(limit - len(others), limit - limit // 4)
    chosen = working[:for_working]
    return _in_between(chosen, others[: limit - len(chosen)])


def _in_between(working: Sequence[Subject], others: Sequence[Subject]) -> list[Subject]:
    """Three of the first, one of the second, and so on; then what is left of the second."""
    mixed, left = list[Subject](), deque(others)
    for number, one in enumerate(working, start=1):
        mixed.append(one)
        if left and number % WORKING_IN_A_ROW == 0:
            mixed.append(left.popleft())
    return [*mixed, *left]


def working_since(connection: Connection, provider: str) -> datetime | None:
    """When the oldest open flow that now speaks to that provider began, at most a week ago; None: there is none.

    Served by ix_flows_open_moved_at.
    """
    since: datetime | None = connection.execute(_WORKING_SINCE, {"provider": provider}).scalar_one_or_none()
    return since


_ACCOUNTS_OF = text(f"""
    WITH known AS (
      SELECT kind, external_id, customer_id FROM customer_links
       WHERE provider = :provider AND kind = :kind AND external_id = :id
      UNION ALL
      SELECT kind, external_id, customer_id FROM customer_links
       WHERE provider = :provider AND kind = :kind AND lower(external_id) = :id AND external_id <> :id
       LIMIT 1
    )
    SELECT DISTINCT n.turn, {_NAMED_BY} AS name
      FROM known k CROSS JOIN unnest(CAST(:accounts AS text[])) WITH ORDINALITY AS n(by, turn)
      JOIN customer_links l ON l.provider = :provider AND l.kind = split_part(n.by, '.', 1)
                           AND l.customer_id = k.customer_id AND (l.kind <> k.kind OR l.external_id = k.external_id)
     WHERE {_NAMED_BY} <> '' ORDER BY 1, 2
""")  # noqa: S608 -- built from the constant above


def accounts_of(connection: Connection, provider: str, kind: str, link: str, accounts: Sequence[str]) -> list[str]:
    """The provider's accounts behind a link, in their order; none where the link is not known or leads to none.

    They are those named by the first of `accounts` to name any: "kind.attribute" or "kind", of the link itself where
    it is of that kind and else of its customer. An id that is all in lower case is found in any case.
    Served by the primary key of customer_links and ix_customer_links_customer.
    """
    values = {"provider": provider, "kind": kind, "id": link, "accounts": list(accounts)}
    rows = connection.execute(_ACCOUNTS_OF, values).all()
    return [row.name for row in rows if row.turn == rows[0].turn]
