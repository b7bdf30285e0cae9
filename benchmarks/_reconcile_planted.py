"""A provider with a million transfers, of which a few disagree with what we hold: one way for each type of break."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from math import isqrt
from typing import Final

from funding.reconcile.records import Record, RecordPage

EACH: Final = 100  # planted of each type, at most; what is doubtful is read one by one, up to 500 objects
PAGE: Final = 1_000
PREFIX: Final = "tf_"
ACCOUNTS: Final = 1_000
LEAST: Final = 1_000  # records; fewer leave too little between what is planted
DOLLARS: Final = 990  # a transfer is of 10 dollars and up to so many more
FEE: Final = 75  # cents that both sides know the provider kept
MORE_FEE: Final = 25  # cents that only it says it kept besides
UNTIL_AGO: Final = timedelta(days=2)  # the newest transfer, the oldest, and how far back is compared
SPREAD: Final = timedelta(days=27)
WINDOW: Final = timedelta(days=30)

# Its status and our state, by the number's rest; all others are `USUAL`.
USUAL: Final = ("payment_processed", "broker_funded")
OTHERS: Final = {
    0: ("refund_processed", "returned"),
    1: ("failed", "failed"),
    2: ("funds_received", "off_ramp_initiated"),
}
EVERY: Final = 100

SPREAD_OUT: Final = (
    "missing_here",
    "missing_there",
    "amount_differs",
    "fee_only_difference",
    "currency_differs",
    "state_differs",
    "timing",
    "unmatched_event",
    "duplicate",  # the last: the number after it belongs to it
)
FIRST: Final = "listing_truncated"  # of the first numbers: they are among the first to be read again


class Provider:
    """Due, with `count` transfers told from a number alone, so that none is held in memory.

    The same numbers always tell the same; `backwards` lists them the other way round. Beside what is planted it lists
    what a comparison must not mind: transfers never paid for, and some of before the window.
    """

    def __init__(self, count: int, now: datetime, *, backwards: bool = False) -> None:
        if count < LEAST:
            raise ValueError(f"at least {LEAST} records")
        self.count = count
        self.each = min(EACH, isqrt(count) // 2)
        self._now = now
        self._backwards = backwards
        self._began = now - UNTIL_AGO - SPREAD
        self._step = SPREAD / count

    @cached_property
    def planted(self) -> dict[int, str]:
        """What is wrong with a transfer, by its number."""
        stride = self.count // self.each
        wrong = dict.fromkeys(range(self.each), FIRST)
        for turn in range(self.each):
            for place, what in enumerate(SPREAD_OUT):
                wrong[turn * stride + self.each + place] = what
            wrong[turn * stride + self.each + len(SPREAD_OUT)] = "duplicate"
        return wrong

    def numbers(self, what: str) -> list[int]:
        """Of the transfers with which that is wrong, in order; of a duplicate both."""
        return sorted(number for number, wrong in self.planted.items() if wrong == what)

    def expected(self) -> set[tuple[str, str]]:
        """Type and subject of every break that is to be found."""
        found = {("listing_truncated", f"comparison of transfers {self.account(n)}") for n in self.numbers(FIRST)}
        found |= {("duplicate", f"transfers for {self.reference(n)}") for n in self.numbers("duplicate")}
        return found | {
            (what, f"transfer {name(number)}")
            for number, what in self.planted.items()
            if what not in {"listing_truncated", "duplicate"}
        }

    def account(self, number: int) -> str:
        """In whose listing it stands. A listing that leaves something out is believed in nothing: each has its own."""
        return f"acct_cut_{number}" if number < self.each else f"acct_{number % ACCOUNTS}"

    def reference(self, number: int) -> str:
        """Unique, but for a duplicate, which has that of the number before it."""
        second = self.planted.get(number) == self.planted.get(number - 1) == "duplicate"
        first = number - 1 if second else number
        return f"va_{first % ACCOUNTS} 0x{first:064x}"

    def at(self, number: int) -> datetime:
        """When it was made."""
        return self._began + number * self._step

    def records(self) -> Iterator[Record]:
        """All that it lists."""
        for number in range(self._last):
            yield from self._listed(number)

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """As a `RecordSource`; it shows more than was asked for, as some do."""
        del since, until
        start = int(cursor or 0)
        end = min(start + PAGE, self._last)
        numbers = range(start, end) if not self._backwards else range(self._last - 1 - start, self._last - 1 - end, -1)
        records = [record for number in numbers for record in self._listed(number)]
        return RecordPage(records, str(end) if end < self._last else None)

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        """As a `RecordSource`; what a listing left out is there."""
        del account
        number = int(object_id.removeprefix(PREFIX))
        return None if self.planted.get(number) == "missing_there" else self._record(number)

    @property
    def _last(self) -> int:
        return self.count + 2 * self.each

    def _listed(self, number: int) -> Iterator[Record]:
        if self.planted.get(number) not in {"missing_there", FIRST}:
            yield self._record(number)

    def _record(self, number: int) -> Record:
        dollars = 10 + number % DOLLARS
        wrong = self.planted.get(number)
        status, _ = USUAL if wrong else OTHERS.get(number % EVERY, USUAL)
        at = self.at(number)
        if number >= self.count:  # nobody paid for it, or it is older than what is compared
            unpaid = number < self.count + self.each
            status, at = ("awaiting_funds", self.at(0)) if unpaid else (status, self._now - 2 * WINDOW)
        record = Record(
            "transfer",
            name(number),
            status,
            at,
            "USDC",
            dollars * 1_000_000,
            "USD",
            dollars * 100 - FEE,
            FEE,
            self.account(number),
            self.reference(number),
        )
        return _spoilt(record, wrong) if wrong else record


def name(number: int) -> str:
    """The transfer's id; in the order of numbers."""
    return f"{PREFIX}{number:09d}"


def _spoilt(record: Record, wrong: str) -> Record:
    """What the provider says otherwise than we; the rest is wrong on our side, or in its listing."""
    match wrong:
        case "amount_differs":
            return record._replace(amount=1)
        case "fee_only_difference":
            return record._replace(amount_out=(record.amount_out or 0) - MORE_FEE, fee=FEE + MORE_FEE)
        case "currency_differs":
            return record._replace(asset="USDT")
        case "state_differs":
            return record._replace(status="failed")
        case "unmatched_event":
            return record._replace(fault="source.amount is missing")
        case _:
            return record
