"""What a pretended provider has been asked, by its own log: requests in each minute, of polls and of steps."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from providers.registry import POLICIES
from tests.support.fleet import Fleet

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
SHOWN: Final = 2_000  # requests the sandbox remembers: far more than come between two looks
# Listings that only polls ask for. At IBEX flows list an account too, so there polls say themselves what they asked.
LISTINGS: Final[Mapping[str, re.Pattern[str]]] = {
    "due": re.compile(r"/v1/(?!transfers/[^/?]+$)"),
    "bridge": re.compile(
        r"/v0/(webhook_events|transfers\?|virtual_accounts/history|liquidation_addresses/drains|kyc_links\?)"
    ),
    "ibex": re.compile(r"/v2/transaction/account/"),
    "stripe": re.compile(
        r"/v1/(events|refunds\?created|disputes\?created|checkout/sessions\?|crypto/onramp_sessions\?)"
    ),
}


@dataclass(slots=True)
class Heard:
    """The requests to one provider, by the minute."""

    fleet: Fleet
    provider: str = "due"
    since: datetime = LONG_AGO  # ticks of earlier slots are not counted
    until: datetime = LONG_AGO  # the latest request counted
    walks: Counter[datetime] = field(default_factory=Counter)  # pages of listings: what polls ask for
    steps: Counter[datetime] = field(default_factory=Counter)  # one object: a flow's own step

    def begin(self) -> None:
        """Forget what was asked until now: how the scene was set is not what is measured."""
        self.look()
        self.walks.clear()
        self.steps.clear()
        self.since = self.fleet.one("SELECT clock_timestamp()")

    def look(self) -> None:
        """Count what came since the last look; often enough that the sandbox still remembers all of it."""
        shown = self.fleet.system.control("GET", f"requests?provider={self.provider}&limit={SHOWN}")
        moments = [(datetime.fromisoformat(one["at"]), one["path"]) for one in shown]
        for at, path in moments:
            if at > self.until:
                counted = self.walks if LISTINGS[self.provider].match(path) else self.steps
                counted[at.replace(second=0, microsecond=0)] += 1
        self.until = max([self.until, *(at for at, _ in moments)])

    def shares(self) -> dict[str, float]:
        """Of the calls a minute that the policy assumes: those of polls in their busiest minute, and all in theirs."""
        rate = POLICIES[self.provider].assumed_rate_per_minute
        polls = self._told_by_polls() if self.provider == "ibex" else max(self.walks.values(), default=0)
        return {
            "share_of_rate_limit": polls / rate,
            "share_with_steps": max((self.walks + self.steps).values(), default=0) / rate,
        }

    def _told_by_polls(self) -> int:
        """The most calls that one tick of them has made; a tick is a minute."""
        query = """
            SELECT max(substring(detail FROM 'on ([0-9]+) pages')::int) FROM ticks WHERE job LIKE %s AND slot > %s
        """
        return int(self.fleet.one(query, f"poll_{self.provider}_%", self.since) or 0)

    def calls(self) -> int:
        """All of them."""
        return self.walks.total() + self.steps.total()
