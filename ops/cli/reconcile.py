"""`rampkeeper reconcile`: our records against a provider's, and the breaks between them."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click
from sqlalchemy import Connection

from db import break_listings
from db.engine import UnitOfWork
from funding.reconcile.books import BOOKS
from ops.actions.desk import Desk, Refused
from ops.actions.reconcile import breaks as actions
from ops.actions.reconcile import second_deposits
from ops.actions.reconcile.compare import Comparer, Wanted, balance_of, source_of
from ops.actions.reconcile.record_file import check
from ops.cli.asking import asking, log_errors_only, not_configured
from ops.cli.options import Acting, Moment, acting, listing, reading
from ops.cli.options import resolve as moment_of
from ops.cli.output import print_fields, print_json, print_list, print_part, status_line
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import Column, Row, column, money_column, to_json

WEEK: Final = timedelta(days=7)
POLLS_OF_GRACE: Final = 10  # news that ten polls did not bring is not on its way any more
GRACE: Final = timedelta(minutes=10)  # the same, where no poll is known
PROVIDERS: Final = click.Choice(sorted(BOOKS))
BREAKS: Final = (
    column("id"),
    column("provider"),
    column("type"),
    column("subject"),
    column("ours"),
    column("theirs"),
    money_column("at risk", "amount_at_risk"),
    column("status"),
    column("owner"),
    column("opened_at", "opened"),
    column("suggested_action", "suggested"),
)
FINDINGS: Final = (
    column("type"),
    column("subject"),
    column("ours"),
    column("theirs"),
    money_column("at risk", "amount_at_risk"),
    column("flow"),
    column("break"),
    column("suggested_action", "suggested"),
)
RUNS: Final = (
    column("id"),
    column("provider"),
    column("since", "from"),
    column("until"),
    column("source"),
    column("status"),
    Column("findings", lambda row: to_json(row["counts"].get("findings", {}), indent=None)),
    column("started_at", "started"),
    column("error"),
)
HISTORY: Final = (column("at"), column("what"), column("by_whom", "by"), column("note"))


@click.group()
def reconcile() -> None:
    """Our records against a provider's, and the breaks between them."""


@reconcile.command()
@click.option("--provider", type=PROVIDERS, required=True)
@click.option("--since", type=Moment(), default=WEEK, help="Objects made from then on; 7 days ago if not said.")
@click.option("--until", type=Moment(), help="Objects made before then; now if not said.")
@click.option("--fail-on-breaks", is_flag=True, help="Exit 1 when anything but timing was found.")
@click.option("--by", metavar="NAME", help="Who asks; shown with the run.")
@reading
def run(
    provider: str,
    since: datetime | timedelta,
    until: datetime | timedelta | None,
    fail_on_breaks: bool,
    by: str | None,
    as_json: bool,
    instance: str | None,
) -> None:
    """Compare now, wait for it, and print what was found. It reads only; exit 0 also when it found breaks."""
    with asking(instance) as at, status_line(f"comparing {provider}") as say:
        source = source_of(at.providers, provider)
        if source is None:
            raise not_configured(provider)
        wanted = _wanted(at.begin, provider, since, until, by)
        grace = at.settings.poll * POLLS_OF_GRACE
        done = Comparer(begin=at.begin, grace=grace, say=say).with_provider(
            wanted, source, balance=balance_of(at.begin, at.providers, provider)
        )
        shown = _shown(at.begin, done)
    _finish(shown, as_json=as_json, fail_on_breaks=fail_on_breaks)


