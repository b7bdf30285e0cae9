"""Deposits for tests of the desk: parked, funded, in suspense; with their letters, breaks and entries."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from db import breaks, dead_letters, ledger
from db.dead_letters import Death
from funding.ledger import accounts
from funding.ledger import due_deposit as rules
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from funding.outcomes import BreakFound

USDC = Money(250_000_000, "USDC")
USD = Money(249_25, "USD")


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked deposit and its letter."""

    flow: UUID
    letter: UUID


def add_deposit(
    connection: Connection,
    *,
    customer: str | None = "cus_1",
    state: str = "off_ramp_completed",
    status: str = "open",
    parked: str | None = None,
    virtual_account: str = "va_1",
    transfer: str | None = None,
) -> UUID:
    """A deposit whose dollars have left Due; due now unless it is parked or over."""
    flow = uuid4()
    if customer is not None:
        add_customer(connection, customer)
    connection.execute(
        text("""
            INSERT INTO flows (id, kind, state, status, provider, customer_id, asset, amount, asset_out, amount_out,
                               data, due_at, parked_at, parked_reason, closed_at)
            VALUES (:id, 'due_deposit', :state, :status, 'alpaca', :customer, 'USDC', :amount, 'USD', :amount_out,
                    jsonb_build_object('account', 'acct_1', 'virtual_account', CAST(:va AS text), 'received', true),
                    CASE WHEN CAST(:parked AS text) IS NULL AND :status <> 'closed' THEN rk_now() END,
                    CASE WHEN CAST(:parked AS text) IS NOT NULL THEN rk_now() END, :parked,
                    CASE WHEN :status <> 'open' THEN rk_now() END)
        """),
        {
            "id": flow,
            "state": state,
            "status": status,
            "customer": customer,
            "amount": USDC.minor,
            "amount_out": USD.minor,
            "va": virtual_account,
            "parked": parked,
        },
    )
    connection.execute(
        text("INSERT INTO transitions (flow_id, to_state, reason) VALUES (:flow, :state, 'seen at Due')"),
        {"flow": flow, "state": state},
    )
    connection.execute(
        text(
            "INSERT INTO flow_references (provider, kind, external_id, flow_id) VALUES ('due', 'transfer', :id, :flow)"
        ),
        {"id": transfer or f"tf_{flow.hex[:8]}", "flow": flow},
    )
    return flow


def add_parked(
    connection: Connection,
    *,
    customer: str | None = "cus_1",
    error: str = "journal_rejected",
    step: str = "fund_brokerage",
    virtual_account: str = "va_1",
    state: str = "off_ramp_completed",
) -> Parked:
    """A parked deposit with its open letter."""
    message = "Alpaca rejected the journal. Ask Alpaca why; then replay."
    flow = add_deposit(connection, customer=customer, parked=message, virtual_account=virtual_account, state=state)
    death = Death(step=step, error=error, message=message, blame="provider", provider="alpaca")
    dead_letters.open_for_flow(connection, flow, death, kind="due_deposit", attempt=uuid4(), attempts=1)
    letter: UUID = connection.execute(
        text("SELECT id FROM dead_letters WHERE flow_id = :flow"), {"flow": flow}
    ).scalar_one()
    return Parked(flow, letter)


def add_ownerless(connection: Connection, *, virtual_account: str = "va_9") -> Parked:
    """Money on a virtual account nobody has: parked, in suspense, with its break."""
    parked = add_parked(connection, customer=None, error="unknown_virtual_account", virtual_account=virtual_account)
    ledger.post(connection, parked.flow, [received(parked.flow, None)])
    breaks.open_break(
        connection,
        BreakFound(provider="due", type="unmatched_event", subject=f"transfer of {parked.flow}", amount=USDC),
        found_by="step",
        flow=parked.flow,
    )
    return parked


def add_dead_event(connection: Connection, event_id: str = "evt_dead") -> tuple[int, UUID]:
    """An event that was set aside, and its letter."""
    event: int = connection.execute(
        text("""
            INSERT INTO inbox_events (provider, event_id, route, type, source, body, body_digest, state, due_at, reason,
                                      handled_at)
            VALUES ('due', :event_id, 'due', 'transfer.status_changed', 'webhook', '{"a": 1}', '\\xaa', 'dead', NULL,
                    'no transfer id', rk_now()) RETURNING id
        """),
        {"event_id": event_id},
    ).scalar_one()
    death = Death(step="ingest", error="cannot_use", message="no transfer id", blame="provider", provider="due")
    dead_letters.open_for_event(connection, event, death, attempts=1)
    letter: UUID = connection.execute(
        text("SELECT id FROM dead_letters WHERE event_id = :event"), {"event": event}
    ).scalar_one()
    return event, letter


def add_customer(connection: Connection, customer: str, *, level: int = 0) -> None:
    connection.execute(
        text("INSERT INTO customers (id, level) VALUES (:id, :level) ON CONFLICT DO NOTHING"),
        {"id": customer, "level": level},
    )


def received(flow: UUID, customer: str | None) -> Any:
    """The entry of money received at Due."""
    return rules.received(f"tf_{flow.hex[:8]}", USDC, customer, None)


def post_funded(connection: Connection, flow: UUID, customer: str) -> None:
    """Everything a funded deposit has posted, its broker's balances read back."""
    transfer = f"tf_{flow.hex[:8]}"
    paid_out = entry(
        f"due/transfer/{transfer}",
        rules.CONVERTED,
        credit(accounts.clearing("due", "USDC"), USDC),
        debit(accounts.exchange("USDC"), USDC),
        debit(accounts.deposit(customer, "USDC"), USDC),
        credit(accounts.exchange("USDC"), USDC),
        debit(accounts.bank("USD"), USD),
        credit(accounts.deposit(customer, "USD"), USD),
    )
    ledger.post(connection, flow, [received(flow, customer), paid_out, rules.funded("jr_1", USD, customer)])
    connection.execute(
        text("""
            INSERT INTO balance_readings (provider, account, name, asset, amount, customer_id)
            VALUES ('alpaca', 'acc', 'buying_power', 'USD', 49850, :customer),
                   ('alpaca', 'acc', 'cash', 'USD', 24925, :customer)
        """),
        {"customer": customer},
    )


def digests(connection: Connection) -> dict[str, Any]:
    """A digest of every table's rows: equal before and after means that nothing was changed."""
    tables = connection.execute(
        text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    ).scalars()
    return {
        table: connection.execute(
            text(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t")  # noqa: S608 -- names of our own tables
        ).scalar_one()
        for table in tables
    }
