"""The audit trail for its page, a page at a time. Nothing here locks."""

from typing import Final

from sqlalchemy import Connection

from db.page_places import Page, Place, after_values, windowed

WINDOW: Final = 20_000  # lines a filter looks through: most are looked for by what they are about, however long ago


def acts(
    connection: Connection,
    *,
    who: str | None = None,
    subject: str | None = None,
    action: str | None = None,
    after: Place | None = None,
) -> Page:
    """Lines of the log, the newest first, without their hashes: by the primary key, walked backwards.

    `who` is the actor as it was said. A filter looks through the next 20,000 lines.
    """
    beyond = "l.id < :id" if after else "true"
    return windowed(
        connection,
        f"SELECT l.id, l.at, l.actor, l.subject, l.action FROM audit_log l WHERE {beyond}",  # noqa: S608 -- constants of this file
        "l.id, l.at, l.actor, l.action, l.subject, l.detail FROM chosen c JOIN audit_log l ON l.id = c.id",
        wanted={"actor": who, "subject": subject, "action": action},
        values=after_values(after),
        by=("id",),
        window=WINDOW,
    )
