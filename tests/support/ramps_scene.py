"""A day of on-ramps, withdrawals, top-ups and identity checks at the desk: finished, moving, parked and taken back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from tests.support.bridge_desks import BridgeOffice
from tests.support.deposit_house import DepositHouse
from tests.support.on_ramps import OnRamps
from tests.support.top_ups import TopUps
from tests.support.withdrawals import Withdrawals

BEFORE = timedelta(hours=1)  # when the day began
PASSES_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RampsScene:
    """Flows by what became of them."""

    credited: UUID  # an on-ramp
    waiting: UUID  # an on-ramp, parked: its customer has no account at IBEX here
    ownerless: UUID  # an on-ramp, parked: nobody has that virtual account
    paid_out: UUID  # a withdrawal
    returned: UUID  # a withdrawal that the bank gave back
    claimed: UUID  # a top-up in coins
    disputed: UUID  # a top-up on a Checkout page
    rejected: UUID  # an identity check
    opened: UUID  # a virtual account

    @property
    def named(self) -> dict[str, UUID]:
        """Each flow by its name here."""
        return {name: getattr(self, name) for name in self.__slots__}


def play(house: DepositHouse) -> RampsScene:
    """Let it happen, until now."""
    house.clock.now = datetime.now(UTC) - BEFORE
    ramps, money, top_ups, office = OnRamps(house), Withdrawals(house), TopUps(house), BridgeOffice(house)
    credited = ramps.deposit(ramps.person("cus_ana"))
    ownerless = ramps.deposit(ramps.person("stranger", bridge=False, ibex=False), path=("funds_received",))
    paid_out, returned = (money.ask(money.person(name), "250.00") for name in ("cus_bo", "cus_cleo"))
    top_ups.customer("ana")
    claimed = top_ups.order("100.00")
    page = top_ups.page("60.00", known=False)
    top_ups.stripe.pay_checkout(page.id)
    office.approved("cus_dora")
    office.open("cus_dora")
    office.customer("cus_eve")
    office.begin("cus_eve", email="eve@example.com")
    office.decide("cus_eve", kyc="rejected")
    house.pass_time(60)
    top_ups.stripe.pay_onramp(top_ups.session_of(claimed))
    house.pass_time(PASSES_S)
    top_ups.claim(claimed)
    money.bank_returns(returned)
    assert page.charge_id is not None
    top_ups.stripe.open_dispute(page.charge_id)
    house.pass_time(60)
    waiting = ramps.deposit(ramps.person("cus_finn", ibex=False))
    house.pass_time(30)
    with house.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO clock_leases (name, holder, term, renewed_at, expires_at)
                VALUES ('clock', gen_random_uuid(), 1, now(), now() + interval '1 day')
            """)
        )
    house.clock.now = datetime.now(UTC)
    house.pass_time(0)  # what came due meanwhile
    house.look()
    with house.begin() as connection:  # tests of a busy machine take their time
        connection.execute(text("UPDATE flows SET due_at = now() + interval '1 hour' WHERE due_at IS NOT NULL"))
        connection.execute(text("DELETE FROM looks"))
        connection.execute(
            text("UPDATE notifications SET state = 'delivered', due_at = NULL, delivered_at = happened_at")
        )
    return RampsScene(
        credited=ramps.flow_of(credited)["id"],
        waiting=ramps.flow_of(waiting)["id"],
        ownerless=ramps.flow_of(ownerless)["id"],
        paid_out=paid_out,
        returned=returned,
        claimed=claimed,
        disputed=top_ups.flow(page.id)["id"],
        rejected=_of(house, "bridge_customer", "cus_eve"),
        opened=_of(house, "bridge_virtual_account", "cus_dora"),
    )


def _of(house: DepositHouse, kind: str, customer: str) -> UUID:
    found: UUID = house.one(
        "SELECT id FROM flows WHERE kind = :kind AND customer_id = :customer", kind=kind, customer=customer
    )
    return found
