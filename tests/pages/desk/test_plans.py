"""No page reads a table from end to end: each look is by an index, so that what is over costs nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

from tests.pages.desk.looked_into import LookedInto
from tests.support.desk_scene import Scene
from tests.support.visitor import Visitor

# The rest are small (gates, marks, keys, sessions), or as long as the desk's own work is (breaks that were closed).
GROWING = ("flows", "inbox_events", "attempts", "transitions", "intentions", "journal_entries", "postings",
           "flow_references", "dead_letters", "notifications", "customers", "customer_links", "audit_log",
           "reconciliation_runs", "reconciliation_findings")  # fmt: skip
NOTHING = "00000000-0000-4000-8000-000000000000"
PLACE = "2026-01-01T00:00:00%2B00:00"
PATHS = (
    "/",
    "/flows",
    "/flows?view=moving&state=received",
    "/flows?view=parked",
    "/flows?view=finished&kind=x",
    "/flows?view=all",
    "/flows?view=all&customer=cus_ana",
    f"/flows?view=all&after={PLACE}~{NOTHING}",
    "/dead-letters",
    "/dead-letters?view=all",
    "/dead-letters?fingerprint=x",
    "/breaks",
    "/breaks?view=closed",
    "/events",
    f"/events?provider=due&after={PLACE}~7",
    "/events?view=waiting",
    f"/events?view=waiting&state=received&after={PLACE}~7",
    "/events?view=set-aside",
    f"/events?view=set-aside&after={PLACE}~7",
    f"/events?flow={NOTHING}",
    "/providers",
    "/reconciliation",
    f"/reconciliation?provider=due&after={PLACE}~{NOTHING}",
    "/audit",
    f"/audit?who=ana&after={PLACE}~7",
    "/search?q=tf_nothing",
    f"/search?q={NOTHING}",
    "/search?q=12345",
)


def test_every_query_of_every_page_goes_by_an_index(
    ana: Visitor, engine: Engine, scene: Scene, looked_into: LookedInto
) -> None:
    ones = (f"/flows/{scene.funded}", f"/events/{scene.quarantined}", f"/reconciliation/{looked_into.finished}?after=7")
    with noting(engine) as asked:
        for path in (*PATHS, *ones):
            assert ana.get(path).status_code == 200, path

    read = re.compile(rf"Seq Scan on ({'|'.join(GROWING)})\b")
    with engine.connect() as connection:
        # Tables of a few rows are read whole unless that is made dear: then only a query that no index serves does.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        unindexed = ("SELECT id FROM flows WHERE visit = 7", ())
        wrong = [
            (query, line)
            for query, values in (unindexed, *asked.items())
            for line in connection.exec_driver_sql(f"EXPLAIN {query}", dict(values)).scalars()
            if read.search(line)
        ]
    assert len(asked) > 30
    assert [query for query, _ in wrong] == [unindexed[0]], "the one that shows what would be found"


@contextmanager
def noting(engine: Engine) -> Iterator[dict[str, tuple[tuple[str, Any], ...]]]:
    """Every SELECT that the engine runs, with the values it was last run with."""
    asked: dict[str, tuple[tuple[str, Any], ...]] = {}

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked[statement] = tuple(dict(values or {}).items())

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)
