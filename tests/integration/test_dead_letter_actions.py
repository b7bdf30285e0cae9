"""Dead letters replayed and abandoned."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from db.engine import unit_of_work
from db.replay import Filter
from ops.actions import dead_letters as actions
from ops.actions.dead_letters import Answer
from ops.actions.desk import Desk
from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_dead_event, add_ownerless, add_parked, digests


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(begin=unit_of_work(engine), by="ops")


def flow_row(connection: Connection, flow: UUID) -> Any:
    return connection.execute(
        text("SELECT *, due_at <= rk_now() AS due_now FROM flows WHERE id = :id"), {"id": flow}
    ).one()


def letter_row(connection: Connection, letter: UUID) -> Any:
    return connection.execute(text("SELECT * FROM dead_letters WHERE id = :id"), {"id": letter}).one()


class TestReplay:
    def test_makes_the_flow_due_with_all_its_tries(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
            connection.execute(text("UPDATE flows SET tries = 3"))

        (result,) = rampkeeper.json("dead-letters", "replay", str(parked.letter), "--yes", "--by", "ana")

        assert (result["result"], result["step"], result["after"]) == ("replaying", "fund_brokerage", "0s")
        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
            assert (flow.parked_at, flow.parked_reason, flow.tries, flow.wakes) == (None, None, 0, 1)
            assert flow.due_now
            assert letter_row(connection, parked.letter).status == "replaying"
            line = connection.execute(text("SELECT actor, action, subject FROM audit_log")).one()
            assert tuple(line) == ("ana", "dead_letter.replay", str(parked.letter))

    def test_takes_the_claim_from_a_step_that_only_listens(self, engine: Engine, desk: Desk) -> None:
        """It would park the flow again, and the replay would be lost."""
        with engine.begin() as connection:
            parked = add_parked(connection)
            connection.execute(text("UPDATE flows SET attempt_id = :a, session_id = :a, fence = 1"), {"a": uuid4()})

        actions.replay_letters(desk, actions.find(desk, Filter(ids=[parked.letter])))

        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
        assert (flow.attempt_id, flow.fence, flow.due_now) == (None, 2, True)

    def test_puts_an_event_back_in_the_inbox(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            event, letter = add_dead_event(connection)

        (result,) = rampkeeper.json("dead-letters", "replay", str(letter), "--yes")

        assert (result["result"], result["event"]) == ("replaying", str(event))
        with engine.begin() as connection:
            row = connection.execute(text("SELECT state, due_at, attempts, handled_at FROM inbox_events")).one()
        assert (row.state, row.attempts, row.handled_at) == ("received", 0, None)
        assert row.due_at is not None

    def test_goes_group_by_group_oldest_first_and_no_faster_than_asked(
        self, engine: Engine, rampkeeper: CommandLine
    ) -> None:
        letters = []
        for customer in ("ana", "bo", "ana"):
            with engine.begin() as connection:
                letters.append(add_parked(connection, customer=customer))
        with engine.begin() as connection:
            other = add_parked(connection, error="unknown")
            group = letter_row(connection, letters[0].letter).fingerprint

        results = rampkeeper.json("dead-letters", "replay", "--group", group, "--rate", "1", "--yes")

        assert [result["letter"] for result in results] == [str(parked.letter) for parked in letters]
        assert [result["after"] for result in results] == ["0s", "1s", "2s"]
        with engine.begin() as connection:
            due = [flow_row(connection, parked.flow).due_at for parked in letters]
            assert due == sorted(due)
            assert (due[2] - due[0]).total_seconds() > 1.9
            assert letter_row(connection, other.letter).status == "open"

    def test_changes_nothing_when_run_dry(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_parked(connection)
            add_dead_event(connection)
            before = digests(connection)

        results = rampkeeper.json("dead-letters", "replay", "--all", "--dry-run")

        assert [(result["result"], result["step"]) for result in results] == [
            ("would replay", "fund_brokerage"),
            ("would replay", "ingest"),
        ]
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_answers_for_letters_it_leaves_alone(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            moved, under_way, over = add_parked(connection), add_parked(connection), add_parked(connection)
            connection.execute(
                text("UPDATE flows SET parked_at = NULL, due_at = rk_now() WHERE id = :id"), {"id": moved.flow}
            )
            set_status = text("UPDATE dead_letters SET status = :status WHERE id = :id")
            connection.execute(set_status, {"status": "replaying", "id": under_way.letter})
            connection.execute(set_status, {"status": "abandoned", "id": over.letter})
        ids = [str(parked.letter) for parked in (moved, under_way, over)]

        results = rampkeeper.json("dead-letters", "replay", *ids, "--yes", expect=1)

        answers = {result["letter"]: result["result"] for result in results}
        assert [answers[letter] for letter in ids] == ["already moved", "already replaying", "not open"]
        with engine.begin() as connection:
            assert letter_row(connection, moved.letter).status == "resolved"

    def test_lets_one_of_two_replays_have_each_letter(self, engine: Engine, desk: Desk) -> None:
        """Two people press the button at once: each payment is tried once."""
        with engine.begin() as connection:
            letters = [add_parked(connection).letter for _ in range(20)]
        found = actions.find(desk, Filter(ids=letters))
        start = threading.Barrier(2)
        answers: list[list[Answer]] = []

        def press() -> None:
            start.wait()
            answers.append([result.answer for result in actions.replay_letters(desk, found)])

        threads = [threading.Thread(target=press) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(sorted(pair) == ["already replaying", "replaying"] for pair in zip(*answers, strict=True))
        with engine.begin() as connection:
            assert connection.execute(text("SELECT sum(wakes) FROM flows")).scalar_one() == 20

    def test_wants_to_be_told_which(self, rampkeeper: CommandLine) -> None:
        result = rampkeeper("dead-letters", "replay", "--yes", expect=2)

        assert "say which" in result.stderr

    def test_refuses_in_a_pipe_without_yes(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_parked(connection)
            before = digests(connection)

        result = rampkeeper("dead-letters", "replay", "--all", expect=2)

        assert "Add --yes" in result.stderr
        with engine.begin() as connection:
            assert digests(connection) == before


class TestAbandon:
    def test_closes_the_flow_where_it_stands(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)

        rampkeeper("dead-letters", "abandon", str(parked.letter), "--reason", "paid by hand", "--yes", "--by", "ana")

        shown = rampkeeper.json("flows", "show", str(parked.flow))
        assert (shown["state"], shown["final"], shown["parked"], shown["due_at"]) == (
            "off_ramp_completed", True, False, None,
        )  # fmt: skip
        assert shown["reason"].startswith("Alpaca rejected")
        assert shown["transitions"][-1]["reason"] == "abandoned: paid by hand"
        assert (shown["dead_letters"][0]["status"], shown["dead_letters"][0]["resolved_by"]) == ("abandoned", "abandon")

    def test_keeps_a_break_open_for_money_the_ledger_still_holds(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """Giving up on a flow must not make its money invisible."""
        with engine.begin() as connection:
            parked = add_ownerless(connection)

        told = rampkeeper("dead-letters", "abandon", str(parked.letter), "--reason", "nobody claims it", "--yes")

        assert "the ledger still holds 250.000000 USDC: a break is open" in told.stdout
        with engine.begin() as connection:
            found = connection.execute(
                text("SELECT amount_at_risk, asset FROM breaks WHERE status = 'open' AND type = 'balance_differs'")
            ).one()
        assert (int(found.amount_at_risk), found.asset) == (250_000_000, "USDC")

    def test_refuses_what_has_moved_on(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
            connection.execute(text("UPDATE flows SET parked_at = NULL, due_at = rk_now()"))
            before = digests(connection)

        result = rampkeeper("dead-letters", "abandon", str(parked.letter), "--reason", "old", "--yes", expect=1)

        assert "not abandoned: it has moved on meanwhile" in result.stderr
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_leaves_an_abandoned_event_dead(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            event, letter = add_dead_event(connection)

        rampkeeper("dead-letters", "abandon", str(letter), "--reason", "a test event of theirs", "--yes")

        assert rampkeeper.json("events", "show", str(event))["state"] == "dead"
