"""What both peers write of a deposit, each function inside the caller's transaction: few statements, several rows each.

A function that has been here already changes nothing and says so, for both may repeat what a crash cut off.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from benchmarks.peers.providers import Balances, Journal, Transfer

FUNDED: Final = "deposit.funded"
HOUSE: Final = "house"
_ACCOUNTS: Final = (
    ("due:clearing", "USDC"),
    ("exchange", "USDC"),
    ("exchange", "USD"),
    ("bank", "USD"),
    ("due:fees", "USD"),
    ("due:fees_passed_on", "USD"),
    ("alpaca:clearing", "USD"),
    ("alpaca:custody", "USD"),
)
_CUSTOMER_ACCOUNTS: Final = (("deposit", "USDC"), ("deposit", "USD"), ("brokerage", "USD"))

Line = tuple[str, str, str, str, int]  # purpose of its entry, owner, account, asset, debit positive


@dataclass(frozen=True, slots=True)
class Deposit:
    """How a deposit stands; amounts in cents. `journal` None: none made yet."""

    flow: UUID
    state: str
    customer: str
    brokerage: str
    account: str
    amount_out: int
    journal: str | None


def flow_of(transfer: str) -> UUID:
    """The deposit of that transfer."""
    return uuid5(UUID("7e0c7a52-2b0f-4d0a-9d8e-0f4f7d1f4c11"), transfer)


def notification_of(flow: UUID) -> UUID:
    """The message that tells of it."""
    return uuid5(flow, FUNDED)


def provision(connection: Connection) -> None:
    """Ledger accounts of the house and of every customer, as signing them up makes them."""
    connection.execute(
        text("INSERT INTO ledger_accounts (owner, name, asset) VALUES (:owner, :name, :asset)"),
        [{"owner": HOUSE, "name": name, "asset": asset} for name, asset in _ACCOUNTS],
    )
    connection.execute(
        text("""
            INSERT INTO ledger_accounts (owner, name, asset)
            SELECT c.id, a.name, a.asset FROM customers c,
                   unnest(CAST(:names AS text[]), CAST(:assets AS text[])) AS a(name, asset)
        """),
        {"names": [name for name, _ in _CUSTOMER_ACCOUNTS], "assets": [asset for _, asset in _CUSTOMER_ACCOUNTS]},
    )
    connection.execute(
        text("INSERT INTO balances (account_id) SELECT id FROM ledger_accounts WHERE owner <> :house"), {"house": HOUSE}
    )


def store_event(connection: Connection, event: str, kind: str, body: bytes) -> int | None:
    """The event's row; None when it is there already."""
    row: int | None = connection.execute(
        text("""
            INSERT INTO inbox_events (provider, event_id, type, body) VALUES ('due', :event, :kind, :body)
            ON CONFLICT (provider, event_id) DO NOTHING RETURNING id
        """),
        {"event": event, "kind": kind, "body": body},
    ).scalar()
    return row


def load(connection: Connection, flow: UUID) -> Deposit | None:
    """How it stands; None before it is followed."""
    row = connection.execute(
        text("""
            SELECT f.id, f.state, c.id AS customer, c.brokerage_account, f.account, f.amount_out, f.journal_id
              FROM flows f JOIN customers c ON c.id = f.customer_id WHERE f.id = :flow
        """),
        {"flow": flow},
    ).first()
    if row is None:
        return None
    return Deposit(
        flow=row.id,
        state=row.state,
        customer=row.customer,
        brokerage=row.brokerage_account,
        account=row.account,
        amount_out=int(row.amount_out),
        journal=row.journal_id,
    )


