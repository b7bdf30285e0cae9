"""Providers for their page: gate, last event, calls of the last hour, each poll and its mark, receiving keys.

Nothing here locks. Gates, marks and keys are a few rows a provider.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection

from db.overview import providers as figures
from db.page_reading import Rows, rows

MOST_KEYS: Final = 20  # of a provider: those used last; old ones stay in the table

# A poll that walks several accounts has a mark for each: all are read up to the oldest. Small table, read whole.
_POLLS: Final = """
    SELECT provider, poll, count(*) AS subjects, min(high_water_mark) AS mark, max(finished_at) AS finished_at,
           min(finished_at) AS oldest_finished_at, sum(findings) AS findings,
           (array_agg(last_error ORDER BY finished_at DESC NULLS LAST)
              FILTER (WHERE last_error IS NOT NULL))[1] AS error
      FROM poll_marks WHERE provider = ANY(:providers) GROUP BY provider, poll ORDER BY provider, poll
"""
# Small table, read whole.
_KEYS: Final = """
    SELECT provider, fingerprint, last_used_at
      FROM (SELECT k.*, row_number() OVER (PARTITION BY provider ORDER BY last_used_at DESC, fingerprint) AS place
              FROM receiver_keys k WHERE provider = ANY(:providers)) AS ranked
     WHERE place <= :most ORDER BY provider, place
"""


def providers(connection: Connection, names: Sequence[str]) -> Rows:
    """Each provider in the order given, as `db.overview.providers` has it, with `polls` and `keys`.

    Of a poll: `mark`, up to where all of its accounts are read, and `findings`, what it found that no webhook had told.
    """
    asked = list(names)
    polls = _by_provider(rows(connection, _POLLS, providers=asked))
    keys = _by_provider(rows(connection, _KEYS, providers=asked, most=MOST_KEYS))
    return [
        row | {"polls": polls.get(row["provider"], []), "keys": keys.get(row["provider"], [])}
        for row in figures(connection, asked)
    ]


def _by_provider(found: Rows) -> dict[str, list[dict[str, Any]]]:
    return {provider: list(group) for provider, group in groupby(found, key=itemgetter("provider"))}
