"""What refunds and disputes leave of a payment: each movement once, in whatever order and however often it is read."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.flows import stripe_takings as takings
from funding.flows.stripe_takings import Purse, Settled, Taking
from funding.money import Money
from funding.ports.stripe import Dispute, Refund, RefundStatus

CREDITED = Money(100_00, "USD")
UNCLAIMED = Purse(customer="ana", credited=CREDITED, claimed=False, cash=Money(0, "USD"))
CLAIMED = replace(UNCLAIMED, claimed=True, cash=CREDITED)
NOBODYS = replace(UNCLAIMED, customer=None)
GONE = [RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED, RefundStatus.UNKNOWN]
BACK = [RefundStatus.FAILED, RefundStatus.CANCELED]


def a_refund(minor: int = 40_00, status: RefundStatus = RefundStatus.SUCCEEDED, name: str = "re_1") -> Refund:
    return Refund(id=name, payment_intent="pi_1", amount=Money(minor, "USD"), status=status, raw_status=status.value)


def a_dispute(status: str = "needs_response", *, withdrawn: bool = True, minor: int = 100_00) -> Dispute:
    closed = status in {"won", "lost", "warning_closed", "prevented"}
    return Dispute(
        id="dp_1",
        payment_intent="pi_1",
        amount=Money(minor, "USD"),
        raw_status=status,
        withdrawn=withdrawn,
        closed=closed,
    )


def read(
    *what: Refund | Dispute, before: Sequence[Taking] = (), purse: Purse = UNCLAIMED, believe: bool = False
) -> Settled:
    refunds = [one for one in what if isinstance(one, Refund)]
    disputes = [one for one in what if isinstance(one, Dispute)]
    return takings.settle(before, refunds, disputes, purse, believe=believe)


def moved(settled: Settled) -> list[tuple[str, str]]:
    return [(one.cause, one.purpose) for one in settled.entries]


class TestARefund:
    @pytest.mark.parametrize("status", GONE)
    def test_takes_its_money_when_it_is_made(self, status: RefundStatus) -> None:
        settled = read(a_refund(status=status))
        assert moved(settled) == [("stripe/refund/re_1", "taken")]
        assert takings.left_to_claim(settled.takings, CREDITED) == Money(60_00, "USD")

    @pytest.mark.parametrize("status", BACK)
    def test_that_had_failed_before_it_was_seen_moves_nothing(self, status: RefundStatus) -> None:
        assert read(a_refund(status=status)).entries == ()

    @pytest.mark.parametrize("status", BACK)
    def test_that_fails_gives_back_what_it_took_and_for_good(self, status: RefundStatus) -> None:
        taken = read(a_refund())
        back = read(a_refund(status=status), before=taken.takings)
        assert moved(back) == [("stripe/refund/re_1", "given_back")]
        assert back.entries[0].reverses == ("stripe/refund/re_1", "taken")
        again = read(a_refund(), before=back.takings)
        assert (again.doubted, again.entries) == (True, ())
        assert read(a_refund(), before=back.takings, believe=True).entries == ()

    def test_read_again_changes_nothing(self) -> None:
        taken = read(a_refund())
        assert read(a_refund(), before=taken.takings).changed is False

    def test_that_is_missing_of_a_sudden_is_an_older_reading(self) -> None:
        taken = read(a_refund())
        assert read(before=taken.takings).doubted
        believed = read(before=taken.takings, believe=True)
        assert (believed.doubted, believed.takings) == (False, taken.takings)

    def test_is_told_when_its_amount_is_another_later(self) -> None:
        taken = read(a_refund(40_00))
        later = read(a_refund(50_00), before=taken.takings)
        assert later.entries == ()
        assert [(was.amount.minor, now.minor) for was, now in later.resized] == [(40_00, 50_00)]

    def test_in_a_status_nobody_documented_counts_as_gone_and_is_told(self) -> None:
        settled = read(a_refund(status=RefundStatus.UNKNOWN))
        assert settled.unknown == ("refund/re_1 is unknown",)


class TestADispute:
    def test_takes_and_gives_back_as_often_as_it_moves_under_a_cause_of_its_own(self) -> None:
        first = read(a_dispute())
        back = read(a_dispute("won", withdrawn=False), before=first.takings)
        again = read(a_dispute("appeal_under_review"), before=back.takings)
        ended = read(a_dispute("won", withdrawn=False), before=again.takings)
        assert [cause for one in (first, back, again, ended) for cause in moved(one)] == [
            ("stripe/dispute/dp_1", "taken"),
            ("stripe/dispute/dp_1", "given_back"),
            ("stripe/dispute/dp_1/2", "taken"),
            ("stripe/dispute/dp_1/2", "given_back"),
        ]

    @pytest.mark.parametrize(
        ("before", "now"),
        [
            (a_dispute("lost"), a_dispute("under_review")),
            (a_dispute("needs_response"), a_dispute("needs_response", withdrawn=False)),
        ],
        ids=["open again without an appeal", "given back while the bank decides"],
    )
    def test_that_stands_where_it_stood_before_is_doubted_at_first(self, before: Dispute, now: Dispute) -> None:
        known = read(before).takings
        assert read(now, before=known).doubted
        assert not read(now, before=known, believe=True).doubted

    def test_whose_money_is_gone_once_it_is_won_is_gone(self) -> None:
        """The end and the money come apart: `closed` may be told before `funds_reinstated`."""
        taken = read(a_dispute())
        won = read(a_dispute("won"), before=taken.takings)
        assert (won.entries, takings.outstanding(won.takings)) == ((), 100_00)


class TestWhereItIsTakenFrom:
    @pytest.mark.parametrize(
        ("purse", "parts"),
        [
            (UNCLAIMED, {"top_up": 100_00}),
            (CLAIMED, {"cash": 100_00}),
            (NOBODYS, {"suspense": 100_00}),
            (replace(CLAIMED, cash=Money(30_00, "USD")), {"cash": 30_00, "receivable": 70_00}),
            (replace(CLAIMED, cash=Money(0, "USD")), {"receivable": 100_00}),
            (replace(CLAIMED, cash=Money(-5_00, "USD")), {"receivable": 100_00}),
        ],
    )
    def test_is_where_the_top_up_is_and_else_it_is_owed(self, purse: Purse, parts: dict[str, int]) -> None:
        assert read(a_dispute(), purse=purse).takings[0].parts == parts

    def test_of_two_at_once_is_shared_out_between_them(self) -> None:
        purse = replace(CLAIMED, cash=Money(50_00, "USD"))
        settled = read(a_refund(40_00), a_refund(40_00, name="re_2"), purse=purse)
        assert [one.parts for one in settled.takings] == [{"cash": 40_00}, {"cash": 10_00, "receivable": 30_00}]

    def test_is_not_where_it_comes_back_to_when_it_was_claimed_meanwhile(self) -> None:
        taken = read(a_refund(), purse=UNCLAIMED)
        back = read(a_refund(status=RefundStatus.FAILED), before=taken.takings, purse=CLAIMED)
        credited = [one.account.name for one in back.entries[0].postings if one.minor < 0]
        assert (credited, back.entries[0].reverses) == (["cash"], None)


STEPS = st.lists(
    st.tuples(st.sampled_from([*GONE, *BACK]), st.sampled_from(["needs_response", "lost", "won"]), st.booleans()),
    min_size=1,
    max_size=8,
)


class TestAnyReadings:
    @given(steps=STEPS, claimed=st.booleans(), cash=st.integers(0, 120_00))
    def test_keep_the_books_equal_to_what_is_gone(
        self, *, steps: list[tuple[RefundStatus, str, bool]], claimed: bool, cash: int
    ) -> None:
        """Every entry balances, and all entries together are what the takings say."""
        purse = replace(UNCLAIMED, claimed=claimed, cash=Money(cash, "USD"))
        known: tuple[Taking, ...] = ()
        clearing = 0
        causes = []
        for status, word, withdrawn in steps:
            settled = read(
                a_refund(status=status), a_dispute(word, withdrawn=withdrawn), before=known, purse=purse, believe=True
            )
            for one in settled.entries:
                clearing += sum(p.minor for p in one.postings if p.account.name == "stripe:clearing")
                causes.append((one.cause, one.purpose))
            known = takings.known({"takings": settled.kept()}, "USD")
            assert known == settled.takings
        assert clearing == -takings.outstanding(known)
        assert len(set(causes)) == len(causes)
