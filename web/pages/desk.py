"""The pages themselves: each reads what it shows in one look, then is written."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from db import break_listings, letter_listings, listings, page_lists
from db.report_figures import now
from db.search import search as find
from db.story import story as read_story
from funding.flows.table import FLOWS
from ops.actions.link_kinds import KINDS
from ops.reports.next_act import next_act
from ops.reports.overview import overview as read_overview
from ops.reports.stages import stages
from ops.reports.timeline import postings, timeline
from web.pages.asked import filters_of, live_s_of, place_asked
from web.pages.reading import looking

PROVIDERS: Final = "ops_providers"
LONGEST_SAID: Final = 200  # characters of what is searched for; ids are shorter
LINK_KINDS: Final = tuple((provider, kind) for provider, kinds in KINDS.items() for kind in kinds)


pages = Blueprint("desk", __name__)


def mount(app: Flask, providers: Mapping[str, bool]) -> None:
    """Add the pages. `providers` names them, and says whether each takes new flows."""
    app.extensions[PROVIDERS] = providers
    app.register_blueprint(pages)


@pages.get("/")
def overview() -> str:
    """How it all stands."""
    with looking() as connection:
        shown = read_overview(connection, current_app.extensions[PROVIDERS])
    return render_template("overview.html", shown=shown, now=shown.now, live_s=5)


@pages.get("/flows")
def flows() -> str:
    """Flows of one view, a page at a time."""
    view = request.args.get("view", "moving")
    if view not in page_lists.VIEWS:
        abort(404)
    filters = filters_of("kind", "state", "provider", "customer")
    with looking() as connection:
        page = page_lists.flows(connection, view, after=place_asked(UUID), **filters)
        moment = now(connection)
    return render_template(
        "flows.html", page=page, view=view, views=page_lists.VIEWS, filters=filters, now=moment, live_s=live_s_of()
    )


@pages.get("/flows/<uuid:flow>")
def story(flow: UUID) -> str:
    """One flow's whole story."""
    with looking() as connection:
        found = read_story(connection, flow)
    if found is None:
        abort(404)
    machine = FLOWS.get(found.flow["kind"])
    return render_template(
        "story.html",
        story=found,
        flow=found.flow,
        next=next_act(found.flow, machine, found.letters),
        stages=stages(found, machine),
        timeline=timeline(found),
        postings=postings(found.entries),
        now=found.flow["now"],
        live_s=30 if found.flow["final"] else 3,
    )


@pages.get("/dead-letters")
def letters() -> str:
    """Dead letters, a page at a time."""
    waiting = request.args.get("view", "waiting") != "all"
    filters = filters_of("fingerprint")
    with looking() as connection:
        page = page_lists.letters(connection, waiting=waiting, after=place_asked(UUID), **filters)
        moment = now(connection)
    return render_template("letters.html", page=page, waiting=waiting, filters=filters, now=moment, live_s=live_s_of())


@pages.get("/dead-letters/<uuid:letter>")
def letter(letter: UUID) -> str:
    """One dead letter."""
    return _one("letter.html", lambda connection: letter_listings.show_letter(connection, letter))


@pages.get("/breaks")
def breaks() -> str:
    """Breaks, a page at a time."""
    is_open = request.args.get("view", "open") != "closed"
    filters = filters_of("provider", "kind")
    with looking() as connection:
        page = page_lists.breaks(connection, is_open=is_open, after=place_asked(UUID), **filters)
        moment = now(connection)
    return render_template("breaks.html", page=page, is_open=is_open, filters=filters, now=moment, live_s=live_s_of())


@pages.get("/breaks/<uuid:found>", endpoint="break_")
def one_break(found: UUID) -> str:
    """One break and what was done about it."""

    def read(connection: Connection) -> dict[str, Any] | None:
        known = break_listings.breaks_by_start(connection, found.hex)
        return break_listings.show_break(connection, found) if known else None

    return _one("break.html", read)


@pages.get("/events/<int:event>")
def event(event: int) -> str:
    """One event, without its body."""
    if event >= 1 << 63:
        abort(404)
    return _one("event.html", lambda connection: listings.show_event(connection, event))


@pages.get("/search")
def search() -> AnyResponse | str:
    """Whatever bears an id; straight to it when it is one thing."""
    said = request.args.get("q", "").strip()[:LONGEST_SAID].replace("\0", "")
    with looking() as connection:
        hits = (
            find(connection, said, providers=tuple(current_app.extensions[PROVIDERS]), link_kinds=LINK_KINDS)
            if said
            else []
        )
        moment = now(connection)
    if len(hits) == 1:
        return redirect(_address(hits[0].what, hits[0].id), 303)
    return render_template("search.html", said=said, hits=hits, now=moment, live_s=0)


@pages.app_template_global("address")
def _address(what: str, id_: str) -> str:
    """The page of something, by what it is."""
    match what:
        case "flow":
            return url_for("desk.story", flow=id_)
        case "customer":
            return url_for("desk.flows", view="all", customer=id_)
        case "event":
            return url_for("desk.event", event=id_)
        case "letter":
            return url_for("desk.letter", letter=id_)
        case _:
            return url_for("desk.break_", found=id_)


def _one(template: str, read: Any) -> str:
    with looking() as connection:
        shown = read(connection)
        moment = now(connection)
    if shown is None:
        abort(404)
    return render_template(template, shown=shown, now=moment, live_s=10)
