"""The entries of an on-ramp balance, and what undoes them leaves nothing behind."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.ledger import bridge_on_ramp as rules
from funding.ledger.bridge_on_ramp import Conversion
from funding.ledger.entries import Entry
from funding.money import Money

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
parts = st.integers(0, 10**15)


def conversion(came: int = 250_00, net: int = 248_500_000, fees: int = 250_000, markup: int = 1_250_000) -> Conversion:
    return Conversion(
        came=Money(came, "USD"), net=Money(net, "USDT"), fees=Money(fees, "USDT"), markup=Money(markup, "USDT")
    )


def left_by(*entries: Entry) -> dict[str, int]:
    """What each account has after these entries, without those that have nothing."""
    sums: Counter[str] = Counter()
    for entry in entries:
        for posting in entry.postings:
            account = posting.account
            sums[f"{account.owner}/{account.name}/{account.asset}"] += posting.minor
    return {name: total for name, total in sums.items() if total}


def test_a_credited_deposit_leaves_tokens_fees_and_markup_each_with_their_owner() -> None:
    made = conversion()
    assert left_by(
        rules.received("dep", made.came, "ana", AT),
        rules.converted("dep", made, "ana", AT),
        rules.credited("tx", made.net, "ana", AT),
    ) == {
        "house/ibex:clearing/USDT": 248_500_000,
        "house/bridge:fees/USDT": 250_000,
        "house/bridge:markup_kept/USDT": 1_250_000,
        "customer:ana/wallet/USDT": -248_500_000,
        "house/bridge:fees_passed_on/USDT": -250_000,
        "house/bridge:markup/USDT": -1_250_000,
    }


@given(came=parts.filter(bool), net=parts.filter(bool), fees=parts, markup=parts)
def test_what_undoes_a_conversion_and_a_receipt_leaves_nothing(came: int, net: int, fees: int, markup: int) -> None:
    made = conversion(came, net, fees, markup)
    entries = (
        rules.received("dep", made.came, None, AT),
        rules.converted("dep", made, None, AT),
        rules.unconverted("dep", made, None, AT),
        rules.given_back("dep", made.came, None, AT),
    )
    assert left_by(*entries) == {}
    assert len({(entry.cause, entry.purpose) for entry in entries}) == len(entries)


@pytest.mark.parametrize("after_conversion", [False, True])
def test_an_owner_found_late_gets_what_is_held_and_suspense_ends_empty(*, after_conversion: bool) -> None:
    made = conversion()
    held = made.net if after_conversion else made.came
    found = rules.owner_found("dep", "ana", held)
    converted = rules.converted("dep", made, None if after_conversion else "ana", AT)
    left = left_by(rules.received("dep", made.came, None, AT), found, converted)
    assert [name for name in left if "suspense" in name] == []
    assert left["customer:ana/deposit/USDT"] == -made.net.minor
