"""What must be true of Bridge, IBEX and Stripe at the end of a history: their own books beside ours."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, text

from sandbox.world import World

_FLOWS = text("""
    SELECT r.external_id, f.state, f.status, f.parked_at IS NOT NULL AS parked
      FROM flow_references r JOIN flows f ON f.id = r.flow_id WHERE r.provider = :provider AND r.kind = :kind
""")
# What a person was asked to settle, or has given up, need not agree yet.
_LEFT = text("""
    SELECT count(*) FROM flows
     WHERE kind <> 'due_deposit'
       AND (parked_at IS NOT NULL
            OR status = 'closed' AND state NOT IN ('refunded', 'failed', 'released', 'rejected', 'credited', 'paid_out',
                                                   'claimed', 'reversed', 'abandoned')
               AND NOT EXISTS (SELECT FROM journal_entries e
                                WHERE e.flow_id = flows.id AND e.purpose = 'hold_released'
                                  AND flows.state IN ('requested', 'held')))
""")
# Withdrawals that were given up with their hold ended: their tokens never left.
_GIVEN_UP = text("""
    SELECT f.id::text FROM flows f JOIN journal_entries e ON e.flow_id = f.id AND e.purpose = 'hold_released'
     WHERE f.kind = 'bridge_withdrawal' AND f.status = 'closed' AND f.state IN ('requested', 'held')
""")
_UNFINISHED = text("""
    SELECT id, kind, state, snooze_reason FROM flows
     WHERE kind <> 'due_deposit' AND status = 'open' AND parked_at IS NULL
""")
_BUGS = text("""
    SELECT f.id, f.kind, f.state, d.error FROM dead_letters d JOIN flows f ON f.id = d.flow_id
     WHERE f.kind <> 'due_deposit' AND d.message LIKE '%bug of ours%'
""")
_HELD = text("""
    SELECT a.name, a.asset, sum(p.amount) AS total FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
     WHERE p.layer = 'posted' AND a.owner = 'house' GROUP BY a.name, a.asset
""")
_PENDING = text("""
    SELECT a.owner, a.name, b.pending FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
     WHERE b.pending <> 0 AND a.name = 'wallet'
""")
_PAID_OUT = text("""
    SELECT data ->> 'external_account' AS bank, sum(amount_out) AS cents FROM flows
     WHERE kind = 'bridge_withdrawal' AND state = 'paid_out' GROUP BY 1
""")
_SCALES: Final = {"USD": 2, "USDC": 6, "USDT": 6}


def untrue_of_ramps(connection: Connection, world: World) -> Iterator[str]:
    """Everything that is not as it must be, in words."""
    if len(world.bridge.customers) == 0:
        return
    yield from _doubled(world)
    for row in connection.execute(_UNFINISHED):
        yield f"{row.kind} {row.id} is neither finished nor parked: {row.state}, {row.snooze_reason}"
    for row in connection.execute(_BUGS):
        yield f"{row.kind} {row.id} met a bug of ours in {row.state}: {row.error}"
    yield from _given_up(connection, world)
    yield from _deposits(connection, world)
    yield from _sessions(connection, world)
    if connection.execute(_LEFT).scalar_one() == 0:
        yield from _books(connection, world)


def _doubled(world: World) -> Iterator[str]:
    transfers = world.bridge.effects()["transfers"]
    if transfers["repeated"]:
        yield f"payouts made twice at Bridge: {transfers['repeated_references']}"
    if sends := world.ibex.effects()["repeated_sends"]:
        yield f"sends made twice at IBEX: {sends}"
    if sessions := world.stripe.effects()["doubled"]["onramp_sessions"]:
        yield f"sessions made twice at Stripe: {sessions}"


def _given_up(connection: Connection, world: World) -> Iterator[str]:
    sent = {one["address"].lower() for one in world.ibex.effects()["sent"]}
    given_up = set(connection.execute(_GIVEN_UP).scalars())
    for payout in world.bridge.transfers():
        address = (payout.instructions or {}).get("to_address", "")
        if payout.reference in given_up and address.lower() in sent:
            yield f"withdrawal {payout.reference} was given up, and its tokens left all the same"


def _deposits(connection: Connection, world: World) -> Iterator[str]:
    flows = _flows(connection, "bridge", "deposit")
    for one in world.bridge.deposits.by_id.values():
        flow = flows.get(one.id)
        if one.state == "microdeposit":
            if flow is not None and flow.state == "credited":
                yield f"the microdeposit {one.id} is credited"
        elif flow is None:
            yield f"bank deposit {one.id} ({one.state}) has no flow"
        elif not flow.parked and flow.status != "closed":
            expected = {"payment_processed": "credited", "refunded": "refunded"}.get(one.state, flow.state)
            if flow.state != expected:
                yield f"bank deposit {one.id} is {one.state} at Bridge and {flow.state} here"


def _sessions(connection: Connection, world: World) -> Iterator[str]:
    flows = _flows(connection, "stripe", "onramp_session")
    for session in world.stripe.onramp.by_id.values():
        flow = flows.get(session.id)
        if flow is None or flow.parked:
            continue  # the reply was lost, and its flow asks again, or a person has it
        if session.status == "fulfillment_complete" and flow.state != "claimed":
            yield f"session {session.id} was delivered, and its top-up is {flow.state}"
        if session.status != "fulfillment_complete" and flow.state == "claimed":
            yield f"session {session.id} is {session.status}, and its top-up is claimed"


def _books(connection: Connection, world: World) -> Iterator[str]:
    """Each of our accounts at a provider equals the provider's own balance."""
    ours = {
        (row.name, row.asset): Decimal(row.total).scaleb(-_SCALES.get(row.asset, 0))
        for row in connection.execute(_HELD)
    }
    stripe, accounts = world.stripe.balances(), world.ibex.balances().values()
    theirs = {
        **{
            ("bridge:clearing", asset.upper()): Decimal(held) for asset, held in world.bridge.balances()["held"].items()
        },
        ("ibex:clearing", "USDT"): sum((Decimal(one["balance"]) for one in accounts), Decimal(0)),
        ("stripe:clearing", "USD"): Decimal(stripe["balance"].get("usd", "0")),
        ("stripe:custody", "USDC"): Decimal(stripe["onramp_delivered"].get("usdc", "0")),
        ("on_chain", "USDT"): Decimal(0),
        ("exchange", "USD"): Decimal(0),
        ("exchange", "USDT"): Decimal(0),
    }
    for account, there in theirs.items():
        here = ours.get(account, Decimal(0))
        if here != there:
            yield f"{' '.join(account)}: {there} there, {here} here"
    for row in connection.execute(_PENDING):
        yield f"{row.owner} still has {row.pending} held in {row.name}"
    paid = {row.bank: Decimal(row.cents).scaleb(-2) for row in connection.execute(_PAID_OUT)}
    for bank, there in world.bridge.balances()["paid_to_banks"].items():
        if paid.get(bank, Decimal(0)) != Decimal(there):
            yield f"bank {bank} was paid {there}, {paid.get(bank, 0)} by our flows"


def _flows(connection: Connection, provider: str, kind: str) -> Mapping[str, Any]:
    rows = connection.execute(_FLOWS, {"provider": provider, "kind": kind})
    return {row.external_id: row for row in rows}
