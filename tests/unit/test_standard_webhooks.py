"""The messages to the team's backend, checked with the official library as a receiver would."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from providers.rotation import Secret, Windowed
from providers.standard_webhooks import Message, NoSecret, headers

OLD = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
NEW = "whsec_ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A="
ID = UUID("6f1f5f0e-5b7c-4c7d-9a57-2c1d8e9f0a1b")
DATA = {"flow": "f", "customer": "c", "amount": 24925, "asset": "USD", "text": "249.25 USD är här"}


def secrets(*texts: str) -> list[Windowed[Secret]]:
    return [Windowed(Secret(text)) for text in texts]


def a_message() -> Message:
    happened = datetime(2026, 3, 4, 16, 20, 11, tzinfo=timezone(timedelta(hours=1)))
    return Message(id=ID, type="deposit.funded", happened_at=happened, data=DATA)


class TestMessage:
    def test_holds_type_time_of_the_event_and_data(self) -> None:
        assert json.loads(a_message().body()) == {
            "type": "deposit.funded",
            "timestamp": "2026-03-04T15:20:11Z",
            "data": DATA,
        }

    def test_has_an_id_without_a_dot(self) -> None:
        assert a_message().webhook_id == "msg_6f1f5f0e5b7c4c7d9a572c1d8e9f0a1b"


class TestHeaders:
    @pytest.mark.parametrize("secret", [OLD, NEW])
    def test_verify_with_each_secret_of_a_rotation(self, secret: str) -> None:
        message, now = a_message(), datetime.now(UTC)
        made = headers(message, message.body(), secrets(NEW, OLD), now=now)
        assert Webhook(secret).verify(message.body(), made) == json.loads(message.body())

    def test_say_the_attempts_own_time_whatever_its_zone(self) -> None:
        """The library takes a local time for UTC, which would sign another second."""
        now = datetime(2026, 3, 4, 17, 20, 11, tzinfo=timezone(timedelta(hours=2)))
        made = headers(a_message(), a_message().body(), secrets(OLD), now=now)
        assert made["webhook-timestamp"] == "1772637611"
        same = headers(a_message(), a_message().body(), secrets(OLD), now=now.astimezone(UTC))
        assert made == same

    def test_give_the_documented_signatures_newest_secret_first(self) -> None:
        class Fixed(Message):
            webhook_id = "msg_2f6Qk0aXyZ"

        body = (
            b'{"type":"deposit.settled","timestamp":"2026-03-04T15:20:11Z",'
            b'"data":{"deposit_id":"dep_01","amount":"100.00","currency":"USD"}}'
        )
        message = Fixed(id=ID, type="", happened_at=datetime.now(UTC), data={})
        made = headers(message, body, secrets(NEW, OLD), now=datetime.fromtimestamp(1772637611, UTC))
        assert made["webhook-signature"] == (
            "v1,FydxjzimvzNITTUg4HTqGsdTBR0aKKNFk+g36M6L1eQ= v1,epzxDMAbV8TxaEzoZhRCC3v4R7lCK6isiBA2k4GnIxg="
        )

    def test_leave_out_a_secret_outside_its_window(self) -> None:
        now = datetime.now(UTC)
        over = Windowed(Secret(OLD), not_after=now - timedelta(seconds=1))
        made = headers(a_message(), a_message().body(), [*secrets(NEW), over], now=now)
        Webhook(NEW).verify(a_message().body(), made)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD).verify(a_message().body(), made)

    def test_are_refused_without_a_valid_secret(self) -> None:
        with pytest.raises(NoSecret):
            headers(a_message(), b"", [], now=datetime.now(UTC))
