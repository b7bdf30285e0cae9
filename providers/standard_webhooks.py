"""What we send to the team's backend: a Standard Webhooks message, signed with every secret that is valid now.

Source: Standard Webhooks specification 1.0.0, read 2026-11.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from standardwebhooks.webhooks import Webhook

from providers.rotation import Secret, Windowed

USER_AGENT: Final = "Rampkeeper-Webhooks/1"  # fixed, so that a receiver can filter by it


class NoSecret(Exception):
    """Every configured secret is outside its window: nothing can be signed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. Its id and body are the same at every attempt; `happened_at` is the event's time."""

    id: UUID
    type: str
    happened_at: datetime
    data: Mapping[str, Any]

    @property
    def webhook_id(self) -> str:
        """The id a receiver tells repeats by. It holds no dot, which would blur what is signed."""
        return f"msg_{self.id.hex}"

    def body(self) -> bytes:
        """The bytes to send: {type, timestamp, data}."""
        timestamp = self.happened_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        whole = {"type": self.type, "timestamp": timestamp, "data": dict(self.data)}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def headers(message: Message, body: bytes, secrets: Sequence[Windowed[Secret]], *, now: datetime) -> dict[str, str]:
    """What goes with the body at an attempt made `now`: one signature for each valid secret, in the order given.

    Raises: NoSecret.
    """
    valid = [secret.value.reveal() for secret in secrets if secret.is_open(now)]
    if not valid:
        raise NoSecret("no webhook secret is valid now")
    # The library replaces the zone with UTC instead of converting to it.
    at = now.astimezone(UTC)
    signatures = [Webhook(secret).sign(message.webhook_id, at, body.decode()) for secret in valid]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message.webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
