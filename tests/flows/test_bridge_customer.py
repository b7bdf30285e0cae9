"""A customer's identity check at Bridge: begun once, followed by webhook and by reading, told in plain words."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from funding.refusals import (
    ApiError,
    CustomerMissing,
    KycPending,
    LevelTooLow,
    ProviderDisabled,
    TimedOut,
)
from providers.bridge import customer_wire
from tests.support.bridge_desks import EMAIL, NAME, BridgeOffice
from tests.support.deposit_house import DepositHouse

POST = "POST /v0/kyc_links"
DAY = 86_400


@pytest.fixture
def office(house: DepositHouse) -> BridgeOffice:
    return BridgeOffice(house)


def everything_stored(house: DepositHouse) -> str:
    """Every row of every table, as text."""
    with house.begin() as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'inbox_events'")
        ).scalars()
        return "\n".join(
            str(row)
            for table in tables
            for row in connection.execute(text(f'SELECT t::text FROM "{table}" t')).scalars()  # noqa: S608 -- a name
        )


class TestBeginning:
    def test_gives_both_pages_and_the_same_ones_again(self, office: BridgeOffice) -> None:
        office.customer()
        papers = office.begin()
        assert (papers.page or "").startswith("https://")
        assert papers.terms_page
        assert office.begin() == papers
        assert len(office.world.bridge.kyc_links) == 1
        assert office.link("ana", "bridge", "customer") in office.world.bridge.customers

    def test_forgets_who_they_are_once_the_link_is_made(
        self, office: BridgeOffice, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The name and the e-mail are Bridge's to keep: not in a row, not in the key's request, not in a log."""
        office.customer()
        office.begin()
        stored = everything_stored(office.house)
        shown = "".join(capfd.readouterr())
        assert "bridge_customer" in stored
        for secret in (NAME, EMAIL, "Pires", "kyc.example"):
            assert secret not in stored
            assert secret not in shown

    @pytest.mark.parametrize("fault", ["reply_lost", "server_error"])
    def test_makes_one_customer_though_the_answer_is_lost(self, office: BridgeOffice, fault: str) -> None:
        office.customer()
        office.world.faults.set(fault, "bridge", only=POST, times=1)
        with pytest.raises(TimedOut):
            office.begin()
        office.house.pass_time(600)
        assert office.begin().page
        assert len(office.world.bridge.kyc_links) == 1

    def test_finds_the_link_that_a_dead_key_hides(self, office: BridgeOffice) -> None:
        """Two days of lost answers: the key is dead by then, and the e-mail has its link."""
        office.customer()
        office.world.faults.set("reply_lost", "bridge", only=POST)
        with pytest.raises(TimedOut):
            office.begin()
        office.house.pass_time(3 * DAY)
        assert office.flow("bridge_customer")["parked_reason"]
        office.world.faults.clear()
        assert office.house.replay() != []
        office.house.pass_time(3600)
        assert office.flow("bridge_customer")["state"] == "link_made"
        assert len(office.world.bridge.kyc_links) == 1

    def test_that_bridge_refuses_is_over_and_may_be_asked_anew(self, office: BridgeOffice) -> None:
        office.customer()
        with pytest.raises(ApiError):
            office.begin(email="")
        assert office.flow("bridge_customer")["status"] == "closed"
        assert "Pires" not in json.dumps(office.flow("bridge_customer")["data"])
        assert office.begin().page

    def test_follows_a_customer_whom_bridge_knows_already(self, office: BridgeOffice) -> None:
        office.customer()
        known = office.world.bridge.add_customer(kyc="incomplete", tos="pending").id
        office.attach("ana", known)
        assert (office.begin().page or "").startswith("https://")
        assert len(office.world.bridge.kyc_links) == 1

    def test_waits_where_bridge_has_a_link_and_no_customer_yet(
        self, office: BridgeOffice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        office.customer()
        load = customer_wire.load_kyc_link
        monkeypatch.setattr(customer_wire, "load_kyc_link", lambda value: replace(load(value), customer=None))
        assert office.begin().page
        office.house.pass_time(3600)
        assert office.links("ana", "bridge", "customer") == []
        monkeypatch.undo()
        office.house.pass_time(3600)
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(5)
        assert office.flow("bridge_customer")["state"] == "approved"

    def test_with_the_email_of_another_customer_waits_for_a_person(self, office: BridgeOffice) -> None:
        """One would otherwise be approved by the papers of the other."""
        office.customer("ana")
        office.customer("ben")
        office.begin("ana")
        with pytest.raises(TimedOut):
            office.begin("ben")
        office.house.pass_time(DAY)
        assert office.links("ben", "bridge", "customer") == []
        assert office.flow("bridge_customer")["parked_reason"]


class TestRefusing:
    def test_asks_the_flag_first_and_then_the_level(self, house: DepositHouse) -> None:
        BridgeOffice(house).customer(level=1)
        with pytest.raises(ProviderDisabled):
            BridgeOffice(house, bridge=False).begin()
        with pytest.raises(LevelTooLow):
            BridgeOffice(house).begin()
        assert not house.world.bridge.customers

    def test_of_a_customer_nobody_knows(self, office: BridgeOffice) -> None:
        with pytest.raises(CustomerMissing):
            office.begin("zoe")
        with pytest.raises(CustomerMissing):
            office.desk.kyc_status("zoe")

    def test_finishes_though_the_flag_goes_off_meanwhile(self, house: DepositHouse) -> None:
        office = BridgeOffice(house)
        office.customer()
        office.begin()
        office.decide(kyc="approved", tos="approved")
        house.pass_time(5)
        with pytest.raises(ProviderDisabled):
            BridgeOffice(house, bridge=False).begin()
        assert office.flow("bridge_customer")["state"] == "approved"


class TestFollowing:
    def test_tells_the_customer_once_when_bridge_approves(self, office: BridgeOffice) -> None:
        office.customer()
        office.begin()
        office.decide(kyc="under_review")
        office.house.pass_time(5)
        assert office.flow("bridge_customer")["state"] == "pending"
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(5)
        assert office.flow("bridge_customer")["state"] == "approved"
        office.house.pass_time(DAY)
        assert office.house.told() == ["kyc.approved"]

    def test_needs_the_terms_too(self, office: BridgeOffice) -> None:
        """Approved alone, a customer could be given an account that Bridge then refuses."""
        office.customer()
        office.begin()
        office.decide(kyc="approved")
        office.house.pass_time(60)
        assert office.flow("bridge_customer")["state"] == "link_made"
        assert office.house.told() == []
        assert "terms" in office.desk.kyc_status("ana").text

    def test_finds_out_though_no_webhook_comes(self, office: BridgeOffice) -> None:
        office.customer()
        office.begin()
        office.world.faults.set("webhook_dropped", "bridge")
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(2 * 3600)
        assert office.flow("bridge_customer")["state"] == "approved"

    def test_asks_once_a_day_of_who_never_comes_back(self, office: BridgeOffice) -> None:
        """Every such customer would otherwise be read each hour for ever."""
        office.customer()
        office.begin()
        office.house.pass_time(3 * DAY)
        waits = office.house.one("SELECT due_at - rk_now() > interval '2 hours' FROM flows")
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(5)
        assert waits
        assert office.flow("bridge_customer")["state"] == "approved"

    def test_tells_why_in_plain_words(self, office: BridgeOffice) -> None:
        """Never Bridge's words: they may say what was found suspicious."""
        office.customer()
        office.begin()
        office.decide(kyc="rejected", reasons=["ID is expired.", "Compromised ID detected", "No address found"])
        office.house.pass_time(5)
        [told] = office.texts("kyc.rejected")
        assert told == (
            "The identity check was not passed. The identity document has expired. The information given could not be "
            "verified. The address could not be confirmed."
        )
        assert "Compromised" not in everything_stored(office.house)
        assert office.desk.kyc_status("ana").text == told

    def test_lets_a_rejected_customer_in_later(self, office: BridgeOffice) -> None:
        office.customer()
        office.begin()
        office.decide(kyc="rejected", reasons=["ID is expired."])
        office.house.pass_time(5)
        assert office.begin().page, "the same page, to try again on"
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(5)
        assert office.house.told() == ["kyc.rejected", "kyc.approved"]

    @pytest.mark.parametrize("stopped", ["paused", "offboarded"])
    def test_knows_a_customer_who_is_stopped_and_let_go_on(self, office: BridgeOffice, stopped: str) -> None:
        office.approved()
        office.decide(kyc=stopped)
        office.house.pass_time(5)
        assert office.flow("bridge_customer")["state"] == "suspended"
        assert "suspended" in office.desk.kyc_status("ana").text
        office.decide(kyc="approved")
        office.house.pass_time(5)
        assert office.flow("bridge_customer")["state"] == "approved"
        assert office.house.told() == ["kyc.approved"], "that they are back is no news to them"

    def test_reads_again_what_is_older_than_its_webhook(self, office: BridgeOffice) -> None:
        office.customer()
        office.begin()
        office.world.faults.set("stale_read", "bridge", times=2)
        office.decide(kyc="approved", tos="approved")
        office.house.pass_time(30)
        assert office.flow("bridge_customer")["state"] == "approved"

    def test_waits_with_a_break_on_a_word_that_is_not_documented(self, office: BridgeOffice) -> None:
        office.customer()
        office.begin()
        office.world.faults.set("unknown_status", "bridge", status="Being_Considered")
        office.house.pass_time(3600)
        assert office.flow("bridge_customer")["state"] == "link_made"
        assert ("bridge", "state_differs") in office.house.open_breaks()

    def test_of_a_seeds_webhook_is_the_same(self, house: DepositHouse) -> None:
        """The seed says kyc.approved without a time; it is a hint all the same, and no more."""
        office = BridgeOffice(house)
        office.customer()
        office.begin()
        office.world.bridge.endpoints.announce_in_seed_way(
            "kyc", "kyc.approved", {"customer_id": office.at_bridge().id, "kyc_status": "approved"}
        )
        house.pass_time(600)
        assert office.flow("bridge_customer")["state"] == "link_made"
        with pytest.raises(KycPending):
            office.open()
