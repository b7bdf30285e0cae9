"""A provider paused and resumed by hand."""

from db import gates
from ops.actions.desk import Desk, Refused


def pause(desk: Desk, provider: str, *, reason: str) -> None:
    """Stop asking a provider anything; webhooks are taken in as before. Raises: Refused: it is paused already."""
    with desk.sheet() as sheet:
        if not gates.pause(sheet.connection, provider, reason=reason, by=desk.by):
            raise Refused(f"{provider} is paused already: see `rampkeeper providers list`")
        sheet.note("provider.pause", provider, reason=reason)


def resume(desk: Desk, provider: str) -> None:
    """Ask a provider again. What waited for it is announced within seconds. Raises: Refused: it is not paused."""
    with desk.sheet() as sheet:
        if not gates.resume(sheet.connection, provider):
            raise Refused(f"{provider} is not paused")
        sheet.note("provider.resume", provider)
