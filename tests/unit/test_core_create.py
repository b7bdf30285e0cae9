"""What becomes of an intention, by how its sending ended: a first call says it all, a repeat nothing of the first."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from funding.calls import Arrivals, Call, Ports
from funding.errors import (
    Misconfigured,
    NeedsPerson,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    WouldCreate,
)
from funding.ledger.entries import LedgerAccount
from funding.money import Money
from funding.policy import Policy
from funding.snapshot import Intention, Snapshot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = Policy(
    provider="alpaca",
    key_lifetime=timedelta(hours=24),
    can_look_up=True,
    assumed_rate_per_minute=60,
    rate_documented=False,
)
FLOW = Snapshot(
    id=uuid4(),
    kind="due_deposit",
    state="off_ramp_completed",
    status="open",
    customer="ana",
    amount=None,
    amount_out=None,
    data={},
    hints={},
    visit=3,
    tries=0,
    snoozes=0,
    misses=0,
    created_at=NOW,
    moved_at=NOW,
    watch_until=None,
    now=NOW,
    parked=False,
    look_first=False,
    references=(),
    links=(),
    intentions=(),
)


def kept(outcome: str = "unknown", request: str = "{}") -> Intention:
    return Intention(
        key=uuid4(),
        call="journal",
        generation=0,
        request=request,
        born_at=NOW - timedelta(minutes=5),
        sends=1,
        settle_from=NOW - timedelta(minutes=4),
        outcome=outcome,
        look_ups=0,
        looked_at=None,
    )


class Nobody:
    """No other flow anywhere."""

    def owned(self, provider: str, kind: str, ids: Sequence[str]) -> Collection[str]:
        return ()

    def one_before(self, provider: str, kind: str, *, alike: str) -> bool:
        return False

    def one_alike(self, provider: str, kind: str, *, alike: str) -> bool:
        return False

    def on_ramp_waits(self, amount: Money, *, chain_hash: str | None) -> bool:
        return False

    def arrivals(self, provider: str, account: str, *, since: datetime) -> Arrivals:
        return Arrivals((), polled=False)

    def under_way(self, kinds: Sequence[str]) -> bool:
        return False

    def available(self, account: LedgerAccount) -> Money:
        return Money(0, account.asset)


class Store:
    """Writes nothing down but what was opened."""

    def __init__(self) -> None:
        self.opened: list[int] = []

    def open(self, *, call: str, generation: int, key: UUID, request: str) -> Intention:
        self.opened.append(generation)
        return replace(kept("sent", request), call=call, generation=generation, key=key)

    def looked(self, key: UUID) -> Intention:
        raise AssertionError(f"nothing was to be looked up for {key}")


def a_call(*intentions: Intention, parked: bool = False) -> Call:
    ports = Ports(each={}, policies={"alpaca": POLICY})
    flow = replace(FLOW, intentions=intentions, parked=parked)
    return Call(flow=flow, step="fund_brokerage", ports=ports, intentions=Store(), others=Nobody())


def made(call: Call, error: Exception | None = None, found: list[str] | None = None) -> str:
    def send(_request: str, _key: UUID) -> str:
        if error is not None:
            raise error
        return "journal"

    return call.create("journal", provider="alpaca", request="{}", send=send, look_up=lambda: found or [])


SENT_FIRST = [
    (ProviderUnavailable("refused", provider="alpaca"), "unsent"),
    (ProviderThrottled("our own limit", provider="alpaca"), "unsent"),
    (ProviderThrottled("slow down", provider="alpaca", status=429), "refused"),
    (Misconfigured("who are you", provider="alpaca", status=401), "refused"),
    (ProviderRejected("no", provider="alpaca", status=422), "refused"),
    (OutcomeUnknown("reset", provider="alpaca"), "unknown"),
    (OutcomeUnknown("500", provider="alpaca", status=500), "answered_5xx"),
]


@pytest.mark.parametrize(("error", "outcome"), SENT_FIRST)
def test_a_first_sending_tells_what_happened(error: ProviderError, outcome: str) -> None:
    call = a_call()
    with pytest.raises(type(error)):
        made(call, error)
    assert [said for _, said in call.results] == [outcome]


@pytest.mark.parametrize("error", [error for error, outcome in SENT_FIRST if outcome in {"unsent", "refused"}])
def test_a_repeat_that_did_nothing_says_nothing_of_the_first(error: ProviderError) -> None:
    """Its key must not be given up: what the first call made would be made again under the next one."""
    call = a_call(kept())
    with pytest.raises(ProviderError):
        made(call, error)
    assert {said for _, said in call.results} <= {"answered_5xx"}


def test_other_bytes_under_a_live_key_are_refused_by_us() -> None:
    with pytest.raises(NeedsPerson, match="another content"):
        made(a_call(kept(request='{"amount":"1"}')))


def test_other_bytes_under_a_key_that_never_left_are_sent() -> None:
    assert made(a_call(kept("unsent", request='{"amount":"1"}'))) == "journal"


def test_a_parked_flow_finds_and_never_makes() -> None:
    assert made(a_call(kept(), parked=True), found=["found"]) == "found"
    for call in (a_call(parked=True), a_call(kept(), parked=True)):
        with pytest.raises(WouldCreate):
            made(call)
        assert call.results == []


def test_two_objects_under_one_reference_are_a_persons() -> None:
    with pytest.raises(NeedsPerson, match="2 objects"):
        made(a_call(kept(), parked=True), found=["one", "two"])


@pytest.mark.parametrize(
    ("known", "looked"),
    [((), True), ((kept("refused"),), True), ((kept("unsent"),), True), ((kept(),), False), ((kept("sent"),), False)],
    ids=["nothing", "a refusal", "what never left", "an unknown end", "a sending"],
)
def test_who_was_told_of_one_looks_unless_its_own_call_can_be_answered_again(
    known: tuple[Intention, ...], *, looked: bool
) -> None:
    """A live key answers at once; a look-up would wait until the old call can no longer take effect."""
    asked: list[str] = []

    def look_up() -> list[str]:
        asked.append("looked")
        return ["journal"]

    call = a_call(*known)
    answer = call.create(
        "journal", provider="alpaca", request="{}", send=lambda *_: "again", look_up=look_up, told_of_one=True
    )

    assert (answer, bool(asked)) == (("journal", True) if looked else ("again", False))
