"""`rampkeeper dead-letters`: work that waits for a person, shown, replayed and abandoned."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from db import letter_listings
from db.replay import Filter, Letter
from ops.actions import dead_letters as actions
from ops.actions import replay_runs as run_actions
from ops.actions.dead_letters import Answer, Replayed
from ops.actions.desk import Desk, Refused
from ops.cli import replay_runs
from ops.cli.options import LIMIT, SINCE, Acting, acting, listing, reading, resolve
from ops.cli.output import print_fields, print_json, print_list, progress
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import Column, column, length_text, money_column, money_text

COLUMNS = (
    column("id"),
    column("status"),
    column("kind"),
    column("step"),
    column("customer"),
    money_column("at risk"),
    column("error"),
    column("blame"),
    column("fingerprint"),
    column("opened_at", "opened"),
    column("message"),
)
GROUPS = (
    column("fingerprint", "group"),
    column("letters", right=True),
    column("replaying", right=True),
    column("customers", right=True),
    column("kind"),
    column("step"),
    column("error"),
    column("blame"),
    Column("at risk", lambda row: ", ".join(money_text(n, asset) for asset, n in sorted(row["amounts"].items()))),
    column("oldest_at", "oldest"),
    column("message", "newest says"),
)
RESULTS = (
    column("letter"),
    column("flow"),
    column("event"),
    column("customer"),
    column("result"),
    column("step", "will try"),
    column("after"),
)
DRY_RESULTS = (*RESULTS, column("behind", "once this has ended"), column("call", "its call"))


@click.group("dead-letters")
def dead_letters() -> None:
    """Work that waits for a person."""


dead_letters.add_command(replay_runs.runs)
dead_letters.add_command(replay_runs.run_)


@dead_letters.command("list")
@listing
@click.option("--kind", help="The flow's kind, or event.")
@click.option("--state", "status", type=click.Choice(["open", "replaying", "resolved", "abandoned"]))
@click.option("--provider", help="Who refused.")
@click.option("--customer")
@click.option("--group", "fingerprint", help="The fingerprint that `groups` shows.")
@click.option("--blame", type=click.Choice(["us", "provider", "customer"]))
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List dead letters, the newest first."""
    with reading_from(instance) as connection:
        rows = letter_listings.list_letters(connection, limit=limit + 1, since=resolve(connection, since), **filters)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="dead letters")


@dead_letters.command()
@reading
@LIMIT
def groups(as_json: bool, limit: int, instance: str | None) -> None:
    """Group what is open by its cause, the largest group first."""
    with reading_from(instance) as connection:
        rows = letter_listings.letter_groups(connection, limit=limit + 1)
    print_list(rows, GROUPS, as_json=as_json, limit=limit, what="groups")


@dead_letters.command()
@click.argument("letter")
@reading
def show(letter: str, as_json: bool, instance: str | None) -> None:
    """Show a dead letter. LETTER is its id or the beginning of it."""
    with reading_from(instance) as connection:
        shown = letter_listings.show_letter(connection, _find(connection, letter))
    if shown is None:
        raise Refused(f"there is no dead letter {letter!r}")
    if as_json:
        print_json(shown)
        return
    trace = shown.pop("traceback")
    print_fields({**shown, "amount": money_text(shown["amount"], shown["asset"])})
    if trace:
        click.echo(f"\n{trace}")


