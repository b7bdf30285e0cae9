"""Every webhook dropped while flows are open: how long after the provider we know, and what asking costs."""

import argparse
import sys
from dataclasses import replace
from types import ModuleType
from typing import Final

from benchmarks import _missed_deposits, _missed_on_ramps, _missed_top_ups, _missed_withdrawals
from benchmarks._fleet import running_fleet
from benchmarks._missed import Scene, Size, play
from benchmarks._result import tell
from db.engine import make_engine, unit_of_work
from ops.actions.desk import Desk
from tests.support.fleet import Fleet

DUE_CUSTOMERS: Final = 20
SCENES: Final[dict[str, ModuleType]] = {
    "due_deposit": _missed_deposits,
    "bridge_on_ramp": _missed_on_ramps,
    "bridge_withdrawal": _missed_withdrawals,
    "stripe_top_up": _missed_top_ups,
}


def main() -> int:
    """Exit code 1 when a flow is lost or its money moved twice."""
    parser = argparse.ArgumentParser(prog="bin/bench missed", description=__doc__)
    parser.add_argument("--kind", choices=SCENES, default="due_deposit", help="of which flow")
    parser.add_argument("--quick", action="store_true", help="40 flows: a try")
    parser.add_argument("--flows", type=int, help="so many are open")
    parser.add_argument("--waiting", type=int, help="of which so many wait for one provider at a time")
    given = parser.parse_args()
    chosen = SCENES[given.kind]
    size: Size = chosen.QUICK if given.quick else chosen.FULL
    size = replace(
        size, flows=given.flows or size.flows, waiting=given.waiting or min(size.waiting, given.flows or 500)
    )
    customers = DUE_CUSTOMERS if given.kind == "due_deposit" else 0
    with running_fleet(seed=5, customers=customers, more={}, pretended=chosen.PRETENDED) as fleet:
        engine = make_engine(fleet.system.services.database_url, pool=2)
        try:
            figures = play(fleet, scene(given.kind, fleet, Desk(begin=unit_of_work(engine), by="bench"), size))
        finally:
            engine.dispose()
    tell("missed", {"flows": size.flows, **figures})
    return 1 if figures["lost"] or figures["doubled"] else 0


def scene(kind: str, fleet: Fleet, desk: Desk, size: Size) -> Scene:
    """The one of that kind, its customers made."""
    match kind:
        case "bridge_on_ramp":
            return _missed_on_ramps.OnRamps(fleet, desk, size)
        case "bridge_withdrawal":
            return _missed_withdrawals.Withdrawals(fleet, desk, size)
        case "stripe_top_up":
            return _missed_top_ups.TopUps(fleet, desk, size)
        case _:
            return _missed_deposits.Deposits(fleet, desk, size)


if __name__ == "__main__":
    sys.exit(main())
