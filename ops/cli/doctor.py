"""`rampkeeper doctor`: what is wrong with this installation, and what to mend."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import pulse
from ops.cli.options import reading
from ops.cli.output import print_json, print_table
from ops.cli.providers import NAMES
from ops.cli.reach import CannotReach, NothingNamed, check_schema, database, environment
from ops.reports.cells import Column, cell, column
from ops.reports.health import Check, check_fleet, check_redis, check_server
from providers.rotation import Windowed
from settings import GROUPS, Settings, SettingsError, load

COLUMNS = (
    Column("", lambda row: "ok" if row["ok"] else "WRONG"),
    column("name", "what"),
    column("detail", "found"),
    column("mend", "what to do"),
)


@click.command()
@reading
def doctor(as_json: bool, instance: str | None) -> None:
    """Check settings, servers, schema, clock and keys, and say what to mend. Exit 1 if anything is wrong."""
    checks = list(_checks(instance))
    rows = [{"name": check.name, "ok": check.ok, "detail": check.detail, "mend": check.mend} for check in checks]
    well = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": well, "checks": rows})
    else:
        print_table(rows, COLUMNS)
    if not well:
        raise click.exceptions.Exit(1)


def _checks(instance: str | None) -> Iterator[Check]:
    try:
        env = environment(instance)
    except NothingNamed as nothing:
        yield Check(name="settings", detail="no database to talk to", mend=nothing.message)
        return
    try:
        settings = load(env)
    except SettingsError as error:
        for problem in error.problems:
            mend = f"set it, for example {problem.name}={problem.example}"
            yield Check(name=f"setting {problem.name}", detail=problem.reason, mend=mend)
    else:
        yield Check(name="settings", detail="every setting can be read")
        yield from _check_keys(settings)
    if env.get("REDIS_URL", "").strip():
        yield check_redis(env["REDIS_URL"].strip())
    try:
        with database(env, any_schema=True) as engine:
            yield from _check_database(engine)
    except (CannotReach, NothingNamed) as error:
        found, _, mend = error.message.partition("\n")
        yield Check(name="postgres", detail=found, mend=mend or "mend DATABASE_URL")


def _check_database(engine: Engine) -> Iterator[Check]:
    with engine.connect() as connection:
        before = datetime.now(UTC)
        server = pulse.server(connection)
        midway = before + (datetime.now(UTC) - before) / 2
    yield from check_server(server, our_clock=midway)
    try:
        check_schema(engine)
    except CannotReach as behind:
        yield Check(name="schema", detail=behind.message, mend="run `rampkeeper migrate`")
        return
    yield Check(name="schema", detail="at this checkout's newest")
    try:
        with engine.connect() as connection:
            yield from check_fleet(connection)
            yield _keys_used(pulse.providers(connection, NAMES))
    except DBAPIError as error:
        kind = type(error.orig).__name__
        yield Check(name="fleet", detail=f"the database answered {kind}", mend="look at the server's log")


def _check_keys(settings: Settings) -> Iterator[Check]:
    """Every list of keys needs one that is valid today."""
    now = datetime.now(UTC)
    for name, _ in GROUPS:
        group = getattr(settings, name)
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            windows = isinstance(value, tuple) and value and isinstance(value[0], Windowed)
            if windows and not any(entry.is_open(now) for entry in value):
                setting = field.metadata["setting"].name
                mend = f"put a key that is valid now first in {setting}"
                yield Check(name=f"setting {setting}", detail="no entry is within its window", mend=mend)


def _keys_used(rows: Sequence[Mapping[str, Any]]) -> Check:
    used = [
        f"{row['provider']} {key['fingerprint']} {cell(key['last_used_at'])}" for row in rows for key in row["keys"]
    ]
    return Check(name="keys", detail=f"last used: {', '.join(used)}" if used else "no webhook has been verified yet")
