"""Alpaca's event streams: replay by time and id, live frames, heartbeats, and what can go wrong with them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.contract.sandbox.stage import Stage, wait_for

JOURNALS = "/v2/events/journals/status"
ALWAYS = "since=2020-01-01&until=2999-01-01T00:00:00Z"


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def replay(stage: Stage, query: str = ALWAYS) -> list[dict[str, Any]]:
    return frames(stage.alpaca.get(f"{JOURNALS}?{query}").text)


@contextmanager
def live(stage: Stage, query: str = "", path: str = JOURNALS) -> Iterator[Iterator[str]]:
    """The lines of an open stream, from its first comment on."""
    with stage.alpaca.get(f"{path}?{query}", stream=True) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = (line.decode() for line in answer.iter_lines(chunk_size=1) if line)
        yield lines


def settle(stage: Stage, count: int = 1) -> None:
    for _ in range(count):
        stage.journal()
    wait_for(lambda: len(replay(stage)) == 3 * len(stage.alpaca.get("/v1/journals").json()))


class TestReplay:
    def test_gives_the_history_and_closes(self, stage: Stage) -> None:
        stage.journal(key="k1", description="deposit dep_01")
        settle(stage)
        first = replay(stage)[0]
        assert first["status_from"] == ""
        assert (first["status_to"], first["description"]) == ("queued", "deposit dep_01")
        assert (first["idempotency_key"], first["idempotency_key_type"]) == ("k1", "single")

    def test_by_id_takes_ids_of_events_and_of_none(self, stage: Stage) -> None:
        settle(stage)
        ids = [frame["event_id"] for frame in replay(stage)]
        assert [one["event_id"] for one in replay(stage, f"since_id={ids[1]}&until_id={ids[1]}")] == [ids[1]]
        everything = f"since_id=01KJWPNM0R0000000000000000&until_id={'7' + 'Z' * 25}"
        assert [one["event_id"] for one in replay(stage, everything)] == ids

    @pytest.mark.parametrize(
        "query",
        [
            "since=2020-01-01&since_id=01KJWPNM0R0000000000000000",
            "until=2020-01-01",
            "until_id=01KJWPNM0R0000000000000000",
            "since=yesterday",
            "since_id=1",
        ],
    )
    def test_refuses_bounds_that_make_no_sense(self, stage: Stage, query: str) -> None:
        assert stage.alpaca.get(f"{JOURNALS}?{query}").status_code == 422

    def test_the_legacy_stream_is_gone(self, stage: Stage) -> None:
        assert stage.alpaca.get("/v1/events/transfers/status").status_code == 410


class TestLive:
    def test_without_a_cursor_only_new_events_come_and_heartbeats_between(self, stage: Stage) -> None:
        settle(stage)
        with live(stage) as lines:
            assert next(lines) == ":connected"
            assert next(lines) == ":heartbeat"
            stage.journal(description="new")
            seen = [json.loads(line[6:]) for line in (next(lines) for _ in range(20)) if line.startswith("data: ")]
        assert {frame["description"] for frame in seen} == {"new"}
        assert [frame["status_to"] for frame in seen[:3]] == ["queued", "sent_to_clearing", "executed"]

    def test_with_a_start_the_history_comes_first(self, stage: Stage) -> None:
        settle(stage)
        with live(stage, "since=2020-01-01") as lines:
            history = [json.loads(next(lines)[6:])["status_to"] for _ in range(3)]
            stage.journal()
            fresh = next(line for line in lines if line.startswith("data: "))
        assert history == ["queued", "sent_to_clearing", "executed"]
        assert json.loads(fresh[6:])["status_to"] == "queued"

    def test_funding_is_alive_and_empty(self, stage: Stage) -> None:
        with live(stage, path="/v2/events/funding/status") as lines:
            assert [next(lines) for _ in range(3)] == [":connected", ":heartbeat", ":heartbeat"]

    def test_ends_when_the_server_stops(self, stage: Stage) -> None:
        with live(stage) as lines:
            next(lines)
            stage.server.stop()
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                list(lines)


class TestMisbehaviour:
    def see(self, stage: Stage, fault: str, **params: Any) -> list[str]:
        """Everything a live reader gets while one journal goes its way, until it is executed or the stream ends."""
        stage.fault(fault, provider="alpaca", **params)
        seen = []
        with live(stage) as lines:
            next(lines)
            journal = stage.journal().json()["id"]
            for line in lines:
                seen.append(line)
                state = stage.alpaca.get(f"/v1/journals/{journal}").json()["status"]
                if line == ":heartbeat" and state == "executed":
                    break
        return seen

    def count(self, seen: list[str]) -> int:
        return sum(line.startswith("data: ") for line in seen)

    def test_drops_frames_that_stay_in_the_history(self, stage: Stage) -> None:
        assert self.count(self.see(stage, "stream_dropped", times=2)) == 1
        assert len(replay(stage)) == 3

    def test_doubles_frames(self, stage: Stage) -> None:
        assert self.count(self.see(stage, "stream_doubled")) == 6

    def test_says_how_many_it_left_out(self, stage: Stage) -> None:
        seen = self.see(stage, "stream_overrun", times=1)
        assert ": you are reading too slowly, dropped 1 messages" in seen
        assert self.count(seen) == 2

    def test_closes_in_the_middle(self, stage: Stage) -> None:
        seen = self.see(stage, "stream_closed", times=1)
        assert self.count(seen) == 1

    def test_gives_up_with_an_error(self, stage: Stage) -> None:
        assert self.see(stage, "stream_error", times=1)[-1] == ": internal server error"

    def test_falls_silent(self, stage: Stage) -> None:
        stage.fault("stream_silent", provider="alpaca")
        with live(stage) as lines:
            assert next(lines) == ":connected"
            wait_for(lambda: stage.server.world.faults.counts["stream_silent"] >= 2)
            stage.journal()
            assert next(lines).startswith("data: ")

    def test_swaps_neighbours_of_different_accounts_only(self, stage: Stage) -> None:
        stage.fault("stream_swapped", provider="alpaca")
        other = stage.server.world.alpaca.add_account()
        with live(stage) as lines:
            next(lines)
            with stage.server.world.lock:  # both at once, so that they are neighbours
                for number, account in enumerate((stage.customer["brokerage_account"], other)):
                    stage.server.world.alpaca.journals.create(
                        {
                            "entry_type": "JNLC",
                            "from_account": stage.firm,
                            "to_account": account,
                            "amount": "1",
                            "description": str(number),
                        }
                    )
            data = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
            first, second = next(data), next(data)
        assert (first["description"], second["description"]) == ("1", "0")