@reconcile.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--since", type=Moment(), help="The file holds all that was made from then on; its first record's time.")
@click.option("--until", type=Moment(), help="And before then; just after its last record's time.")
@click.option("--fail-on-breaks", is_flag=True, help="Exit 1 when anything but timing was found.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
@acting
def import_(
    file: Path,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    fail_on_breaks: bool,
    as_json: bool,
    yes: bool,
    by: str,
    instance: str | None,
) -> None:
    """Compare with a CSV of a provider's records: the whole file or nothing, every bad line named.

    Its header names provider,kind,id,state,time,asset,amount and may name asset_out,amount_out,fee,account,reference;
    one record a line, amounts as decimals, one provider and kind a file.
    """
    read = check(file)
    log_errors_only()
    with desk_of(instance, by=by) as desk, status_line(f"comparing {read.book.provider}") as say:
        wanted = _wanted(desk.begin, read.book.provider, since or read.since, until or read.until, by)
        Acting(yes, by).confirm(f"{read.lines} records of {read.book.provider} will be compared with ours.")
        with desk.sheet() as sheet:
            sheet.note("reconcile.import", read.book.provider, lines=read.lines)
        done = Comparer(begin=desk.begin, grace=GRACE, say=say).with_records(wanted, read.book, read.records())
        shown = _shown(desk.begin, done)
    _finish(shown, as_json=as_json, fail_on_breaks=fail_on_breaks)


@reconcile.command()
@listing
@click.option("--provider", type=PROVIDERS)
@click.option("--state", type=click.Choice(["running", "finished", "failed"]))
def runs(
    as_json: bool,
    limit: int,
    since: datetime | timedelta | None,
    instance: str | None,
    provider: str | None,
    state: str | None,
) -> None:
    """List comparisons, the newest first."""
    with reading_from(instance) as connection:
        rows = break_listings.list_runs(
            connection, limit=limit + 1, since=moment_of(connection, since), provider=provider, state=state
        )
    print_list(rows, RUNS, as_json=as_json, limit=limit, what="comparisons")


@reconcile.command()
@click.argument("found", metavar="RUN")
@reading
def show(found: str, as_json: bool, instance: str | None) -> None:
    """Show a comparison and what it found, or a break and its history. RUN is its id or the beginning of it."""
    with reading_from(instance) as connection:
        shown_runs = break_listings.runs_by_start(connection, found)
        shown_breaks = break_listings.breaks_by_start(connection, found)
        _only([*shown_runs, *shown_breaks], found, "comparison or break")
        if shown_runs:
            shown = break_listings.show_run(connection, shown_runs[0])
        else:
            shown = break_listings.show_break(connection, shown_breaks[0])
    if shown_runs or as_json:
        _print_run(shown, as_json=as_json)
        return
    print_fields({name: value for name, value in shown.items() if name != "history"})
    print_part("History", shown["history"], HISTORY)


@reconcile.command()
@listing
@click.option("--provider")
@click.option("--kind", "--type", "kind", help="The break's type, such as missing_here.")
@click.option(
    "--state", "--status", "status", type=click.Choice(["open", "closed", "all"]), default="open", show_default=True
)
@click.option("--owner", help="Whose they are.")
@click.option("--flow", help="About that flow: its id or the beginning of it.")
@click.option("--run", "found_by", metavar="RUN", help="Found by that comparison.")
@click.option("--sort", "order", type=click.Choice(list(break_listings.ORDERS)), default="newest", show_default=True)
def breaks(
    as_json: bool,
    limit: int,
    since: datetime | timedelta | None,
    instance: str | None,
    status: str,
    found_by: str | None,
    **filters: Any,
) -> None:
    """List breaks: what disagrees, by how much, and what to do. Only open ones unless said."""
    with reading_from(instance) as connection:
        run_id = _only(break_listings.runs_by_start(connection, found_by), found_by, "comparison") if found_by else None
        rows = break_listings.list_breaks(
            connection,
            limit=limit + 1,
            since=moment_of(connection, since),
            status=None if status == "all" else status,
            run=run_id,
            **filters,
        )
    print_list(rows, BREAKS, as_json=as_json, limit=limit, what="breaks")


@reconcile.command()
@click.argument("found", metavar="BREAK...", nargs=-1, required=True)
@click.option("--to", "owner", metavar="NAME", help="Who takes it; whoever --by names if not said.")
@click.option("--nobody", is_flag=True, help="Give it back instead.")
@acting
def assign(found: tuple[str, ...], owner: str | None, nobody: bool, yes: bool, by: str, instance: str | None) -> None:
    """Give breaks to somebody. BREAK is its id or the beginning of it."""
    if nobody and owner:
        raise click.UsageError("--to and --nobody exclude each other")
    taker = None if nobody else (owner or by).strip()
    with desk_of(instance, by=by) as desk:
        ids = _breaks(desk, found)
        Acting(yes, by).confirm(f"{len(ids)} breaks will be owned by {taker or 'nobody'}.")
        actions.assign(desk, ids, owner=taker)
    for one in ids:
        click.echo(f"{one}: owned by {taker or 'nobody'}")


@reconcile.command()
@click.argument("found", metavar="BREAK")
@click.argument("said", metavar="TEXT")
@acting
def note(found: str, said: str, yes: bool, by: str, instance: str | None) -> None:
    """Write down what was learned about a break; it stays in its history."""
    with desk_of(instance, by=by) as desk:
        (one,) = _breaks(desk, [found])
        Acting(yes, by).confirm(f"A note will be added to break {one}.")
        actions.note(desk, one, said)
    click.echo(f"{one}: noted")


@reconcile.command()
@click.argument("found", metavar="BREAK...", nargs=-1, required=True)
@click.option("--note", "said", help="What was done; it stays with the break. Needed unless --as says it.")
@click.option(
    "--as",
    "answer",
    type=click.Choice(second_deposits.ANSWERS),
    help="Of a possible second deposit: it is another one and goes on, or the resend of one that is known.",
)
@acting
def resolve(
    found: tuple[str, ...], said: str | None, answer: str | None, yes: bool, by: str, instance: str | None
) -> None:
    """Close breaks that were settled outside. Anything new about one reopens it."""
    if said is None and answer is None:
        raise click.UsageError("--note must say what was done, or --as what it is")
    with desk_of(instance, by=by) as desk:
        ids = _breaks(desk, found)
        if answer is None:
            Acting(yes, by).confirm(f"{len(ids)} breaks will be closed as settled.")
            done = set(actions.resolve(desk, ids, said=said or ""))
        else:
            Acting(yes, by).confirm(f"{len(ids)} possible second deposits will be taken as {answer}.")
            done = set(second_deposits.say(desk, ids, answer=answer, said=said or answer))
    for one in ids:
        click.echo(f"{one}: {'resolved' if one in done else 'it is closed already'}", err=one not in done)
    if done != set(ids):
        raise click.exceptions.Exit(1)


def _finish(shown: Row, *, as_json: bool, fail_on_breaks: bool) -> None:
    _print_run(shown, as_json=as_json)
    if fail_on_breaks and any(found["type"] != "timing" for found in shown["findings"]):
        raise click.exceptions.Exit(1)


def _wanted(
    begin: UnitOfWork,
    provider: str,
    since: datetime | timedelta,
    until: datetime | timedelta | None,
    by: str | None,
) -> Wanted:
    with begin() as connection:
        first, last = moment_of(connection, since), moment_of(connection, until)
    if first is None:
        raise click.UsageError("--since needs a time")
    return Wanted(provider=provider, since=first, until=last, by=by)


def _shown(begin: UnitOfWork, run_id: UUID) -> dict[str, Any]:
    with begin() as connection:
        return break_listings.show_run(connection, run_id)


def _print_run(shown: Row, *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name not in {"findings", "counts"}})
    print_fields({name: value for name, value in shown["counts"].items() if name != "findings"} or {"counts": None})
    print_part("Found", shown["findings"], FINDINGS)


def _breaks(desk: Desk, said: Sequence[str]) -> list[UUID]:
    with desk.begin() as connection:
        return [_find_break(connection, one) for one in said]


def _find_break(connection: Connection, said: str) -> UUID:
    return _only(break_listings.breaks_by_start(connection, said), said, "break")


def _only(found: Sequence[UUID], said: str, what: str) -> UUID:
    if len(found) != 1:
        several = f"several begin with {said!r}: say more of it"
        raise Refused(several if found else f"there is no {what} {said!r}")
    return found[0]
