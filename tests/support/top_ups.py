"""Top-ups as tests play them: bought at the onramp or paid on a Checkout page, in a house of deposits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from db.customers import NewLink
from funding.money import Money
from ops.actions import top_ups
from ops.actions.top_ups import Wanted
from sandbox.stripe.checkout import CheckoutSession
from tests.support.deposit_house import DepositHouse

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
WEEK = 7 * 24 * 3600.0


class TopUps:
    """What customers and Stripe do in `house`, and what is to be seen of it."""

    def __init__(self, house: DepositHouse) -> None:
        self.house = house
        self.stripe = house.world.stripe

    def customer(self, name: str = "ana", *, network: str = "ethereum", address: str = WALLET) -> str:
        """A customer with a wallet on a network."""
        wallet = NewLink(
            customer=name,
            provider="stripe",
            kind="wallet_address",
            external_id=address,
            attributes={"network": network},
        )
        self.house.link(wallet)
        return name

    def order(self, amount: str = "100.00", *, asset: str = "USDC", network: str = "ethereum", **more: Any) -> UUID:
        """`top-ups create`, without waiting for its session."""
        wanted = Wanted(customer="ana", network=network, amount=Money.parse(amount, asset), **more)
        return top_ups.create(self.house.desk, wanted, enabled=True)

    def bought(self, amount: str = "100.00", **more: Any) -> UUID:
        """An onramp top-up of a customer that is paid and delivered."""
        self.customer()
        flow = self.order(amount, **more)
        self.house.pass_time(1)
        self.stripe.pay_onramp(self.session_of(flow))
        self.house.pass_time(10)
        return flow

    def page(self, amount: str = "100.00", *, customer: str | None = "ana", known: bool = True) -> CheckoutSession:
        """A Checkout page that the team's backend has made for somebody."""
        if known:
            self.customer()
        return self.stripe.add_checkout_session(amount, client_reference_id=customer)

    def paid(self, amount: str = "100.00", **more: Any) -> CheckoutSession:
        """A page that was paid at once, and taken in."""
        page = self.page(amount, **more)
        self.stripe.pay_checkout(page.id)
        self.house.pass_time(5)
        return page

    def claim(self, said: str | UUID) -> UUID:
        """`top-ups claim`, and what follows from it at once."""
        flow = top_ups.claim(self.house.desk, str(said))
        self.house.pass_time(1)
        return flow

    # What is to be seen ----------------------------------------------------------------------------------------------

    def flow(self, said: str | UUID) -> Mapping[str, Any]:
        """The row of a top-up, by its own id or its session's."""
        query = """
            SELECT f.* FROM flows f
             WHERE f.id::text = :said OR f.id = (SELECT flow_id FROM flow_references WHERE external_id = :said)
        """
        with self.house.begin() as connection:
            return dict(connection.execute(text(query), {"said": str(said)}).mappings().one())

    def state(self, said: str | UUID) -> str:
        return str(self.flow(said)["state"])

    def history(self, said: str | UUID) -> list[str]:
        """The states it passed, in order, the first included."""
        flow = self.flow(said)["id"]
        found = self.house.rows("SELECT to_state FROM transitions WHERE flow_id = :flow ORDER BY id", flow=flow)
        return [state for (state,) in found]

    def session_of(self, flow: UUID) -> str:
        return str(
            self.house.one(
                "SELECT external_id FROM flow_references WHERE flow_id = :flow AND kind = 'onramp_session'", flow=flow
            )
        )

    def holds(self, account: str, asset: str = "USD") -> int:
        """What is posted in the accounts of that name."""
        return self.house.balance(account, asset)[0]

    def books(self) -> list[str]:
        """Where our books and Stripe's own differ, in words: nothing, while every payment has been taken in."""
        shown = self.stripe.balances()
        theirs = {("stripe:clearing", "USD"): Decimal(shown["balance"].get("usd", "0")) * 100}
        for coin, amount in shown["onramp_delivered"].items():
            theirs["stripe:custody", coin.upper()] = Decimal(amount) * 10**6
        return [
            f"{name} {asset}: {self.holds(name, asset)} here, {amount} there"
            for (name, asset), amount in theirs.items()
            if self.holds(name, asset) != amount
        ]
