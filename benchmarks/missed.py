"""Every webhook dropped while deposits are open: how long after the provider we know, and what asking costs."""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks._fleet import doubled_and_lost, running_fleet, say
from benchmarks._result import tell
from ops.cli.demo.latency import percentiles
from providers.due.policy import POLICY
from tests.support.fleet import Fleet

DROPPED: Final = {"name": "webhook_dropped", "provider": "due", "probability": 1.0}
DEPOSITS: Final = 500
QUICK: Final = 40
STEP_S: Final = 30.0  # between two statuses at Due, so that all are open at once
QUICK_STEP_S: Final = 10.0
LOTS: Final = 20  # they arrive in, over two of those steps
KNOWN_WITHIN_S: Final = 600.0
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
LOOK_S: Final = 3.0
ONE_TRANSFER: Final = re.compile(r"/v1/transfers/[^/?]+$")
SHOWN: Final = 2_000  # requests the sandbox remembers: far more than come between two looks
DECIDED: Final = ("payment_processed", "refund_submitted")  # what a deposit's step waits for at Due
KNOWN: Final = ("off_ramp_completed", "returned")  # and where it then goes


def main() -> int:
    """Exit code 1 when a deposit is lost or funded twice."""
    parser = argparse.ArgumentParser(prog="bin/bench missed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} deposits")
    quick = parser.parse_args().quick
    deposits, step_s = (QUICK, QUICK_STEP_S) if quick else (DEPOSITS, STEP_S)
    with running_fleet(seed=5, customers=20, more={}) as fleet:
        fleet.faults(DROPPED)
        heard = Heard(fleet)
        say(f"sending {deposits} deposits over {2 * step_s:.0f} s, all webhooks dropped")
        sent: set[str] = set()
        for _ in range(LOTS):
            sent |= fleet.send(deposits // LOTS, step_seconds=step_s)
            heard.look()
            time.sleep(2 * step_s / LOTS)
        say("waiting until Due has decided about all of them, and until we know")
        _until_known(fleet, heard, sent)
        fleet.finished(sent)
        counted = doubled_and_lost(fleet)
        waited = _seconds(fleet, sent)
    figures: dict[str, float] = {f"{name}_s": value or 0.0 for name, value in percentiles(waited).items()}
    figures |= {"lost": counted["lost"], "doubled": counted["doubled"], **heard.shares()}
    tell("missed", figures)
    return 1 if counted["lost"] or counted["doubled"] else 0


@dataclass(slots=True)
class Heard:
    """What Due has been asked, by its own log: requests in each minute. Nothing is created there: all are reads."""

    fleet: Fleet
    until: datetime = LONG_AGO  # the latest request counted
    walks: Counter[datetime] = field(default_factory=Counter)  # pages of listings: what polls ask for
    steps: Counter[datetime] = field(default_factory=Counter)  # one transfer: a flow's own step

    def look(self) -> None:
        """Count what came since the last look; often enough that the sandbox still remembers all of it."""
        shown = self.fleet.system.control("GET", f"requests?provider=due&limit={SHOWN}")
        moments = [(datetime.fromisoformat(one["at"]), one["path"]) for one in shown]
        for at, path in moments:
            if at > self.until:
                counted = self.steps if ONE_TRANSFER.match(path) else self.walks
                counted[at.replace(second=0, microsecond=0)] += 1
        self.until = max([self.until, *(at for at, _ in moments)])

    def shares(self) -> dict[str, float]:
        """Of the calls a minute that the policy assumes: those of polls in their busiest minute, and all in theirs."""
        return {
            "share_of_rate_limit": max(self.walks.values(), default=0) / POLICY.assumed_rate_per_minute,
            "share_with_steps": max((self.walks + self.steps).values(), default=0) / POLICY.assumed_rate_per_minute,
        }


def _until_known(fleet: Fleet, heard: Heard, sent: set[str]) -> None:
    """Wait, counting requests meanwhile. Raises: AssertionError: some are unknown for too long."""
    deadline = time.monotonic() + KNOWN_WITHIN_S
    while not _known(fleet).keys() >= sent:
        if time.monotonic() > deadline:
            raise AssertionError(f"unknown here after {KNOWN_WITHIN_S:.0f} s\n{fleet.picture()}")
        heard.look()
        time.sleep(LOOK_S)


def _decided(fleet: Fleet) -> Mapping[str, datetime]:
    """When Due decided about each transfer, by Due's clock, for those it has."""
    decided: dict[str, datetime] = {}
    for transfer in fleet.system.control("GET", "due/transfers"):
        for passed in transfer["history"]:
            if passed["status"] in DECIDED:
                decided[transfer["id"]] = datetime.fromisoformat(passed["at"])
    return decided


def _known(fleet: Fleet) -> Mapping[str, datetime]:
    """When we recorded it, by the database's clock: both run on this machine."""
    rows: list[dict[str, Any]] = fleet.rows(
        """
        SELECT r.external_id, min(t.recorded_at) AS at
          FROM flow_references r JOIN transitions t ON t.flow_id = r.flow_id
         WHERE r.provider = 'due' AND r.kind = 'transfer' AND t.to_state = ANY(%s) GROUP BY r.external_id
        """,
        list(KNOWN),
    )
    return {row["external_id"]: row["at"] for row in rows}


def _seconds(fleet: Fleet, sent: set[str]) -> list[float]:
    decided, known = _decided(fleet), _known(fleet)
    return [(known[transfer] - decided[transfer]).total_seconds() for transfer in sent]


if __name__ == "__main__":
    sys.exit(main())
