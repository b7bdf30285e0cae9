"""What the team and its people are told: one row a message and channel, written with the change it tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

Channel = Literal["webhook", "apprise"]

_INSERT: Final = text("""
    INSERT INTO notifications (id, flow_id, type, cause, channel, data, happened_at)
    VALUES (:id, :flow_id, :type, :cause, :channel, :data, coalesce(CAST(:happened_at AS timestamptz), rk_now()))
    ON CONFLICT (flow_id, type, cause, channel) DO NOTHING
    RETURNING id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """One message for one channel. `cause` names what happened, so that a repeat tells nobody twice.

    `data` is what the message says: {flow, customer, amount, asset, text}; our ids only. `happened_at`: None is now.
    """

    id: UUID
    flow_id: UUID | None
    type: str
    cause: str
    channel: Channel
    data: Mapping[str, Any]
    happened_at: datetime | None = None


def insert(connection: Connection, rows: Sequence[NewNotification]) -> list[UUID]:
    """Store them, due now; the ids of those that are new. One already told by its cause is left as it is.

    Rows go in by cause, so that two transactions that tell the same things cannot wait for each other in a circle.
    Served by uq_notifications_cause.
    """
    new: list[UUID] = []
    for row in sorted(rows, key=lambda row: (str(row.flow_id), row.type, row.cause, row.channel)):
        inserted = connection.execute(
            _INSERT,
            {
                "id": row.id,
                "flow_id": row.flow_id,
                "type": row.type,
                "cause": row.cause,
                "channel": row.channel,
                "data": Jsonb(dict(row.data)),
                "happened_at": row.happened_at,
            },
        ).scalar_one_or_none()
        if inserted is not None:
            new.append(inserted)
    return new