def followed(connection: Connection, event: int, transfer: Transfer) -> None:
    """Due has paid out: the deposit, its states so far, what was received and converted."""
    flow = flow_of(transfer.id)
    customer = connection.execute(
        text("""
            INSERT INTO flows (id, transfer_id, state, customer_id, account, amount, asset, amount_out, asset_out)
            SELECT :flow, :transfer, 'off_ramp_completed', id, :account, :amount, :asset, :amount_out, :asset_out
              FROM customers WHERE virtual_account = :virtual_account
            ON CONFLICT (id) DO NOTHING RETURNING customer_id
        """),
        {
            "flow": flow,
            "transfer": transfer.id,
            "virtual_account": transfer.virtual_account,
            "account": transfer.account,
            "amount": transfer.amount,
            "asset": transfer.asset,
            "amount_out": transfer.amount_out,
            "asset_out": transfer.asset_out,
        },
    ).scalar()
    if customer is None:
        return
    came, went, fee = transfer.amount, transfer.amount_out, transfer.fee_out
    gross = went + fee
    _reference(connection, flow, "due", "transfer", transfer.id)
    _transitions(connection, flow, [None, "received", "off_ramp_initiated", "off_ramp_completed"])
    _attempt(connection, flow, "follow_transfer", "due", transfer.asked_at)
    _post(
        connection,
        flow,
        f"due/transfer/{transfer.id}",
        [
            ("received", HOUSE, "due:clearing", "USDC", came),
            ("received", customer, "deposit", "USDC", -came),
            ("converted", HOUSE, "due:clearing", "USDC", -came),
            ("converted", HOUSE, "exchange", "USDC", came),
            ("converted", HOUSE, "exchange", "USD", -gross),
            ("converted", HOUSE, "bank", "USD", went),
            ("converted", HOUSE, "due:fees", "USD", fee),
            ("converted", customer, "deposit", "USDC", came),
            ("converted", HOUSE, "exchange", "USDC", -came),
            ("converted", HOUSE, "exchange", "USD", gross),
            ("converted", customer, "deposit", "USD", -went),
            ("converted", HOUSE, "due:fees_passed_on", "USD", -fee),
        ],
    )
    connection.execute(
        text("""
            UPDATE inbox_events SET state = 'handled', flow_id = :flow, handled_at = clock_timestamp() WHERE id = :event
        """),
        {"flow": flow, "event": event},
    )


def journal_made(connection: Connection, flow: UUID, journal: Journal) -> None:
    """Alpaca has our journal and has not executed it yet: remembered, so that it is read and not made again."""
    connection.execute(
        text("""
            UPDATE flows SET state = 'broker_funding_initiated', journal_id = :journal
             WHERE id = :flow AND state = 'off_ramp_completed'
        """),
        {"flow": flow, "journal": journal.id},
    )


def funded(connection: Connection, deposit: Deposit, journal: Journal) -> None:
    """Alpaca has executed the journal: the last states, what was funded, and the message to be sent."""
    moved = connection.execute(
        text("""
            UPDATE flows SET state = 'broker_funded', journal_id = :journal, closed_at = clock_timestamp()
             WHERE id = :flow AND state <> 'broker_funded'
        """),
        {"flow": deposit.flow, "journal": journal.id},
    )
    if moved.rowcount == 0:
        return
    amount = journal.amount
    _reference(connection, deposit.flow, "alpaca", "journal", journal.id)
    _transitions(connection, deposit.flow, ["off_ramp_completed", "broker_funding_initiated", "broker_funded"])
    _attempt(connection, deposit.flow, "fund_brokerage", "alpaca", journal.asked_at)
    _post(
        connection,
        deposit.flow,
        f"alpaca/journal/{journal.id}",
        [
            ("funded", deposit.customer, "deposit", "USD", amount),
            ("funded", HOUSE, "alpaca:clearing", "USD", -amount),
            ("funded", HOUSE, "alpaca:custody", "USD", amount),
            ("funded", deposit.customer, "brokerage", "USD", -amount),
        ],
    )
    connection.execute(
        text("INSERT INTO notifications (id, flow_id, type, data) VALUES (:id, :flow, :type, CAST(:data AS jsonb))"),
        {
            "id": notification_of(deposit.flow),
            "flow": deposit.flow,
            "type": FUNDED,
            "data": json.dumps(message(deposit)),
        },
    )


def message(deposit: Deposit) -> dict[str, Any]:
    """What the backend is told."""
    return {
        "flow": str(deposit.flow),
        "customer": deposit.customer,
        "amount": deposit.amount_out,
        "asset": "USD",
        "text": f"{deposit.amount_out / 100:.2f} USD is in the brokerage account, ready to trade with.",
    }


