"""Somebody at a desk who asks Bridge for things, in a house whose workers go on while they wait."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from db.customers import NewLink
from funding.ports.bridge import BridgeMoney
from ops.actions import customers
from ops.actions.bridge_customers import BridgeDesk, Papers
from ops.actions.operations import Waiting
from sandbox.bridge.model import Customer
from tests.support.deposit_house import DepositHouse

NAME, EMAIL = "Ana Pires", "ana@example.com"


class BridgeOffice:
    """A desk in a house. While it waits, the house's time passes."""

    def __init__(self, house: DepositHouse, *, patience: float = 30.0, **enabled: bool) -> None:
        self.house = house
        self.world = house.world
        port: BridgeMoney = house.worker.providers.connected["bridge"].port
        waiting = Waiting(
            begin=house.begin,
            patience=timedelta(seconds=patience),
            monotonic=self._monotonic,
            sleep=house.pass_time,
        )
        on = {"bridge": True, "ibex": True, **enabled}
        self.desk = BridgeDesk(desk=house.desk, bridge=port, enabled=on, waiting=waiting)

    def _monotonic(self) -> float:
        return self.house.clock.now.timestamp()

    def customer(self, name: str = "ana", *, level: int = 2, ibex: bool = True) -> None:
        """A customer of ours; with an account at IBEX, unless not."""
        links = []
        if ibex:
            account = self.world.ibex.add_account(name)
            links = [NewLink(customer=name, provider="ibex", kind="account", external_id=account, attributes={})]
        customers.add_customer(self.house.desk, name, level=level, links=links)

    def attach(self, name: str, known: str) -> None:
        """A customer whom Bridge knows already, by a link that an operator has added."""
        link = NewLink(customer=name, provider="bridge", kind="customer", external_id=known, attributes={})
        customers.add_customer(self.house.desk, name, level=None, links=[link])

    def begin(self, name: str = "ana", *, email: str = EMAIL) -> Papers:
        """Their identity check is asked for."""
        return self.desk.kyc_link(name, full_name=NAME, email=email)

    def approved(self, name: str = "ana") -> None:
        """A customer who has passed the check."""
        self.customer(name)
        self.begin(name, email=f"{name}@example.com")
        self.decide(name, kyc="approved", tos="approved")
        self.house.pass_time(5)

    def decide(self, name: str = "ana", **to: Any) -> None:
        """Bridge decides on somebody, and tells us."""
        self.world.bridge.people.decide(self.at_bridge(name), **to)

    def at_bridge(self, name: str = "ana") -> Customer:
        return self.world.bridge.customers[self.link(name, "bridge", "customer")]

    def open(self, name: str = "ana") -> Any:
        """Their virtual account is asked for."""
        return self.desk.virtual_account(name, network="tron", fee_percent="0.5")

    def link(self, name: str, provider: str, kind: str) -> str:
        found = self.links(name, provider, kind)
        assert len(found) == 1, found
        return str(found[0][0])

    def links(self, name: str, provider: str, kind: str) -> list[tuple[Any, ...]]:
        """The ids and attributes of somebody's links of a kind."""
        return self.house.rows(
            "SELECT external_id, attributes FROM customer_links WHERE customer_id = :c AND provider = :p AND kind = :k",
            c=name,
            p=provider,
            k=kind,
        )

    def flow(self, kind: str) -> Mapping[str, Any]:
        """The state, status and data of the newest flow of a kind."""
        query = "SELECT id, state, status, parked_reason, data FROM flows WHERE kind = :k ORDER BY created_at DESC"
        rows = self.house.rows(query, k=kind)
        return dict(zip(("id", "state", "status", "parked_reason", "data"), rows[0], strict=True)) if rows else {}

    def texts(self, kind: str) -> list[str]:
        """What was told the customer in notifications of a type."""
        query = "SELECT data ->> 'text' FROM notifications WHERE type = :t ORDER BY happened_at"
        return [said for (said,) in self.house.rows(query, t=kind)]
