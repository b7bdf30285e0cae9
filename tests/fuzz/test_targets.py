"""Any bytes at all, and bytes that were nearly right: each target holds. What once broke one is tried again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.at_the_door import answer_to
from tests.fuzz.seeds_of import seeds_of
from tests.fuzz.targets import TARGETS

KEPT = {f"{name}-{seed.name}": (name, seed) for name in TARGETS for seed in seeds_of(name)}
ODD = [
    *(b"", b"\0", b"\r\n", b"\n\n", b'"', b"\\", b"{", b"}", b"[", b",", b"\xff", b"\xef\xbb\xbf", b"-", b"*", b"%00"),
    *(b"null", b"1e400", b"NaN", b"\\ud800", b"\\u0000", "\u0661".encode(), b"9" * 40, b"0" * 5000, b"[" * 3000),
]


@st.composite
def nearly(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with a few pieces cut out, doubled, or replaced by something odd."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(start + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 16])), len(data))
        put = draw(st.sampled_from(ODD) | st.binary(max_size=8) | st.just(data[start:end] * 2))
        data = data[:start] + put + data[end:]
    return data


@pytest.mark.parametrize("kept", KEPT)
def test_what_was_found_before_holds(kept: str) -> None:
    name, seed = KEPT[kept]
    TARGETS[name](seed.read_bytes())


def test_what_the_door_begins_with_reaches_every_check() -> None:
    """Fuzzing from requests that are all turned away at the first would show nothing."""
    answers = {seed.name: answer_to(seed.read_bytes()) for seed in seeds_of("door")}
    assert answers == {
        **dict.fromkeys(["chunked", "legacy", "signed"], 200),
        **dict.fromkeys(["bridge", "bridge-alias", "ibex", "ibex-header", "stripe", "stripe-alias"], 200),
        **dict.fromkeys(["not-an-object", "too-short", "ibex-text"], 400),
        **dict.fromkeys(["both", "bridge-old", "ibex-wrong"], 401),
        "odd-length": 200,
        "other-path": 404,
        "too-large": 413,
        "text": 415,
        "got": 405,
    }


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_nearly_right_holds(name: str) -> None:
    @settings(max_examples=60)
    @given(nearly([seed.read_bytes() for seed in seeds_of(name)]) | st.binary(max_size=200))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()
