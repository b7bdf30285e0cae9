"""The life of an onramp session: its statuses, in their order, at their moments."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from sandbox import amounts
from sandbox.stripe.errors import onramp
from sandbox.stripe.model import previous
from sandbox.stripe.onramp_model import (
    COMPLETE,
    CRYPTO_PLACES,
    NETWORKS,
    OnrampSession,
    Wish,
    address_key,
    cut,
    in_seed_shape,
)

if TYPE_CHECKING:
    from sandbox.world import World

PATH = ("requires_payment", "fulfillment_processing", COMPLETE)
SEED_EVENT = "onramp.session.succeeded"
REFUSALS = {
    "unsupported_country": "The customer's country is not supported.",
    "unsupportable_customer": "This customer cannot be served.",
}


class Onramp:
    """Every session by id, oldest first, and what stands in the way of new ones."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_id: dict[str, OnrampSession] = {}
        self.disabled = False
        self.merchant_ready = True
        self.refused: dict[str, str] = {}  # by customer's IP address: one of REFUSALS

    def check_open(self) -> None:
        """Raises: StripeError 400: an outage, or a merchant that is not set up."""
        if self.disabled:
            raise onramp("disabled", "The onramp is temporarily disabled.", type="api_error")
        if not self.merchant_ready:
            raise onramp("merchant_not_properly_setup", "The merchant is not set up for the onramp.")

    def check_customer(self, address: str | None) -> None:
        """Raises: StripeError 400, which its idempotency key keeps: whom Stripe will not serve."""
        refusal = self.refused.get(address or "")
        if refusal is not None:
            raise onramp(refusal, REFUSALS[refusal], "customer_ip_address", kept=True)

    def create(self, wish: Wish, *, livemode: bool = False) -> OnrampSession:
        """A session `initialized`; no event tells of it."""
        ids, now = self._world.ids, self._world.now()
        session_id = ids.prefixed("cos")
        session = OnrampSession(
            id=session_id,
            number=len(self.by_id) + 1,
            created_at=now,
            livemode=livemode,
            status="initialized",
            metadata=wish.metadata,
            wish=wish,
            client_secret=f"{session_id}_{ids.prefixed('secret')}",
            redirect_url=f"https://crypto.link.example/{ids.prefixed('s')}",
            source_currency=wish.source_currency,
            source_amount=wish.source_amount,
            destination_currency=wish.destination_currency,
            destination_network=wish.destination_network,
            destination_amount=wish.destination_amount,
            history=[("initialized", now)],
        )
        self.by_id[session_id] = session
        return session

    def choose(
        self,
        session: OnrampSession,
        *,
        source_amount: str | None = None,
        source_currency: str | None = None,
        destination_amount: str | None = None,
        destination_currency: str | None = None,
        destination_network: str | None = None,
        wallet_address: str | None = None,
        rate: str = "1",
        network_fee: str = "1.12",
        transaction_fee: str = "4.90",
    ) -> None:
        """What the customer picks at Stripe where the wish left it open, and what a coin's price makes of it.

        Raises: ValueError: no amount, or another wallet than the one that is locked.
        """
        wish, price = session.wish, amounts.parse(rate)
        if not price:
            raise ValueError("a rate is above zero")
        fees = (amounts.parse(network_fee), amounts.parse(transaction_fee))
        currency = wish.destination_currency or destination_currency or (wish.destination_currencies or ["usdc"])[0]
        network = wish.destination_network or destination_network or (wish.destination_networks or ["ethereum"])[0]
        known = (wish.wallet_addresses or {}).get(address_key(network))
        if currency not in CRYPTO_PLACES or network not in NETWORKS:
            raise ValueError("no such currency or network")
        if wallet_address and wish.lock_wallet_address and wallet_address != known:
            raise ValueError("the wallet address is locked")
        bought = amounts.parse(destination_amount) if destination_amount is not None else wish.destination_amount
        paid = amounts.parse(source_amount) if source_amount is not None else wish.source_amount
        if paid is None:
            paid = Decimal("250.00") if bought is None else cut(bought / price, 2, ROUND_UP)
        session.source_amount = paid
        session.source_currency = wish.source_currency or source_currency or "usd"
        session.destination_amount = cut(paid * price, CRYPTO_PLACES[currency]) if bought is None else bought
        session.destination_currency, session.destination_network = currency, network
        session.fees = fees
        session.wallet_address = wallet_address or known or self._world.ids.address()

    def plan(self, session: OnrampSession, script: Sequence[tuple[str, float]]) -> None:
        """Let these statuses follow by themselves, each after its wait, in place of whatever was planned."""
        session.script.clear()
        session.script.extend(script)
        self._plan_next(session)

    def advance(self, session: OnrampSession) -> bool:
        """Take the next planned status now instead of later; False if none is planned."""
        if not session.script:
            return False
        status, _ = session.script.popleft()
        self.move(session, status)
        self._plan_next(session)
        return True

    def move(self, session: OnrampSession, status: str, **choice: str) -> None:
        """Take a status and tell of it; the one it has already (a payment that failed) changes nothing.

        The customer chooses on the way out of `initialized`; see `choose`.
        """
        if status == session.status:
            return
        world = self._world
        session.remember(world.config, world.now())
        if status != "rejected" and (choice or session.fees is None):
            self.choose(session, **choice)
        session.status = status
        session.history.append((status, world.now()))
        if status == COMPLETE and session.transaction_id is None:
            self._deliver(session)
        self._announce(session)

    def _plan_next(self, session: OnrampSession) -> None:
        if session.coming is not None:
            session.coming.cancelled = True
            session.coming = None
        if session.script:
            session.coming = self._world.after(session.script[0][1], lambda: self._step(session))

    def _step(self, session: OnrampSession) -> None:
        self.advance(session)

    def _deliver(self, session: OnrampSession) -> None:
        movement = self._world.chain.send(
            session.destination_network or "",
            (session.destination_currency or "").upper(),
            sender="stripe",
            recipient=session.wallet_address or "",
            amount=session.destination_amount or Decimal(0),
        )
        session.transaction_id = movement.hash

    def _announce(self, session: OnrampSession) -> None:
        config, events = self._world.config, self._world.stripe.events
        kind, hidden = config.stripe_onramp_event, not config.stripe_onramp_events_listed
        after = session.as_json(config)
        if kind != SEED_EVENT:
            changed = previous(session.before or {}, after)
            events.announce(kind, after, session.livemode, changed, hidden=hidden)
        elif session.status == COMPLETE:
            events.announce(kind, in_seed_shape(after), session.livemode, hidden=hidden)


def paced(path: Sequence[str], step_seconds: float | Sequence[float]) -> list[tuple[str, float]]:
    """A script for `plan`: one wait for all statuses, or a list of them. Raises: ValueError: too few waits."""
    waits = [float(step_seconds)] * len(path) if isinstance(step_seconds, int | float) else [*map(float, step_seconds)]
    if len(waits) < len(path):
        raise ValueError(f"{len(path)} waits are needed before {len(path)} statuses")
    return list(zip(map(str, path), waits, strict=False))
