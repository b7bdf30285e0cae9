"""Notification rows: told once a cause, whoever records it."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text

from db.notifications import Channel, NewNotification, insert


def a_notification(channel: Channel = "webhook", data: Mapping[str, Any] | None = None) -> NewNotification:
    return NewNotification(
        id=uuid4(), flow_id=None, type="deposit.funded", cause="journal 1", channel=channel, data=data or {}
    )


class TestInsert:
    def test_stores_a_row_due_now_and_gives_its_id(self, engine: Engine) -> None:
        row = a_notification(data={"text": "1.00 USD"})
        with engine.begin() as connection:
            assert insert(connection, [row]) == [row.id]
            stored = connection.execute(text("SELECT state, data, due_at <= rk_now() AS due FROM notifications")).one()
        assert (stored.state, stored.data, stored.due) == ("due", {"text": "1.00 USD"}, True)

    def test_tells_the_same_cause_once_even_without_a_flow(self, engine: Engine) -> None:
        with engine.begin() as connection:
            insert(connection, [a_notification()])
            assert insert(connection, [a_notification()]) == []

    def test_tells_it_on_each_channel(self, engine: Engine) -> None:
        rows = [a_notification(), a_notification(channel="apprise")]
        with engine.begin() as connection:
            assert len(insert(connection, rows)) == 2
