"""The ledger: entries written once, balances kept beside them. Tables `ledger_accounts` to `balances`."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from funding.ledger.entries import HOUSE, PENDING, Entry, LedgerAccount

_KNOWN = text("""
    SELECT a.id, a.owner, a.name, a.asset FROM ledger_accounts a
      JOIN unnest(CAST(:owners AS text[]), CAST(:names AS text[]), CAST(:assets AS text[])) AS w(owner, name, asset)
     USING (owner, name, asset)
""")
_ADD_ACCOUNT = text("""
    INSERT INTO ledger_accounts (owner, name, kind, asset, customer_id)
    VALUES (:owner, :name, :kind, :asset, :customer)
    ON CONFLICT (owner, name, asset) DO UPDATE SET kind = ledger_accounts.kind
    RETURNING id
""")
_ADD_BALANCE = text("""
    INSERT INTO balances (account_id, may_go_below_zero) VALUES (:account, :below) ON CONFLICT DO NOTHING
""")
_ADD_ENTRY = text("""
    INSERT INTO journal_entries (flow_id, cause, purpose, effective_at, reverses_id)
    VALUES (:flow, :cause, :purpose, :effective_at,
            (SELECT id FROM journal_entries
              WHERE flow_id IS NOT DISTINCT FROM CAST(:flow AS uuid) AND cause = :reverses_cause
                AND purpose = :reverses_purpose))
    ON CONFLICT (flow_id, cause, purpose) DO NOTHING
    RETURNING id
""")
_ADD_POSTINGS = text("""
    INSERT INTO postings (entry_id, account_id, layer, asset, amount)
    SELECT * FROM unnest(CAST(:entries AS bigint[]), CAST(:accounts AS bigint[]), CAST(:layers AS text[]),
                         CAST(:assets AS text[]), CAST(:amounts AS numeric[]))
""")
_LOCK_BALANCES = text(
    "SELECT account_id FROM balances WHERE account_id = ANY(:accounts) ORDER BY account_id FOR UPDATE"
)
_MOVE_BALANCE = text("""
    UPDATE balances b SET posted = b.posted + m.posted, pending = b.pending + m.pending
      FROM unnest(CAST(:accounts AS bigint[]), CAST(:posted AS numeric[]), CAST(:pending AS numeric[]))
           AS m(account_id, posted, pending)
     WHERE b.account_id = m.account_id
""")


def post(connection: Connection, flow: UUID | None, entries: Sequence[Entry]) -> int:
    """Write entries of a flow (None: outside any), each once; how many were new.

    An entry already there by its cause and purpose is left as it is, with its balances. Locks the customers'
    balance rows in account order; house accounts have none. The database refuses what does not balance and a
    balance below zero where the account forbids it.
    """
    if not entries:
        return 0
    accounts = _accounts(connection, entries)
    added: list[tuple[int, Entry]] = []
    for entry in entries:
        number = _add_entry(connection, flow, entry, entry.effective_at)
        if number is not None:
            added.append((number, entry))
    if not added:
        return 0
    lines = [(number, posting) for number, entry in added for posting in entry.postings]
    connection.execute(
        _ADD_POSTINGS,
        {
            "entries": [number for number, _ in lines],
            "accounts": [accounts[posting.account] for _, posting in lines],
            "layers": [posting.layer for _, posting in lines],
            "assets": [posting.account.asset for _, posting in lines],
            "amounts": [posting.minor for _, posting in lines],
        },
    )
    _move_balances(connection, accounts, [entry for _, entry in added])
    return len(added)


def _add_entry(connection: Connection, flow: UUID | None, entry: Entry, effective_at: datetime | None) -> int | None:
    reverses = entry.reverses or (None, None)
    number: int | None = connection.execute(
        _ADD_ENTRY,
        {
            "flow": flow,
            "cause": entry.cause,
            "purpose": entry.purpose,
            "effective_at": effective_at,
            "reverses_cause": reverses[0],
            "reverses_purpose": reverses[1],
        },
    ).scalar()
    return number


def _accounts(connection: Connection, entries: Sequence[Entry]) -> dict[LedgerAccount, int]:
    wanted = sorted(
        {posting.account for entry in entries for posting in entry.postings}, key=lambda a: (a.owner, a.name, a.asset)
    )
    rows = connection.execute(
        _KNOWN,
        {
            "owners": [a.owner for a in wanted],
            "names": [a.name for a in wanted],
            "assets": [a.asset for a in wanted],
        },
    )
    numbers = {(row.owner, row.name, row.asset): row.id for row in rows}
    found: dict[LedgerAccount, int] = {}
    for account in wanted:
        number = numbers.get((account.owner, account.name, account.asset))
        found[account] = _add_account(connection, account) if number is None else number
    return found


def _add_account(connection: Connection, account: LedgerAccount) -> int:
    number: int = connection.execute(
        _ADD_ACCOUNT,
        {
            "owner": account.owner,
            "name": account.name,
            "kind": account.kind,
            "asset": account.asset,
            "customer": account.customer,
        },
    ).scalar_one()
    if account.owner != HOUSE:
        connection.execute(_ADD_BALANCE, {"account": number, "below": account.may_go_below_zero})
    return number


def _move_balances(connection: Connection, accounts: dict[LedgerAccount, int], entries: Sequence[Entry]) -> None:
    """Customers' accounts are what we owe: a credit raises `posted`; a pending debit is a hold."""
    posted: defaultdict[int, int] = defaultdict(int)
    pending: defaultdict[int, int] = defaultdict(int)
    for entry in entries:
        for posting in entry.postings:
            if posting.account.owner == HOUSE:
                continue
            if posting.layer == PENDING:
                pending[accounts[posting.account]] += posting.minor
            else:
                posted[accounts[posting.account]] -= posting.minor
    moved = sorted(posted.keys() | pending.keys())
    if not moved:
        return
    connection.execute(_LOCK_BALANCES, {"accounts": moved})
    connection.execute(
        _MOVE_BALANCE,
        {"accounts": moved, "posted": [posted[a] for a in moved], "pending": [pending[a] for a in moved]},
    )
