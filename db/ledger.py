"""The ledger: entries written once, balances kept beside them. Tables `ledger_accounts` to `balances`."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run
from funding.ledger.entries import Entry

# Entries, their postings and the balances they move, in one statement. Accounts are looked up one by one, so that the
# plan keeps to their index however little the planner knows of the table; when one is not there yet nothing is written,
# and `complete` says so. Whether it is for a flow is not left to a parameter: the planner would plan anew each time.
_ADD = """
    WITH line AS MATERIALIZED (
      SELECT l.*, (SELECT a.id FROM ledger_accounts a WHERE a.owner = l.owner AND a.name = l.name AND a.asset = l.asset)
                    AS account_id
        FROM jsonb_to_recordset(CAST(:lines AS jsonb))
             AS l(n int, entry int, owner text, name text, layer text, asset text, amount numeric)
    ), complete AS MATERIALIZED (
      SELECT NOT EXISTS (SELECT FROM line WHERE account_id IS NULL) AS yes
    ), entry AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(CAST(:entries AS jsonb))
             AS e(n int, cause text, purpose text, effective_at timestamptz, reverses_cause text, reverses_purpose text)
    ), added AS (
      INSERT INTO journal_entries (flow_id, cause, purpose, effective_at, reverses_id)
      SELECT :flow, e.cause, e.purpose, e.effective_at,
             (SELECT j.id FROM journal_entries j
               WHERE {same_flow} AND j.cause = e.reverses_cause AND j.purpose = e.reverses_purpose)
        FROM entry e, complete WHERE complete.yes ORDER BY e.n
      ON CONFLICT (flow_id, cause, purpose) DO NOTHING
      RETURNING id, cause, purpose
    ), posted AS (
      INSERT INTO postings (entry_id, account_id, layer, asset, amount)
      SELECT added.id, line.account_id, line.layer, line.asset, line.amount
        FROM added JOIN entry USING (cause, purpose) JOIN line ON line.entry = entry.n
       ORDER BY entry.n, line.n
      RETURNING account_id, layer, amount
    ), moved AS MATERIALIZED (  -- what we owe a customer: a credit raises `posted`; a pending debit is a hold
      SELECT account_id, -coalesce(sum(amount) FILTER (WHERE layer = 'posted'), 0) AS posted,
             coalesce(sum(amount) FILTER (WHERE layer = 'pending'), 0) AS pending
        FROM posted WHERE account_id IN (SELECT account_id FROM line WHERE owner <> 'house') GROUP BY account_id
    ), held AS MATERIALIZED (
      SELECT b.account_id FROM balances b
       WHERE b.account_id = ANY(ARRAY(SELECT account_id FROM moved WHERE posted <> 0 OR pending <> 0))
       ORDER BY b.account_id FOR UPDATE
    ), balanced AS (
      UPDATE balances b SET posted = b.posted + m.posted, pending = b.pending + m.pending
        FROM moved m
       WHERE b.account_id = m.account_id AND b.account_id = ANY(ARRAY(SELECT account_id FROM held))
    )
    SELECT complete.yes AS complete, (SELECT count(*) FROM added) AS added FROM complete
"""
_ADD_TO_FLOW = text(_ADD.format(same_flow="j.flow_id = :flow"))
_ADD_APART = text(_ADD.format(same_flow="j.flow_id IS NULL"))
# What another transaction is opening is waited for, and left to it: a row of an account that is there is never locked.
_ADD_ACCOUNTS = text("""
    WITH wanted AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(CAST(:accounts AS jsonb))
             AS w(n int, owner text, name text, kind text, asset text, customer text, below boolean)
    ), opened AS (
      INSERT INTO ledger_accounts (owner, name, kind, asset, customer_id)
      SELECT w.owner, w.name, w.kind, w.asset, w.customer FROM wanted w
       WHERE NOT EXISTS (SELECT FROM ledger_accounts a
                          WHERE a.owner = w.owner AND a.name = w.name AND a.asset = w.asset)
       ORDER BY w.n
      ON CONFLICT (owner, name, asset) DO NOTHING
      RETURNING id, owner, name, asset
    )
    INSERT INTO balances (account_id, may_go_below_zero)
    SELECT o.id, w.below FROM opened o JOIN wanted w USING (owner, name, asset) WHERE o.owner <> 'house' ORDER BY o.id
""")


def post(connection: Connection, flow: UUID | None, entries: Sequence[Entry]) -> int:
    """Write entries of a flow (None: outside any), each once; how many were new.

    An entry already there by its cause and purpose (uq_journal_entries_cause) is left as it is, with its balances.
    Locks the customers' balance rows that change, in account order; house accounts have none. The database refuses
    what does not balance and a balance below zero where the account forbids it. Served by the unique index of accounts.
    """
    once: dict[tuple[str, str], Entry] = {}
    added = 0
    for entry in entries:
        if entry.reverses in once:  # a statement does not see what it writes itself
            added += _post(connection, flow, list(once.values()))
            once = {}
        once.setdefault((entry.cause, entry.purpose), entry)
    return added + _post(connection, flow, list(once.values()))


def _post(connection: Connection, flow: UUID | None, entries: Sequence[Entry]) -> int:
    if not entries:
        return 0
    statement = _ADD_APART if flow is None else _ADD_TO_FLOW
    values = {"flow": flow, "entries": _told(entries), "lines": _lines(entries)}
    [done] = run(connection, statement, values).fetchall()
    if not done.complete:
        _add_accounts(connection, entries)
        [done] = run(connection, statement, values).fetchall()
    added: int = done.added
    return added


def _told(entries: Sequence[Entry]) -> str:
    return json.dumps(
        [
            {
                "n": n,
                "cause": entry.cause,
                "purpose": entry.purpose,
                "effective_at": entry.effective_at and entry.effective_at.isoformat(),
                "reverses_cause": entry.reverses and entry.reverses[0],
                "reverses_purpose": entry.reverses and entry.reverses[1],
            }
            for n, entry in enumerate(entries)
        ]
    )


def _lines(entries: Sequence[Entry]) -> str:
    return json.dumps(
        [
            {
                "n": n,
                "entry": number,
                "owner": posting.account.owner,
                "name": posting.account.name,
                "layer": posting.layer,
                "asset": posting.account.asset,
                "amount": posting.minor,
            }
            for number, entry in enumerate(entries)
            for n, posting in enumerate(entry.postings)
        ]
    )


def _add_accounts(connection: Connection, entries: Sequence[Entry]) -> None:
    """Open the accounts that are not there yet, and the balances of customers' ones; in order, as others do."""
    wanted = {posting.account for entry in entries for posting in entry.postings}
    accounts = [
        {
            "n": n,
            "owner": account.owner,
            "name": account.name,
            "kind": account.kind,
            "asset": account.asset,
            "customer": account.customer,
            "below": account.may_go_below_zero,
        }
        for n, account in enumerate(sorted(wanted, key=lambda a: (a.owner, a.name, a.asset)))
    ]
    run(connection, _ADD_ACCOUNTS, {"accounts": json.dumps(accounts)})
