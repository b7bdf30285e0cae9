"""What the pages say of on-ramps, withdrawals, top-ups and identity checks: in words that fit them."""

import re

import pytest

from tests.pages.desk.test_content import words
from tests.support.command_line import CommandLine
from tests.support.ramps_scene import RampsScene
from tests.support.visitor import Visitor


@pytest.fixture
def story(ana: Visitor, scene: RampsScene) -> "Story":
    return Story(ana, scene)


class Story:
    """The page of a flow, as a person reads it."""

    def __init__(self, visitor: Visitor, scene: RampsScene) -> None:
        self._visitor, self._scene = visitor, scene

    def __call__(self, name: str) -> str:
        return words(self._visitor.get(f"/flows/{self._scene.named[name]}").text)


def test_an_on_ramps_story_shows_dollars_becoming_tokens_and_our_markup(story: Story) -> None:
    said = story("credited")
    assert "250.00 USD → 248.750000 USDT finished" in said
    assert "Bridge on-ramp" in said
    assert "Converting → sent on chain" in said
    assert re.search(r"bridge:markup posted 1.250000 USDT", said)
    assert "Your backend told: deposit.funded" in said
    assert "IBEX transaction" in said


def test_a_withdrawal_that_came_back_is_not_called_finished(story: Story) -> None:
    said = story("returned")
    assert "250.00 USD released" in said
    assert "sent to Bridge" in said
    assert "IBEX: send done sent 1 time" in said
    assert "Your backend told: withdrawal.returned" in said
    assert "Booked: back in wallet" in said
    assert "250.00 USD finished" in story("paid_out")


def test_a_top_up_is_followed_from_its_session_to_the_claim(story: Story) -> None:
    said = story("claimed")
    assert "100.000000 USDC finished" in said
    assert "Stripe top-up" in said
    assert "Stripe: session done sent 1 time" in said
    assert "Claimable → claimed" in said


def test_a_dispute_says_what_a_person_must_do(story: Story) -> None:
    said = story("disputed")
    assert "60.00 USD moving" in said
    assert "answer it at Stripe before its evidence is due" in said
    assert "took 60.00 USD" in said


@pytest.mark.parametrize(
    ("name", "heading"),
    [("rejected", "Identity check at Bridge rejected"), ("opened", "Virtual account at Bridge finished")],
)
def test_a_flow_without_money_says_what_it_is_about(story: Story, name: str, heading: str) -> None:
    said = story(name)
    assert heading in said
    assert "It moves no money, so nothing is booked." in said
    assert "Amount not known yet" not in said
    assert "eve@example.com" not in said


def test_what_is_parked_says_what_is_missing(story: Story) -> None:
    assert "which no customer has. It is in suspense." in story("ownerless")
    assert "customer cus_finn has no IBEX account linked" in story("waiting")


def test_the_lists_name_every_kind_and_how_it_ended(ana: Visitor, scene: RampsScene) -> None:
    said = words(ana.get("/flows?view=all").text)
    for kind in ("Bridge on-ramp", "Bridge withdrawal", "Stripe top-up", "Bridge customer", "Bridge virtual account"):
        assert kind in said
    for standing in ("released", "rejected", "parked", "moving"):
        assert standing in said
    assert "due deposit" not in said


def test_the_overview_counts_every_kind_and_knows_every_provider(ana: Visitor, scene: RampsScene) -> None:
    said = words(ana.get("/").text)
    assert "Moving 1 oldest opened" in said
    assert "Parked 2 waiting for a person" in said
    assert "310.00 USD, 248.750000 USDT at risk" in said
    for provider in ("Due", "Alpaca", "Bridge", "IBEX", "Stripe"):
        assert f"{provider} open for calls" in said


def test_the_day_report_tells_each_kind_in_its_own_currency(engine_url: str, scene: RampsScene) -> None:
    report = CommandLine(engine_url)("report", "daily", "--format", "text").output
    for kind in ("bridge_on_ramp", "bridge_withdrawal", "stripe_top_up", "bridge_customer"):
        assert kind in report
    assert "ledger" in report
    assert "DOES NOT BALANCE" not in report


@pytest.fixture(scope="session")
def engine_url(engine: object) -> str:
    return str(engine.url.render_as_string(hide_password=False))  # type: ignore[attr-defined]  # an Engine's
