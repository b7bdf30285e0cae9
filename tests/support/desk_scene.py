"""A working day at the desk, as it would be: deposits finished, moving and parked, an event nobody understands.

Some names are hostile on purpose, wherever the outside can choose them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from db.inbox import Arrival, insert_events
from tests.support.deposit_house import DepositHouse

SCRIPT = "<script>alert(1)</script>"
HOSTILE_CUSTOMER = '"><img src=x onerror=alert(1)>'
HOSTILE_TYPE = f"transfer.{SCRIPT}\u202e\n{{{{ 7 * 7 }}}}"
HOSTILE_EVENT = "wh_evt_'--\"><svg onload=alert(1)>"
BEFORE = timedelta(minutes=15)  # when the day began
PASSES_S = 420


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Flows by what became of them; `transfer` is Due's id of the funded one."""

    funded: UUID
    returned: UUID
    moving: UUID
    refused: UUID  # parked: Alpaca rejected the journal
    ownerless: UUID  # parked: nobody has that virtual account
    quarantined: int  # an event
    transfer: str


def play(house: DepositHouse) -> Scene:
    """Let it happen, until shortly before now."""
    house.clock.now = datetime.now(UTC) - BEFORE
    ana, bo, cleo = (house.person(name) for name in ("cus_ana", "cus_bo", HOSTILE_CUSTOMER))
    stranger = house.person("stranger", due=False, alpaca=False)
    house.world.alpaca.refuse_account(bo.brokerage)
    funded = house.deposit(ana)
    refused, ownerless = house.deposit(bo), house.deposit(stranger)
    house.deposit(cleo)
    returned = house.deposit(
        ana, ("awaiting_funds", "funds_received", "approved", "refund_submitted", "refund_processed")
    )
    house.pass_time(PASSES_S)
    poison = b'{"id": "x", "type": "transfer.status_changed", "data": "none"}'
    with house.begin() as connection:
        hostile = Arrival(
            provider="due",
            event_id=HOSTILE_EVENT,
            route="/webhooks/due",
            type=HOSTILE_TYPE,
            source="webhook",
            body=poison,
        )
        insert_events(connection, [hostile])
    moving = house.deposit(cleo, step_seconds=3600.0)
    house.move(moving, "funds_received", "approved", step_seconds=3600.0)
    house.pass_time(20)
    with house.begin() as connection:
        number = connection.execute(
            text("SELECT id FROM inbox_events WHERE event_id = :id"), {"id": HOSTILE_EVENT}
        ).scalar_one()
        connection.execute(
            text("""
                INSERT INTO clock_leases (name, holder, term, renewed_at, expires_at)
                VALUES ('clock', gen_random_uuid(), 1, now(), now() + interval '1 hour')
            """)
        )
    house.clock.now = datetime.now(UTC)
    house.pass_time(0)  # what came due meanwhile
    moving_flow = house.flow_of(moving)["id"]
    with house.begin() as connection:  # tests of a busy machine take their time
        connection.execute(
            text("UPDATE flows SET due_at = now() + interval '1 hour' WHERE id = :id"), {"id": moving_flow}
        )
    return Scene(
        funded=house.flow_of(funded)["id"],
        returned=house.flow_of(returned)["id"],
        moving=moving_flow,
        refused=house.flow_of(refused)["id"],
        ownerless=house.flow_of(ownerless)["id"],
        quarantined=number,
        transfer=funded,
    )
