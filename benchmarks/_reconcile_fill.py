"""Our side of a comparison at scale: a deposit for each of a provider's transfers, but for what is planted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import psycopg

from benchmarks._reconcile_planted import ACCOUNTS, DOLLARS, EVERY, FEE, OTHERS, PREFIX, USUAL, Provider, name
from db import ledger
from db.engine import make_engine
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money

CHUNK: Final = 100_000  # flows a transaction
MOVED_AGO: Final = timedelta(hours=6)  # of what is still on its way there

_FLOWS: Final = """
    INSERT INTO flows (id, kind, state, status, provider, asset, amount, asset_out, amount_out, data, created_at,
                       moved_at, closed_at, due_at)
    SELECT md5('flow ' || n)::uuid, 'due_deposit', state,
           CASE state WHEN 'broker_funded' THEN 'resting' WHEN 'off_ramp_initiated' THEN 'open' ELSE 'closed' END,
           'alpaca', 'USDC', dollars * 1000000, 'USD', dollars * 100 - %(fee)s,
           jsonb_build_object('account', account, 'virtual_account', 'va_' || mod(n, %(accounts)s)),
           at, at + interval '30 s', CASE WHEN state <> 'off_ramp_initiated' THEN at + interval '30 s' END,
           CASE WHEN state = 'off_ramp_initiated' THEN at + interval '30 s' END
      FROM generate_series(%(first)s::int, %(last)s::int) AS n
     CROSS JOIN LATERAL (
       SELECT %(began)s + n * %(step)s + interval '5 s' AS at, 10 + mod(n, %(dollars)s) AS dollars,
              CASE WHEN n < %(cut)s THEN 'acct_cut_' || n ELSE 'acct_' || mod(n, %(accounts)s) END AS account,
              CASE WHEN n = ANY(%(planted)s) THEN %(usual)s
                   ELSE coalesce((%(others)s::text[])[mod(n, %(every)s) + 1], %(usual)s) END AS state) AS made
     WHERE n <> ALL(%(absent)s)
"""
_REFERENCES: Final = """
    INSERT INTO flow_references (provider, kind, external_id, flow_id, created_at)
    SELECT provider, kind, prefix || lpad(n::text, 9, '0'), md5('flow ' || n)::uuid, %(began)s + n * %(step)s
      FROM generate_series(%(first)s::int, %(last)s::int) AS n
     CROSS JOIN (VALUES ('due', 'transfer', %(prefix)s), ('alpaca', 'journal', 'j_')) AS own(provider, kind, prefix)
     WHERE n <> ALL(%(absent)s)
"""
_ON_ITS_WAY: Final = """
    UPDATE flows SET state = 'off_ramp_initiated', status = 'open', moved_at = clock_timestamp() - %(ago)s,
           closed_at = NULL, due_at = clock_timestamp()
     WHERE id IN (SELECT flow_id FROM flow_references
                   WHERE provider = 'due' AND kind = 'transfer' AND external_id = ANY(%(names)s))
"""
_FLOW_OF: Final = (
    "SELECT flow_id FROM flow_references WHERE provider = 'due' AND kind = 'transfer' AND external_id = %s"
)


def fill(url: str, provider: Provider, *, say: Callable[[str], None]) -> None:
    """Make the flows with the objects they own. That a row points to one that is there is not checked row by row."""
    values = {
        "began": provider.at(0),
        "step": provider.at(1) - provider.at(0),
        "fee": FEE,
        "dollars": DOLLARS,
        "accounts": ACCOUNTS,
        "cut": provider.each,
        "planted": sorted(provider.planted),
        "absent": provider.numbers("missing_here"),
        "usual": USUAL[1],
        "others": [OTHERS[rest][1] if rest in OTHERS else None for rest in range(EVERY)],
        "every": EVERY,
        "prefix": PREFIX,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for first in range(0, provider.count, CHUNK):
            chunk = {"first": first, "last": min(first + CHUNK, provider.count) - 1}
            with connection.transaction():
                connection.execute(_FLOWS, values | chunk)
                connection.execute(_REFERENCES, values | chunk)
            say(f"{chunk['last'] + 1:,} of {provider.count:,} flows")
        late = [name(number) for number in provider.numbers("timing")]
        connection.execute(_ON_ITS_WAY, {"ago": MOVED_AGO, "names": late})
        charged = [name(number) for number in provider.numbers("fee_only_difference")]
        flows = {each: row[0] for each in charged if (row := connection.execute(_FLOW_OF, [each]).fetchone())}
        _charge(url, flows)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _charge(url: str, flows: dict[str, UUID]) -> None:
    """Have our ledger know what the provider kept of these transfers."""
    kept = Money(FEE, "USD")
    engine = make_engine(url, pool=1)
    try:
        with engine.begin() as connection:
            for transfer, flow in flows.items():
                paid = debit(accounts.fees_paid("due", "USD"), kept)
                passed_on = credit(accounts.fees_passed_on("due", "USD"), kept)
                ledger.post(connection, flow, [entry(f"due/transfer/{transfer}", "converted", paid, passed_on)])
    finally:
        engine.dispose()