@dead_letters.command()
@click.argument("letters", nargs=-1)
@click.option("--group", "fingerprint", help="Every open letter of the group that `groups` shows.")
@click.option("--kind", help="Every open letter of that kind.")
@click.option("--provider", help="Every open letter of that provider.")
@click.option("--customer", help="Every open letter of that customer.")
@click.option("--error", help="Every open letter with that error.")
@click.option("--blame", type=click.Choice(["us", "provider", "customer"]))
@SINCE
@click.option("--all", "all_", is_flag=True, help="Every open letter.")
@click.option("--rate", type=click.IntRange(1, 1000), default=actions.RATE, show_default=True, help="So many a second.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen to each.")
@click.option("--run", "watched", is_flag=True, help="Watch what comes of each; a customer's next waits for the last.")
@click.option("--stop-after", type=click.IntRange(1), metavar="N", help="Stop once N came back dead; implies --run.")
@click.option("--resume", metavar="RUN", help="Go on with a watched replay that was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
@acting
def replay(
    letters: tuple[str, ...],
    since: datetime | timedelta | None,
    all_: bool,
    rate: int,
    dry_run: bool,
    watched: bool,
    stop_after: int | None,
    resume: str | None,
    as_json: bool,
    yes: bool,
    by: str,
    instance: str | None,
    **filters: str | None,
) -> None:
    """Try again: one letter, or all open ones that the options leave; oldest first, a result for each.

    With --run or --stop-after the command stays until it is known what came of each letter; it can be interrupted, and
    gone on with by --resume. See `dead-letters runs`.
    """
    chosen = bool(letters or all_ or since or any(filters.values()))
    watched = watched or stop_after is not None
    if resume:
        if chosen or watched or dry_run:
            raise click.UsageError("--resume goes on with the letters, rate and limit of its run: say nothing else")
        _resume(resume, Acting(yes, by), as_json=as_json, instance=instance)
        return
    if not chosen:
        raise click.UsageError("say which: letters' ids, --group, another filter, or --all")
    with desk_of(instance, by=by) as desk:
        found = actions.find(desk, _wanted(desk, letters, since, filters))
        if dry_run:
            _print_dry_run(desk, actions.dry_run(found, per_second=rate), watched=watched, as_json=as_json)
            return
        if found:
            Acting(yes, by).confirm(f"{len(found)} dead letters will be replayed, {rate} a second at most.")
        if watched and found:
            said = _said(letters, since, filters)
            watching = run_actions.start(desk, found, wanted=said, rate=rate, stop_after=stop_after)
            if not replay_runs.watch(desk, watching, as_json=as_json):
                raise click.exceptions.Exit(1)
            return
        with progress("replaying", len(found)) as done:
            results = actions.replay_letters(desk, found, per_second=rate, progress=done)
    print_list([_row(result) for result in results], RESULTS, as_json=as_json, what="open dead letters")
    if letters and any(result.answer is not Answer.REPLAYING for result in results):
        raise click.exceptions.Exit(1)


def _resume(said: str, acting: Acting, *, as_json: bool, instance: str | None) -> None:
    with desk_of(instance, by=acting.by) as desk:
        with desk.begin() as connection:
            run = replay_runs.find_run(connection, said)
        acting.confirm(f"Replay run {run} will be gone on with.")
        if not replay_runs.watch(desk, run_actions.resume(desk, run), as_json=as_json):
            raise click.exceptions.Exit(1)


@dead_letters.command()
@click.argument("letters", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; it stays with the letter and the flow.")
@acting
def abandon(letters: tuple[str, ...], reason: str, yes: bool, by: str, instance: str | None) -> None:
    """Give up: the flow is closed where it stands. Money the ledger still holds for it stays a break."""
    with desk_of(instance, by=by) as desk:
        found = actions.find(desk, _wanted(desk, letters, None, {}))
        Acting(yes, by).confirm(f"{len(found)} dead letters will be abandoned; their flows end where they are.")
        results = actions.abandon_letters(desk, found, reason=reason)
    for result in results:
        if result.refused:
            click.echo(f"{result.letter}: not abandoned: {result.refused}", err=True)
        else:
            what = f"flow {result.flow}" if result.flow else f"event {result.event}"
            money = (
                f"; the ledger still holds {', '.join(map(str, result.held))}: a break is open" if result.held else ""
            )
            if result.released is not None:
                money = f"; {result.released} is the customer's to spend again{money}"
            click.echo(f"{result.letter}: abandoned, {what} is over{money}")
    if any(result.refused for result in results):
        raise click.exceptions.Exit(1)


def _wanted(
    desk: Desk, letters: Sequence[str], since: datetime | timedelta | None, filters: Mapping[str, Any]
) -> Filter:
    with desk.begin() as connection:
        ids = [_find(connection, said) for said in letters] if letters else None
        return Filter(ids=ids, since=resolve(connection, since), **filters)


def _find(connection: Connection, said: str) -> UUID:
    found = letter_listings.letters_by_start(connection, said)
    if len(found) != 1:
        several = f"several dead letters begin with {said!r}: say more of it"
        raise Refused(several if found else f"there is no dead letter {said!r}")
    return found[0]


def _said(letters: Sequence[str], since: datetime | timedelta | None, filters: Mapping[str, str | None]) -> str:
    """Which letters were asked for, as options read."""
    names = {"fingerprint": "group"}
    words = [f"--{names.get(name, name)} {value}" for name, value in filters.items() if value]
    if since is not None:
        words.append(f"--since {length_text(since) if isinstance(since, timedelta) else since.isoformat()}")
    if letters:
        words.append(f"{len(letters)} letters by their ids")
    return " ".join(words) or "--all"


def _print_dry_run(desk: Desk, results: Sequence[Replayed], *, watched: bool, as_json: bool) -> None:
    from ops.actions.next_calls import next_calls  # noqa: PLC0415 -- slow to import: the providers' policies

    calls = next_calls(desk, results)
    behind = dict(_behind([result.letter for result in results])) if watched else {}
    rows = []
    for result in results:
        row = {**_row(result), "behind": behind.get(result.letter.id), "call": calls.get(result.letter.id)}
        if result.answer is Answer.REPLAYING:
            row["result"] = "would replay"
        rows.append(row)
    print_list(rows, DRY_RESULTS, as_json=as_json, what="open dead letters")


def _behind(letters: Sequence[Letter]) -> Iterator[tuple[UUID, str]]:
    """Each letter with the one of its customer before it, where there is one."""
    last: dict[str, UUID] = {}
    for letter in letters:
        if letter.customer is not None:
            if letter.customer in last:
                yield letter.id, str(last[letter.customer])
            last[letter.customer] = letter.id


def _row(result: Replayed) -> dict[str, Any]:
    letter = result.letter
    return {
        "letter": str(letter.id),
        "flow": str(letter.flow) if letter.flow else None,
        "event": str(letter.event) if letter.event else None,
        "customer": letter.customer,
        "state": letter.state,
        "result": str(result.answer),
        "step": result.step,
        "after": length_text(result.delay) if result.answer is Answer.REPLAYING else None,
    }
