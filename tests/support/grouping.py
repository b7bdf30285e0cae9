"""Which tests share something dear, and so run in one worker of a parallel run, one after the other.

By path, because the groups of pytest-xdist 3.8 do not arrive under pytest 9.2: it writes them to an attribute of the
test that is not read any more.
"""

from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # it ships no types

TOGETHER: Final = (
    "tests/crash/",  # one running system
    "tests/pages/desk/",  # one day at the desk, and a browser
    "tests/integration/test_bin_setup.py",  # one checkout with its virtual environment
)


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc] # the same
    """Hands out every test for itself, but those of `TOGETHER` as one, the largest lot first."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)
