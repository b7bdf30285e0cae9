"""Pages of what is checked: comparisons with providers, and the trail of what people did."""

from uuid import UUID

from flask import Blueprint, abort, render_template, request

from db import page_audit, page_runs
from db.report_figures import now
from web.pages.asked import filters_of, live_s_of, number_asked, place_asked
from web.pages.reading import looking

pages = Blueprint("checks", __name__)


@pages.get("/reconciliation")
def runs() -> str:
    """Comparisons, a page at a time."""
    filters = filters_of("provider", "status")
    with looking() as connection:
        page = page_runs.runs(connection, after=place_asked(UUID), **filters)
        moment = now(connection)
    return render_template("runs.html", page=page, filters=filters, now=moment, live_s=live_s_of())


@pages.get("/reconciliation/<uuid:found>")
def run(found: UUID) -> str:
    """One comparison, and what it found, a page at a time."""
    try:
        after = number_asked(request.args.get("after") or "0")
    except ValueError:
        abort(400)
    with looking() as connection:
        shown = page_runs.run(connection, found)
        if shown is None:
            abort(404)
        findings, further = page_runs.findings(connection, found, after=after)
        moment = now(connection)
    return render_template(
        "run.html",
        shown=shown,
        findings=findings,
        further=further,
        after=after,
        now=moment,
        live_s=5 if shown["status"] == "running" else live_s_of(),
    )


@pages.get("/audit")
def audit() -> str:
    """What was done by whom, a page at a time."""
    filters = filters_of("who", "subject", "action")
    with looking() as connection:
        page = page_audit.acts(connection, after=place_asked(number_asked), **filters)
        moment = now(connection)
    return render_template("audit.html", page=page, filters=filters, now=moment, live_s=live_s_of())
