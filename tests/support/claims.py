"""When flows are claimed, noted by the database itself: an attempt made again after a snooze loses its beginning."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from tests.support.fleet import Fleet

_NOTE: Final = """
    CREATE TABLE IF NOT EXISTS noted_claims (flow_id uuid, at timestamptz DEFAULT clock_timestamp());
    CREATE OR REPLACE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO noted_claims (flow_id) VALUES (new.id); RETURN NULL; END';
    CREATE OR REPLACE TRIGGER note_claims AFTER UPDATE OF fence ON flows
       FOR EACH ROW WHEN (new.fence > old.fence) EXECUTE FUNCTION note_claim();
"""


def note_claims(fleet: Fleet) -> None:
    """Note every claim from now on."""
    with psycopg.connect(fleet.system.services.database_url, autocommit=True) as connection:
        connection.execute(_NOTE.encode())


def claimed_again(fleet: Fleet, flows: Collection[UUID], *, since: datetime) -> list[float | None]:
    """Seconds from then to the next claim of each of these flows; None: not claimed yet."""
    rows = fleet.rows(
        """
        SELECT extract(epoch FROM (SELECT min(c.at) FROM noted_claims c
                                    WHERE c.flow_id = f.id AND c.at > %s) - %s)::float AS seconds
          FROM unnest(%s::uuid[]) AS f(id)
        """,
        *(since, since, list(flows)),
    )
    return [row["seconds"] for row in rows]
