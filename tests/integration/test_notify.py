"""Delivery, from the row to a receiver and back."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, Row, text
from standardwebhooks.webhooks import Webhook

from db import notifications
from db.notifications import Channel, NewNotification
from providers.outgoing import Outgoing
from providers.people import People
from providers.rotation import Secret, Windowed
from tests.support.hooks import Hooks, Reply
from tests.support.moved_clock import MovedClock
from workers.notify import ATTEMPTS, Notifier

SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
DATA = {"flow": "f", "customer": "cus_1", "amount": 24925, "asset": "USD", "text": "249.25 USD is there."}


class House:
    """Notifications in a database, a receiver, and the notifier between them, on a clock that only we move."""

    def __init__(self, engine: Engine, hooks: Hooks) -> None:
        self.clock = MovedClock(engine)
        self.hooks = hooks
        self.people_told: list[tuple[str, str, str]] = []
        self.down: set[str] = set()
        self.notifier = self.a_notifier(hooks.url)

    def a_notifier(self, url: str | None, *, allow_private: bool = True) -> Notifier:
        return Notifier(
            self.clock.begin,
            webhook_url=Secret(url) if url else None,
            webhook_secrets=[Windowed(Secret(SECRET))],
            outgoing=Outgoing(allow_private=allow_private, deadline=timedelta(seconds=2)),
            people=People([Secret("ops://one"), Secret("ops://two")], tell=self._tell),
            jitter=lambda: 0.0,
        )

    def _tell(self, url: str, title: str, body: str) -> bool:
        self.people_told.append((url, title, body))
        return url not in self.down

    def add(self, channel: Channel = "webhook") -> UUID:
        row = NewNotification(
            id=uuid4(), flow_id=None, type="deposit.funded", cause=str(uuid4()), channel=channel, data=DATA
        )
        with self.clock.begin() as connection:
            notifications.insert(connection, [row])
        return row.id

    def row(self, notification_id: UUID) -> Row[Any]:
        with self.clock.begin() as connection:
            return connection.execute(text("SELECT * FROM notifications WHERE id = :id"), {"id": notification_id}).one()

    def attempts(self, notification_id: UUID) -> list[Row[Any]]:
        query = text("SELECT * FROM notification_attempts WHERE notification_id = :id ORDER BY id")
        with self.clock.begin() as connection:
            return list(connection.execute(query, {"id": notification_id}))

    def wait_of(self, notification_id: UUID) -> timedelta:
        due = self.row(notification_id).due_at
        assert due is not None
        wait: timedelta = due - self.clock.now
        return wait


@pytest.fixture
def house(engine: Engine) -> Iterator[House]:
    with Hooks() as hooks:
        yield House(engine, hooks)


class TestDelivering:
    def test_signs_sends_and_notes_the_attempt(self, house: House) -> None:
        message = house.add()
        house.notifier.deliver(message)

        (came,) = house.hooks.received
        assert Webhook(SECRET).verify(came.body, dict(came.headers)) == {
            "type": "deposit.funded",
            "timestamp": house.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": DATA,
        }
        assert came.headers["webhook-id"] == f"msg_{message.hex}"
        row = house.row(message)
        assert (row.state, row.due_at, row.attempts, row.last_status) == ("delivered", None, 1, 200)
        assert row.delivered_at == house.clock.now
        (attempt,) = house.attempts(message)
        assert (attempt.status, attempt.error, attempt.answer) == (200, None, "ok")
        assert attempt.took_ms >= 0

    def test_any_2xx_is_delivered(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=202))
        message = house.add()
        house.notifier.deliver(message)
        assert house.row(message).state == "delivered"

    def test_sends_nothing_that_is_over_or_not_due(self, house: House) -> None:
        """A message of the queue may come twice, or late; the row decides."""
        message = house.add()
        house.notifier.deliver(message)
        house.notifier.deliver(message)
        house.notifier.deliver(uuid4())
        assert len(house.hooks.received) == 1

    def test_keeps_a_printable_kilobyte_of_the_answer(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=500, body=b"no\x00\x1b[31m\xff" + b"x" * 5000))
        message = house.add()
        house.notifier.deliver(message)
        answer = house.attempts(message)[0].answer
        assert answer.startswith("no  [31m\ufffdx")
        assert len(answer) <= 1024


class TestRetrying:
    def test_follows_the_schedule_under_one_id_to_the_end(self, house: House) -> None:
        house.hooks.replies.extend(Reply(status=500) for _ in range(ATTEMPTS))
        message = house.add()
        waits = []
        for _ in range(ATTEMPTS - 1):
            house.notifier.deliver(message)
            waits.append(house.wait_of(message).total_seconds())
            house.clock.forward(house.wait_of(message))
        house.notifier.deliver(message)

        assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
        row = house.row(message)
        assert (row.state, row.due_at, row.last_error) == ("exhausted", None, "answered 500")
        assert len({came.headers["webhook-id"] for came in house.hooks.received}) == 1
        assert len({came.headers["webhook-timestamp"] for came in house.hooks.received}) == ATTEMPTS
        assert len({came.body for came in house.hooks.received}) == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 422, 408, 409])
    def test_takes_any_other_answer_for_a_failure(self, house: House, status: int) -> None:
        house.hooks.replies.append(Reply(status=status, headers={"Location": house.hooks.url, "Retry-After": "999"}))
        message = house.add()
        house.notifier.deliver(message)
        assert (house.row(message).state, house.wait_of(message)) == ("due", timedelta(seconds=5))
        assert len(house.hooks.received) == 1

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_waits_as_long_as_a_busy_receiver_asks(self, house: House, status: int) -> None:
        house.hooks.replies.append(Reply(status=status, headers={"Retry-After": "77"}))
        message = house.add()
        house.notifier.deliver(message)
        assert house.wait_of(message) == timedelta(seconds=77)

    def test_reads_a_date_too(self, house: House) -> None:
        at = format_datetime(house.clock.now + timedelta(seconds=90), usegmt=False)
        house.hooks.replies.append(Reply(status=503, headers={"Retry-After": at}))
        message = house.add()
        house.notifier.deliver(message)
        assert house.wait_of(message) == timedelta(seconds=90)

    @pytest.mark.parametrize(("asked", "wait"), [("86400", 3600), ("1", 5), ("-5", 5), ("soon", 5)])
    def test_waits_at_most_an_hour_and_no_less_than_scheduled(self, house: House, asked: str, wait: int) -> None:
        house.hooks.replies.append(Reply(status=429, headers={"Retry-After": asked}))
        message = house.add()
        house.notifier.deliver(message)
        assert house.wait_of(message) == timedelta(seconds=wait)

    def test_goes_on_when_nobody_listens(self, house: House) -> None:
        house.notifier = house.a_notifier("http://127.0.0.1:1/")
        message = house.add()
        house.notifier.deliver(message)
        row = house.row(message)
        assert (row.state, row.last_status, row.last_error) == ("due", None, "the connection was refused")

    def test_sends_nothing_to_a_private_address_unless_allowed(self, house: House) -> None:
        house.notifier = house.a_notifier(f"https://localhost:{house.hooks.port}/", allow_private=False)
        message = house.add()
        house.notifier.deliver(message)
        assert house.hooks.received == []
        assert house.row(message).last_error == "the port must be 443"

    def test_waits_for_an_address_when_none_is_set(self, house: House) -> None:
        house.notifier = house.a_notifier(None)
        message = house.add()
        house.notifier.deliver(message)
        assert house.row(message).last_error == "NOTIFY_WEBHOOK_URL is not set"


class TestLosingAWorker:
    def test_is_claimed_again_after_the_lease(self, house: House) -> None:
        message = house.add()
        with house.clock.begin() as connection:
            assert notifications.claim(connection, message)
        house.notifier.deliver(message)
        assert house.hooks.received == []

        house.clock.forward(notifications.LEASE)
        house.notifier.deliver(message)
        assert house.row(message).state == "delivered"

    def test_a_late_record_changes_nothing_but_is_noted(self, house: House) -> None:
        message = house.add()
        with house.clock.begin() as connection:
            lost = notifications.claim(connection, message)
        assert lost
        house.clock.forward(notifications.LEASE)
        house.notifier.deliver(message)
        with house.clock.begin() as connection:
            assert not notifications.record(connection, lost, notifications.Ended(state="due", error="late"))
        assert house.row(message).state == "delivered"
        assert [attempt.error for attempt in house.attempts(message)] == [None, "late"]

    def test_ends_even_if_every_worker_dies_of_it(self, house: House) -> None:
        message = house.add()
        for _ in range(ATTEMPTS):
            with house.clock.begin() as connection:
                assert notifications.claim(connection, message)
            house.clock.forward(notifications.LEASE)
        house.notifier.deliver(message)
        assert house.row(message).state == "exhausted"
        assert house.hooks.received == []


class TestGone:
    def test_410_holds_the_whole_channel(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=410))
        first, second, person = house.add(), house.add(), house.add("apprise")
        house.notifier.deliver(first)
        assert [house.row(i).state for i in (first, second, person)] == ["held", "held", "due"]

    def test_what_comes_later_is_held_unsent(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=410))
        house.notifier.deliver(house.add())
        later = house.add()
        house.notifier.deliver(later)
        assert house.row(later).state == "held"
        assert len(house.hooks.received) == 1

    def test_one_being_sent_meanwhile_keeps_its_own_result(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=410))
        first, under_way = house.add(), house.add()
        with house.clock.begin() as connection:
            claimed = notifications.claim(connection, under_way)
        assert claimed
        house.notifier.deliver(first)
        with house.clock.begin() as connection:
            assert notifications.record(connection, claimed, notifications.Ended(state="delivered", status=200))
        assert house.row(under_way).state == "delivered"

    def test_goes_on_when_a_person_resumes_it(self, house: House) -> None:
        house.hooks.replies.append(Reply(status=410))
        first, second = house.add(), house.add()
        house.notifier.deliver(first)
        with house.clock.begin() as connection:
            assert set(notifications.resume(connection, "webhook")) == {first, second}
        for message in (first, second):
            house.notifier.deliver(message)
        assert [house.row(i).state for i in (first, second)] == ["delivered", "delivered"]


class TestResending:
    def test_keeps_the_id(self, house: House) -> None:
        """A receiver that had it after all must be able to tell."""
        message = house.add()
        house.notifier.deliver(message)
        with house.clock.begin() as connection:
            assert notifications.resend(connection, message)
        house.notifier.deliver(message)
        ids = [came.headers["webhook-id"] for came in house.hooks.received]
        assert ids == [f"msg_{message.hex}"] * 2
        assert json.loads(house.hooks.received[0].body) == json.loads(house.hooks.received[1].body)

    def test_says_when_there_is_none(self, house: House) -> None:
        with house.clock.begin() as connection:
            assert not notifications.resend(connection, uuid4())


class TestTellingPeople:
    def test_tells_every_address(self, house: House) -> None:
        message = house.add("apprise")
        house.notifier.deliver(message)
        assert sorted(house.people_told) == [
            ("ops://one", "deposit.funded", DATA["text"]),
            ("ops://two", "deposit.funded", DATA["text"]),
        ]
        assert house.row(message).state == "delivered"

    def test_repeats_only_for_whom_it_missed(self, house: House) -> None:
        """Ten messages to one phone because another is off: that is how alerts get muted."""
        house.down.add("ops://two")
        message = house.add("apprise")
        house.notifier.deliver(message)
        assert (house.row(message).state, house.wait_of(message)) == ("due", timedelta(seconds=5))

        house.clock.forward(timedelta(seconds=5))
        house.notifier.deliver(message)
        house.clock.forward(timedelta(seconds=300))
        house.down.clear()
        house.notifier.deliver(message)
        assert [url for url, *_ in house.people_told].count("ops://one") == 1
        assert house.row(message).state == "delivered"

    def test_tells_everyone_again_when_resent(self, house: House) -> None:
        message = house.add("apprise")
        house.notifier.deliver(message)
        with house.clock.begin() as connection:
            notifications.resend(connection, message)
        house.notifier.deliver(message)
        assert len(house.people_told) == 4

    def test_stores_no_address(self, house: House) -> None:
        house.down.add("ops://two")
        message = house.add("apprise")
        house.notifier.deliver(message)
        assert "ops://" not in repr(house.row(message)) + repr(house.attempts(message))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
class TestApprise:
    def test_reaches_a_real_address_and_notices_a_dead_one(self, hooks_on_loopback: Hooks) -> None:
        alive = Secret(f"json://127.0.0.1:{hooks_on_loopback.port}/people")
        told = People([alive, Secret("json://127.0.0.1:1/?cto=1"), Secret("nonsense")]).tell("a title", "a text")
        assert (len(told.reached), told.missed) == (1, 2)
        assert json.loads(hooks_on_loopback.received[0].body)["message"] == "a text"

    def test_says_nothing_of_its_addresses(
        self, hooks_on_loopback: Hooks, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(0)
        dead, odd = Secret("json://user:hunter2@127.0.0.1:1/?cto=1"), Secret("nonsense://hunter2")
        People([dead, odd]).tell("a title", "a text")
        assert "hunter2" not in caplog.text + "".join(capfd.readouterr())

    def test_follows_no_redirect(self, hooks_on_loopback: Hooks) -> None:
        elsewhere = f"http://127.0.0.1:{hooks_on_loopback.port}/elsewhere"
        hooks_on_loopback.replies.append(Reply(status=307, headers={"Location": elsewhere}))
        People([Secret(f"json://127.0.0.1:{hooks_on_loopback.port}/people")]).tell("a title", "a text")
        assert [came.path for came in hooks_on_loopback.received] == ["/people"]

    @pytest.fixture
    def hooks_on_loopback(self) -> Iterator[Hooks]:
        with Hooks() as hooks:
            yield hooks


class TestPeople:
    def test_does_not_wait_for_one_that_hangs(self) -> None:

        release = threading.Event()

        def tell(url: str, title: str, body: str) -> bool:
            return url == "quick" or release.wait(20)

        people = People([Secret("quick"), Secret("hangs")], tell=tell, deadline=timedelta(seconds=0.2))
        told = people.tell("", "")
        release.set()
        assert (len(told.reached), told.missed) == (1, 1)
