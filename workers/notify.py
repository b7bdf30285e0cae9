"""Delivers notifications: to the team's backend as Standard Webhooks messages, to people by Apprise.

Claim by lease, send with no transaction open, record: a worker that dies in between loses nothing, for the row is due
again when its lease ends. A receiver may so get a message twice, always under the same id.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from db import notifications
from db.engine import UnitOfWork
from db.notifications import ClaimedNotification, Ended
from providers.addresses import Refused
from providers.answers import Answer, redacted, retry_after
from providers.outgoing import NoAnswer, Outgoing
from providers.people import People
from providers.rotation import Secret, Windowed
from providers.standard_webhooks import Message, NoSecret, headers

log = structlog.get_logger()

# How long after one attempt the next is made. Source: Standard Webhooks specification, "Delivery", read 2026-11.
WAITS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
ATTEMPTS: Final = len(WAITS) + 1
JITTER: Final = 0.1  # a wait grows by up to this share, so that what failed together does not come back together
KEPT_OF_ANSWER: Final = 1024  # characters
GONE: Final = 410
SLOW_DOWN: Final = frozenset({429, 502, 503, 504})
ANSWERED_OK: Final = range(200, 300)


class Notifier:
    """Delivers one notification at a time, from many threads. `webhook_url` or `people` None: that channel is unset.

    By `at_once` each statement is a transaction of its own.
    """

    def __init__(
        self,
        at_once: UnitOfWork,
        *,
        webhook_url: Secret | None,
        webhook_secrets: Sequence[Windowed[Secret]],
        outgoing: Outgoing,
        people: People,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._at_once = at_once
        self._url = webhook_url
        self._secrets = webhook_secrets
        self._outgoing = outgoing
        self._people = people
        self._jitter = jitter

    def deliver(self, notification_id: UUID) -> None:
        """Make one attempt, if the message is due and nobody else is at it."""
        with self._at_once() as connection:
            claimed = notifications.claim(connection, notification_id)
        if claimed is None:
            return
        began = time.monotonic()
        if claimed.attempt > ATTEMPTS:  # the last attempt was lost with its worker
            ended = Ended(state="exhausted", error="the worker was lost during the last attempt")
        elif claimed.channel == "webhook":
            ended = self._to_backend(claimed)
        else:
            ended = self._to_people(claimed)
        ended = replace(ended, took_ms=int((time.monotonic() - began) * 1000))
        with self._at_once() as connection:
            recorded = notifications.record(connection, claimed, ended)
        log.info(
            "notification.attempted",
            notification=str(claimed.id),
            flow=str(claimed.flow_id) if claimed.flow_id else None,
            type=claimed.type,
            channel=claimed.channel,
            attempt=claimed.attempt,
            state=ended.state if recorded else "late",
            status=ended.status,
            error=ended.error,
        )

    def _to_backend(self, claimed: ClaimedNotification) -> Ended:
        """One signed POST."""
        if self._url is None:
            return self._again(claimed, error="NOTIFY_WEBHOOK_URL is not set")
        message = Message(id=claimed.id, type=claimed.type, happened_at=claimed.happened_at, data=claimed.data)
        body = message.body()
        try:
            signed = headers(message, body, self._secrets, now=claimed.now)
            answer = self._outgoing.post(self._url.reveal(), body, signed)
        except (NoSecret, Refused, NoAnswer) as error:
            return self._again(claimed, error=str(error))
        said = printable(answer.body)
        if answer.status in ANSWERED_OK:
            return Ended(state="delivered", status=answer.status, answer=said)
        if answer.status == GONE:
            return Ended(state="held", status=GONE, error=notifications.HELD, answer=said)
        least = _asked_wait(answer, claimed.now)
        return self._again(claimed, error=f"answered {answer.status}", status=answer.status, answer=said, least=least)

    def _to_people(self, claimed: ClaimedNotification) -> Ended:
        """Everyone not told by an earlier attempt."""
        if not self._people:
            return self._again(claimed, error="NOTIFY_APPRISE_URLS is not set")
        before = {name for answer in claimed.earlier_answers for name in answer.split()}
        told = self._people.tell(claimed.type, str(claimed.data.get("text", "")), besides=before)
        answer = " ".join(told.reached)
        if not told.missed:
            return Ended(state="delivered", answer=answer)
        return self._again(claimed, error=f"{told.missed} of the addresses did not take it", answer=answer)

    def _again(
        self,
        claimed: ClaimedNotification,
        *,
        error: str,
        status: int | None = None,
        answer: str | None = None,
        least: timedelta = timedelta(0),
    ) -> Ended:
        """Due again by the schedule, not before `least`; exhausted after the last attempt."""
        if claimed.attempt >= ATTEMPTS:
            return Ended(state="exhausted", status=status, error=error, answer=answer)
        wait = WAITS[claimed.attempt - 1] * (1 + JITTER * self._jitter())
        return Ended(state="due", wait=max(wait, least), status=status, error=error, answer=answer)


def _asked_wait(answer: Answer, now: datetime) -> timedelta:
    """How long the receiver asks us to wait: at most an hour, and only where it says that it is busy."""
    if answer.status not in SLOW_DOWN:
        return timedelta(0)
    return retry_after(answer.headers, now) or timedelta(0)


def printable(body: bytes) -> str:
    """The first kilobyte of an answer as text that is safe to store and show: no addresses of people, no accounts."""
    return redacted(body[:KEPT_OF_ANSWER].decode("utf-8", "replace"))
