"""Pages of what comes from outside: the events of the inbox, and the providers that send them."""

from uuid import UUID

from flask import Blueprint, abort, current_app, render_template, request

from db import page_events, page_providers
from db.report_figures import now
from web.pages.asked import filters_of, live_s_of, number_asked, place_asked
from web.pages.desk import PROVIDERS
from web.pages.reading import looking

pages = Blueprint("outside", __name__)


@pages.get("/events")
def events() -> str:
    """Events of one view, a page at a time."""
    view = request.args.get("view", "all")
    if view not in page_events.VIEWS:
        abort(404)
    filters = filters_of("provider", "type", "source", "state", "flow")
    with looking() as connection:
        page = page_events.events(
            connection,
            view,
            after=place_asked(number_asked),
            flow=_flow(filters.get("flow")),
            **{name: value for name, value in filters.items() if name != "flow"},
        )
        moment = now(connection)
    return render_template(
        "events.html",
        page=page,
        view=view,
        views=page_events.VIEWS,
        filters=filters,
        now=moment,
        live_s=live_s_of(),
    )


@pages.get("/providers")
def providers() -> str:
    """Each provider as we see it."""
    enabled = current_app.extensions[PROVIDERS]
    with looking() as connection:
        shown = page_providers.providers(connection, tuple(enabled))
        moment = now(connection)
    return render_template("providers.html", providers=shown, enabled=enabled, now=moment, live_s=5)


def _flow(said: str | None) -> UUID | None:
    try:
        return UUID(said) if said else None
    except ValueError:
        abort(400)
