"""An account's transactions out of a listing in the order of settling, whichever way round that is.

IBEX's own description says that `-settledAt` begins with the oldest, those who use it that it begins with the newest;
that pages count from 0, and from 1; and nobody where a transaction without a time stands. So both ends are read, as
far inward as there is anything that is wanted, and not the years between. A listing of one page is read once: what was
on it then was all there was.
"""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from funding.errors import UnexpectedAnswer
from funding.ports.ibex import TokenStatus


class Listed(Protocol):
    """What a walk needs to know of a transaction."""

    @property
    def id(self) -> str:
        """Its own, wherever it is listed."""
        ...

    @property
    def status(self) -> TokenStatus:
        """How far it has come."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        ...

    @property
    def settled_at(self) -> datetime | None:
        """None: not yet."""
        ...


One = TypeVar("One", bound=Listed)


class Walk(Generic[One]):
    """One reading of the listing. How long a page is is never relied on: only an empty one is the end.

    `read` gives a page by its number: page 0 may be the same as page 1; past the last they are empty.
    `short`: a page 0 of fewer rows is taken for all there is. That is good enough to learn what has come, and not to
    conclude that nothing was sent. `counts_from_0`: page 0 was seen to show something, so an empty one is all too.
    """

    def __init__(
        self,
        read: Callable[[int], list[One]],
        *,
        since: datetime,
        short: int = 0,
        counts_from_0: bool = False,
    ) -> None:
        self._read = read
        self._since = since
        self._short = short
        self._counts_from_0 = counts_from_0
        self._fronts: list[list[str]] = []  # the ids on the first pages
        self._found: dict[str, One] = {}
        self._times: list[datetime] = []  # of settling, as the front shows them

    def transactions(self) -> list[One]:
        """Those made or settled since then, and all that still wait, oldest first.

        Raises: UnexpectedAnswer: a page shows nothing but what those before it have: the listing would never end.
        """
        reached, is_whole = self._from_the_front()
        if not (is_whole and self._is_one_page()):
            last = reached if is_whole else self._from_the_back(reached)
            # What settles during the walk moves to an end that we may have left.
            for end in (0, last):
                self._again(end)
        wanted = [one for one in self._found.values() if self._is_wanted(one) and not self._is_long_over(one)]
        return sorted(wanted, key=lambda one: (one.created_at, one.id))

    def _from_the_front(self) -> tuple[int, bool]:
        """Read on until a page holds nothing wanted; the last page reached, and whether it is the last of all."""
        for number in itertools.count():
            known = set(self._found)
            page = self._further(number)
            if not page and number > 0:
                return number - 1, True
            self._fronts.append([one.id for one in page])
            if number == 0 and len(page) < self._short and (page or self._counts_from_0):
                return 0, True
            new = (one for one in page if one.id not in known)
            self._times += [one.settled_at for one in new if one.settled_at is not None]
            if page and self._is_in_order() and not any(map(self._is_wanted, page)):
                return number, False
        raise AssertionError  # there is always a next number

    def _from_the_back(self, front: int) -> int:
        """Find the last page by doubling and halving, and read back until one holds nothing wanted; the last one."""
        last, step = front, 1
        while self._further(last + step):
            last, step = last + step, step * 2
        empty = last + step
        while empty - last > 1:
            middle = (last + empty) // 2
            page = self._read(middle)
            self._keep(page)
            last, empty = (middle, empty) if page else (last, middle)
        for number in range(last, front, -1):
            page = self._read(number)
            self._keep(page)
            if not any(map(self._is_wanted, page)):
                break
        return last

    def _again(self, number: int) -> None:
        while self._keep(self._read(number)):
            number += 1

    def _is_one_page(self) -> bool:
        """Whether page 0 is all, or page 1 the same one again: nothing stood anywhere else when it was read last."""
        front = self._fronts[0]
        return self._fronts in ([front], [front, front])

    def _is_in_order(self) -> bool:
        """Where the front is in no order, nothing tells that what is wanted stands at the ends."""
        return self._times in (sorted(self._times), sorted(self._times, reverse=True))

    def _further(self, number: int) -> list[One]:
        """A page further on than any before: empty, or with something new on it."""
        page = self._read(number)
        if not self._keep(page) and page and number > 1:
            raise UnexpectedAnswer("ibex's listing shows the same page again: it would never end", provider="ibex")
        return page

    def _keep(self, page: list[One]) -> bool:
        """Whether there was anything new; the later reading of a transaction counts."""
        known = len(self._found)
        self._found.update({one.id: one for one in page})
        return len(self._found) > known

    def _is_wanted(self, one: One) -> bool:
        return one.settled_at is None or max(one.created_at, one.settled_at) >= self._since

    def _is_long_over(self, one: One) -> bool:
        """What failed never settles: it stands among those that wait, and would be shown for ever."""
        return one.settled_at is None and one.status is TokenStatus.FAILED and one.created_at < self._since