def watched(connection: Connection, flow: UUID, balances: Balances) -> None:
    """The balances as Alpaca shows them now."""
    _attempt(connection, flow, "watch_funded", "alpaca", balances.asked_at)
    connection.execute(
        text("""
            INSERT INTO balance_readings (account, name, amount)
            VALUES (:account, 'buying_power', :buying_power), (:account, 'cash', :cash)
            ON CONFLICT (account, name) DO UPDATE SET amount = excluded.amount, read_at = clock_timestamp()
        """),
        {"account": balances.account, "buying_power": balances.buying_power, "cash": balances.cash},
    )


def told(connection: Connection, flow: UUID, status: int) -> None:
    """The backend has taken the message."""
    connection.execute(
        text("INSERT INTO notification_attempts (notification_id, status) VALUES (:id, :status)"),
        {"id": notification_of(flow), "status": status},
    )
    connection.execute(
        text("UPDATE notifications SET state = 'delivered', delivered_at = clock_timestamp() WHERE id = :id"),
        {"id": notification_of(flow)},
    )


def _reference(connection: Connection, flow: UUID, provider: str, kind: str, external_id: str) -> None:
    connection.execute(
        text("""
            INSERT INTO flow_references (provider, kind, external_id, flow_id)
            VALUES (:provider, :kind, :external_id, :flow)
        """),
        {"provider": provider, "kind": kind, "external_id": external_id, "flow": flow},
    )


def _transitions(connection: Connection, flow: UUID, states: Sequence[str | None]) -> None:
    connection.execute(
        text("""
            INSERT INTO transitions (flow_id, from_state, to_state)
            SELECT :flow, s.before, s.after
              FROM unnest(CAST(:before AS text[]), CAST(:after AS text[])) AS s(before, after)
        """),
        {"flow": flow, "before": list(states[:-1]), "after": list(states[1:])},
    )


def _attempt(connection: Connection, flow: UUID, step: str, provider: str, started_at: object) -> None:
    connection.execute(
        text("""
            INSERT INTO attempts (flow_id, step, started_at, outcome, provider)
            VALUES (:flow, :step, :started_at, 'advanced', :provider)
        """),
        {"flow": flow, "step": step, "started_at": started_at, "provider": provider},
    )


def _post(connection: Connection, flow: UUID, cause: str, lines: Sequence[Line]) -> None:
    """Entries of one cause with their postings, and the customers' balances; rows locked in the order of their ids."""
    columns = {"purposes": 0, "owners": 1, "names": 2, "assets": 3, "amounts": 4}
    given: dict[str, Any] = {name: [line[at] for line in lines] for name, at in columns.items()}
    connection.execute(
        text("""
            WITH lines AS (
              SELECT l.*, a.id AS account_id
                FROM unnest(CAST(:purposes AS text[]), CAST(:owners AS text[]), CAST(:names AS text[]),
                            CAST(:assets AS text[]), CAST(:amounts AS numeric[]))
                       AS l(purpose, owner, name, asset, amount)
                JOIN ledger_accounts a USING (owner, name, asset)
            ), entries AS (
              INSERT INTO journal_entries (flow_id, cause, purpose) SELECT DISTINCT CAST(:flow AS uuid), :cause, purpose
                FROM lines RETURNING id, purpose
            )
            INSERT INTO postings (entry_id, account_id, asset, amount)
            SELECT e.id, l.account_id, l.asset, l.amount FROM lines l JOIN entries e USING (purpose)
        """),
        {**given, "flow": flow, "cause": cause},
    )
    connection.execute(
        text("""
            UPDATE balances b SET posted = b.posted - m.amount
              FROM (SELECT a.id, sum(l.amount) AS amount
                      FROM unnest(CAST(:owners AS text[]), CAST(:names AS text[]), CAST(:assets AS text[]),
                                  CAST(:amounts AS numeric[])) AS l(owner, name, asset, amount)
                      JOIN ledger_accounts a USING (owner, name, asset) WHERE owner <> :house
                     GROUP BY a.id ORDER BY a.id) m
             WHERE b.account_id = m.id
        """),
        {**{name: given[name] for name in ("owners", "names", "assets", "amounts")}, "house": HOUSE},
    )
