"""Top-ups that customers ask for: begun, and claimed. What they lead to is done by their flow's steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from db import customers, flows, top_ups
from db.top_ups import TopUp
from funding.chain_addresses import NoAddress, normal
from funding.flows.stripe_checks import ONRAMP
from funding.flows.stripe_top_up import State, stripe_top_up
from funding.ids import flow_id
from funding.money import Money
from funding.refusals import CustomerMissing, ProviderDisabled, TimedOut
from ops.actions.desk import Desk, Refused

COINS: Final = ("USDC", "USDT")  # what the onramp sells and we keep
SESSION_KINDS: Final = ("onramp_session", "checkout_session")
LOOKS_EVERY_S: Final = 0.2
OUTCOME_WITHIN: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a customer wants. `address` None: their only wallet on that network. `reference` names the wish itself."""

    customer: str
    network: str
    amount: Money
    address: str | None = None
    reference: str | None = None


def create(desk: Desk, wanted: Wanted, *, enabled: bool) -> UUID:
    """Begin a top-up; the same flow again for the same reference. Its session is made by the flow's own step.

    Raises: ProviderDisabled, CustomerMissing; Refused: a coin, amount, network or wallet that cannot be, or a reference
    that named another wish.
    """
    if not enabled:
        raise ProviderDisabled
    if wanted.amount.asset not in COINS or wanted.amount.minor <= 0:
        raise Refused(f"a top-up is of {' or '.join(COINS)}, more than none")
    network = wanted.network.lower()
    named = f"{wanted.customer}/{wanted.reference}"
    flow = uuid4() if wanted.reference is None else flow_id("rampkeeper", stripe_top_up.name, named)
    with desk.sheet() as sheet:
        if not customers.lock_customers(sheet.connection, [wanted.customer]):
            raise CustomerMissing(detail=wanted.customer)
        before = top_ups.read(sheet.connection, flow)
        if before is not None:
            _refuse_another(before, wanted, network)
            return flow
        address = _wallet(top_ups.addresses(sheet.connection, wanted.customer, network), network, wanted.address)
        step = stripe_top_up.step_of(State.CREATED)
        flows.begin_flow(
            sheet.connection,
            id=flow,
            flow_kind=stripe_top_up.name,
            state=State.CREATED.value,
            step_provider=step.provider if step else None,
            customer=wanted.customer,
            amount=wanted.amount,
            data={
                "way": ONRAMP,
                "network": network,
                "address": address,
                "ordered_minor": wanted.amount.minor,
                "reference": wanted.reference,
            },
            reason=f"asked for by {desk.by}",
        )
        sheet.due.append((flow, stripe_top_up.name, State.CREATED.value))
        sheet.note(
            "top_up.create",
            str(flow),
            customer=wanted.customer,
            network=network,
            amount=str(wanted.amount),
            reference=wanted.reference,
        )
    return flow


def claim(desk: Desk, said: str) -> UUID:
    """Have a claimable top-up claimed by its flow's next step; the flow. `said` is the id of it or of its session.

    Raises: Refused: not found, already claimed, or not claimable.
    """
    with desk.sheet() as sheet:
        found = _flow_named(desk, said)
        if found is not None:
            flows.lock(sheet.connection, [found])
        top_up = None if found is None else top_ups.read(sheet.connection, found)
        if top_up is None:
            raise Refused(f"not found: there is no top-up {said!r}")
        if top_up.claim_asked:
            raise Refused(f"already claimed: top-up {top_up.id}")
        if top_up.state != State.CLAIMABLE or top_up.customer is None:
            why = f": {top_up.why}" if top_up.parked and top_up.why else ""
            raise Refused(f"top-up {top_up.id} is not claimable, it is {top_up.state}{why}")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        flows.instruct(sheet.connection, top_up.id, {"claim": {"by": desk.by, "at": at}})
        sheet.due += flows.wake(sheet.connection, [top_up.id])
        sheet.note("top_up.claim", str(top_up.id), customer=top_up.customer)
        return top_up.id


def await_outcome(
    desk: Desk,
    flow: UUID,
    done: Callable[[TopUp], bool],
    *,
    within: timedelta | None = None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> TopUp:
    """The top-up once it is `done`, or parks or ends before. Raises: TimedOut: it goes on by itself."""
    until = monotonic() + (OUTCOME_WITHIN if within is None else within).total_seconds()
    while True:
        with desk.begin() as connection:
            top_up = top_ups.read(connection, flow)
        if top_up is None:
            raise Refused(f"not found: there is no top-up {flow}")
        if done(top_up) or top_up.parked or top_up.status == "closed":
            return top_up
        if monotonic() >= until:
            raise TimedOut(detail=f"top-up {flow} is {top_up.state}")
        sleep(LOOKS_EVERY_S)


def _flow_named(desk: Desk, said: str) -> UUID | None:
    """The flow of that id, whole, or the one that owns the session of that id."""
    try:
        return UUID(said)
    except ValueError:
        keys = [("stripe", kind, said) for kind in SESSION_KINDS]
        with desk.begin() as connection:
            return next(iter(flows.owners(connection, keys).values()), None)


def _wallet(linked: list[str], network: str, wanted: str | None) -> str:
    """The customer's wallet that the coins go to: linked before, and an address of that network. Raises: Refused."""
    try:
        known = {normal(network, one): one for one in linked}
        if wanted is not None:
            chosen = normal(network, wanted)
            if chosen not in known:
                raise Refused(
                    f"that address is no wallet of this customer on {network}: add the link stripe:wallet_address first"
                )
            return known[chosen]
    except NoAddress as error:
        raise Refused(f"{network}: {error}") from None
    if len(known) != 1:
        raise Refused(
            f"the customer has {len(known)} wallets on {network}: "
            + ("choose one with --address" if known else "add the link stripe:wallet_address first")
        )
    return next(iter(known.values()))


def _refuse_another(before: TopUp, wanted: Wanted, network: str) -> None:
    """The same reference names the same wish. Raises: Refused."""
    same_wallet = wanted.address is None or before.address == wanted.address
    asset = before.amount.asset if before.amount else None
    if (before.ordered_minor, asset, before.network) != (wanted.amount.minor, wanted.amount.asset, network) or (
        not same_wallet
    ):
        raise Refused(f"the reference {wanted.reference!r} names another top-up already: {before.id}")
