"""What tests of the door share: a key pair, signed bodies, an application on a real database."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from redis import Redis

from settings import Settings, load

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Signer:
    """A provider's key pair."""

    def __init__(self, seed: int = 1) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)

    @property
    def der(self) -> bytes:
        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def setting(self) -> str:
        return base64.b64encode(self.der).decode()

    def sign(self, body: bytes) -> str:
        return self._private.sign(body).hex()

    def headers(self, body: bytes) -> dict[str, str]:
        return {"X-Webhook-Signature": self.sign(body), "Content-Type": "application/json"}


def settings(database_url: str, redis_url: str, **more: str) -> Settings:
    return load({"DATABASE_URL": database_url, "REDIS_URL": redis_url, **more})


def event(event_id: str | None = "wh_evt_1", **more: Any) -> bytes:
    """A Due event. `event_id` None leaves the id out."""
    body: dict[str, Any] = {"id": event_id} if event_id is not None else {}
    body |= {"type": "transfer.status_changed", "data": {"id": "tf_1", "status": "funds_received"}, **more}
    return json.dumps(body).encode()


def no_redis() -> Redis:
    """A client of a Redis that is not there."""
    return Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2)


def samples(text: str) -> Mapping[str, float]:
    """A Prometheus page as numbers by name and labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
