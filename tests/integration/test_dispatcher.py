"""The dispatcher: what is due is announced once, by whichever dispatcher, and again when nobody took it up."""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from db import looks
from db.engine import unit_of_work
from dispatch.broker import FUNDING_OF, QUEUES
from dispatch.dispatcher import MOST_A_PASS, QUEUE_IS_FULL, Dispatcher
from tests.support.moved_time import MovedTime
from tests.support.rows import add_event, add_flow, add_session


class Queue:
    """Hears announcements; `depths` says how many messages wait, None for a queue that cannot be reached."""

    def __init__(self, **depths: int | None) -> None:
        self.depths = depths
        self.heard: list[object] = []
        self.passes = 0

    def announcing(self) -> None:
        self.passes += 1

    def depth(self, queue: str) -> int | None:
        return self.depths.get(queue, 0)

    def events(self, ids: Sequence[int]) -> None:
        self.heard += ids

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> None:
        self.heard += items

    def ticks(self, items: Sequence[tuple[str, datetime]]) -> None:
        self.heard += items

    def looks(self, items: Sequence[tuple[str, str, str]]) -> None:
        self.heard += items

    def notifications(self, ids: Sequence[UUID]) -> None:
        self.heard += ids


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


class TestAnnouncing:
    def test_hears_of_every_kind_of_work(self, time: MovedTime) -> None:
        queue = Queue()
        with time() as connection:
            flow = add_flow(connection, due_at=time.now)
            event = add_event(connection, "evt_1")
            looks.ask(connection, "due", "due_transfer", "acct_1/tf_1")
            connection.execute(
                text("INSERT INTO ticks (job, slot, term) VALUES ('invariants', :at, 1)"), {"at": time.now}
            )
            told = connection.execute(
                text("""
                    INSERT INTO notifications (id, type, cause, channel, data)
                    VALUES (gen_random_uuid(), 'deposit.funded', 'c', 'webhook', '{}') RETURNING id
                """)
            ).scalar_one()

        announced = Dispatcher(time, queue).run()

        assert announced == Counter(flows=1, events=1, looks=1, ticks=1, notifications=1)
        assert queue.heard == [
            event,
            (flow, "due_deposit", "received"),
            ("invariants", time.now),
            ("due", "due_transfer", "acct_1/tf_1"),
            told,
        ]

    @pytest.mark.parametrize(("waiting", "again"), [(1, [0, 15, 30]), (0, [0, 3, 6, 9])])
    def test_of_a_flow_is_repeated_when_its_queue_has_long_been_empty_or_after_fifteen_seconds(
        self, time: MovedTime, waiting: int, again: list[int]
    ) -> None:
        queue = Queue(**{FUNDING_OF["due"]: waiting})
        with time() as connection:
            add_flow(connection, due_at=time.now)
        heard = []
        for _ in range(40):
            heard.append(Dispatcher(time, queue).run()["flows"])
            time.passes(seconds=1)

        assert [second for second, count in enumerate(heard) if count][: len(again)] == again

    def test_of_an_event_is_repeated_only_after_fifteen_seconds(self, time: MovedTime) -> None:
        with time() as connection:
            add_event(connection, "evt_1")
        heard = []
        for _ in range(40):
            heard.append(Dispatcher(time, Queue()).run()["events"])
            time.passes(seconds=1)

        assert [second for second, count in enumerate(heard) if count] == [0, 15, 30]

    def test_of_a_row_due_anew_does_not_wait(self, time: MovedTime) -> None:
        """Announced, done, and due again two seconds later: the old stamp does not hold it back."""
        queue = Queue()
        with time() as connection:
            add_flow(connection, due_at=time.now)
        Dispatcher(time, queue).run()
        time.passes(seconds=2)
        with time() as connection:
            connection.execute(text("UPDATE flows SET due_at = rk_now()"))

        assert Dispatcher(time, queue).run()["flows"] == 1

    def test_leaves_out_what_cannot_be_worked_on(self, time: MovedTime) -> None:
        queue = Queue()
        soon = time.now + timedelta(seconds=1)
        with time() as connection:
            add_flow(connection, due_at=soon)
            add_flow(connection, due_at=time.now, session=add_session(connection))
            add_flow(connection, parked=True)

        assert Dispatcher(time, queue).run()["flows"] == 0

    @pytest.mark.parametrize(
        ("gate", "announced"),
        [
            ("paused = true", 0),
            ("breaker = 'open', open_until = rk_now() + interval '5 s'", 0),
            ("breaker = 'open', open_until = rk_now()", 1),
            ("breaker = 'probing', open_until = rk_now() + interval '5 s'", 0),
            ("breaker = 'probing', open_until = rk_now()", 1),
            ("held_until = rk_now() + interval '5 s'", 0),
            ("breaker = 'closed'", 1),
        ],
    )
    def test_waits_for_a_provider_that_would_turn_it_away(self, time: MovedTime, gate: str, announced: int) -> None:
        queue = Queue()
        with time() as connection:
            connection.execute(text("INSERT INTO provider_gates (provider) VALUES ('due')"))
            connection.execute(text(f"UPDATE provider_gates SET {gate}"))  # noqa: S608 -- the table above
            add_flow(connection, due_at=time.now, provider="due")
            add_flow(connection, due_at=time.now, provider="alpaca")
            looks.ask(connection, "due", "due_transfer", "acct_1/tf_1")

        counted = Dispatcher(time, queue).run()

        assert (counted["flows"], counted["looks"]) == (1 + announced, announced)

    def test_takes_the_longest_due_first_and_at_most_a_thousand(self, time: MovedTime) -> None:
        queue = Queue()
        with time() as connection:
            connection.execute(
                text("""
                    INSERT INTO inbox_events (provider, event_id, route, source, body_digest, due_at)
                    SELECT 'due', n::text, 'due', 'webhook', '', rk_now() - n * interval '1 s'
                      FROM generate_series(1, :rows) n
                """),
                {"rows": MOST_A_PASS + 5},
            )
            last = set(connection.execute(text("SELECT id FROM inbox_events ORDER BY due_at DESC LIMIT 5")).scalars())
        Dispatcher(time, queue).run()
        assert len(queue.heard) == MOST_A_PASS
        assert not last & set(queue.heard)

        Dispatcher(time, queue).run()
        assert last <= set(queue.heard)

    def test_leaves_a_full_queue_alone(self, time: MovedTime) -> None:
        with time() as connection:
            add_flow(connection, due_at=time.now)
            add_event(connection, "evt_1")

        assert Dispatcher(time, Queue(ingest=QUEUE_IS_FULL + 1)).run() == Counter(
            flows=1, ticks=0, looks=0, notifications=0
        )
        assert Dispatcher(time, Queue(ingest=QUEUE_IS_FULL)).run()["events"] == 1

    def test_of_one_provider_waits_while_its_queue_is_full_and_of_another_does_not(self, time: MovedTime) -> None:
        queue = Queue(**{FUNDING_OF["due"]: QUEUE_IS_FULL + 1})
        with time() as connection:
            add_flow(connection, due_at=time.now)
            other = add_flow(connection, due_at=time.now, provider="alpaca")
            nobody = add_flow(connection, due_at=time.now, provider=None)

        assert Dispatcher(time, queue).run()["flows"] == 2
        assert {heard[0] for heard in queue.heard} == {other, nobody}  # type: ignore[index]

        queue.depths.clear()
        assert Dispatcher(time, queue).run()["flows"] == 1

    def test_looks_wait_while_the_queue_of_whom_they_ask_is_full(self, time: MovedTime) -> None:
        queue = Queue(**{FUNDING_OF["ibex"]: QUEUE_IS_FULL + 1})
        with time() as connection:
            for provider in ("ibex", "stripe"):
                looks.ask(connection, provider, "some", "thing")

        Dispatcher(time, queue).run()
        assert queue.heard == [("stripe", "some", "thing")]
        queue.depths.clear()
        Dispatcher(time, queue).run()
        assert queue.heard == [("stripe", "some", "thing"), ("ibex", "some", "thing")]

    def test_stamps_nothing_while_the_queue_cannot_be_reached(self, time: MovedTime) -> None:
        """When Redis is back, everything is announced at once and not 15 s later."""
        with time() as connection:
            add_flow(connection, due_at=time.now)
        away = Queue(**dict.fromkeys(QUEUES))
        assert Dispatcher(time, away).run() == Counter()
        assert away.heard == []

        assert Dispatcher(time, Queue()).run()["flows"] == 1


