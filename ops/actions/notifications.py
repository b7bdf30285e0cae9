"""Notifications sent again, and a held channel let go on. Workers hear of it from the dispatcher, within a second."""

from uuid import UUID

from db import notifications
from db.notifications import Channel
from ops.actions.desk import Desk, Refused


def resend(desk: Desk, notification: UUID) -> None:
    """Send a notification again under its own id, whatever became of it. Raises: Refused: there is none of that id."""
    with desk.sheet() as sheet:
        if not notifications.resend(sheet.connection, notification):
            raise Refused(f"there is no notification {notification}")
        sheet.note("notification.resend", str(notification))


def resume(desk: Desk, channel: Channel) -> int:
    """Send everything that is held on a channel; how many. Raises: Refused: nothing is held there."""
    with desk.sheet() as sheet:
        held = notifications.resume(sheet.connection, channel)
        if not held:
            raise Refused(f"nothing is held on {channel}")
        sheet.note("notification.resume", channel, notifications=len(held))
        return len(held)