def test_two_dispatchers_announce_each_row_once(engine: Engine) -> None:
    begin, queues = unit_of_work(engine), [Queue(), Queue(), Queue()]
    with begin() as connection:
        connection.execute(
            text("""
                INSERT INTO inbox_events (provider, event_id, route, source, body_digest)
                SELECT 'due', n::text, 'due', 'webhook', '' FROM generate_series(1, 6000) n
            """)
        )
    barrier = threading.Barrier(len(queues))

    def passes(queue: Queue) -> None:
        for _ in range(4):
            barrier.wait()
            Dispatcher(begin, queue).run()

    threads = [threading.Thread(target=passes, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    heard = [event for queue in queues for event in queue.heard]
    assert (len(heard), len(set(heard))) == (6000, 6000)


class TestAtWork:
    """Workers look for themselves unless they are told that somebody announces."""

    def test_is_said_of_a_pass_that_came_to_its_end(self, time: MovedTime) -> None:
        queue = Queue(**dict.fromkeys(QUEUES, QUEUE_IS_FULL + 1))
        Dispatcher(time, queue).run()
        assert queue.passes == 1, "what waits is announced already"

    def test_is_not_said_by_one_that_cannot_read_what_is_due(self) -> None:
        """As when Redis can be reached and Postgres cannot, or one of the queries is refused."""
        queue = Queue()

        def away() -> AbstractContextManager[Connection]:
            raise OperationalError("connect", {}, Exception("refused"))

        with pytest.raises(OperationalError):
            Dispatcher(away, queue).run()
        assert queue.passes == 0
