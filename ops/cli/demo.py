"""`rampkeeper demo`: deposits through the whole system, with faults and kills, and the truth at the end."""

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import Engine

from db import demo_figures
from db.engine import make_engine
from ops.cli.system import PRODUCT, ROOT, System, running_system

FAULTS: Final[tuple[tuple[str, str, float, dict[str, int]], ...]] = (
    ("webhook_dropped", "due", 0.5, {}),
    ("webhook_doubled", "due", 0.33, {}),
    ("webhook_reordered", "due", 0.3, {}),
    ("reply_lost", "*", 0.1, {}),
    ("server_error", "*", 0.03, {}),
    ("throttled", "*", 0.02, {"seconds": 1}),
)
PATH: Final = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")
RETURNED: Final = ("funds_received", "manual_review", "refund_submitted", "refund_processed")
CUSTOMERS: Final = 5
RETURNED_EVERY: Final = 12
LONGEST_S: Final = 210  # the whole demo is to stay below four minutes


@click.command()
@click.option("--flows", default=60, show_default=True, help="How many deposits.")
@click.option("--seed", default=1, show_default=True, help="Of the faults, the amounts and the kills.")
@click.option("--no-faults", is_flag=True, help="Let the providers behave and nobody die.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON line, the last of stdout.")
@click.option("--keep", is_flag=True, help="Leave it running at the end, until Ctrl-C.")
def demo(*, flows: int, seed: int, no_faults: bool, as_json: bool, keep: bool) -> None:
    """Send deposits through the whole system while providers misbehave and processes die."""
    began = time.monotonic()
    more = {"POLL_S": "5", "RETRY_FIRST_S": "2"}
    with running_system("demo", pretend=True, seed=seed, say=_say, more=more) as system:
        engine = make_engine(system.services.database_url, pool=2)
        accounts = _people(system)
        if not no_faults:
            for name, provider, probability, params in FAULTS:
                body = {"name": name, "provider": provider, "probability": probability, **params}
                system.control("PUT", "faults", body)
        _send(system, accounts, flows, random.Random(seed))
        _watch(system, engine, flows, kills=not no_faults, until=began + LONGEST_S)
        system.control("DELETE", "faults")
        summary = _summary(system, engine, flows, time.monotonic() - began)
        summary["report"] = str(_report(system, summary))
        engine.dispose()
        _print(summary, as_json=as_json)
        if keep:
            _say(f"still running: {system.web}, settings in {system.instance.folder / 'env'}; Ctrl-C ends it")
            while True:
                time.sleep(1)
    sys.exit(0 if _is_well(summary) else 1)


def _people(system: System) -> list[dict[str, str]]:
    """Customers at both providers and here."""
    made = [system.control("POST", "customers", {"name": f"Customer {n}"}) for n in range(CUSTOMERS)]
    file = system.instance.folder / "customers.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("customer", "level", "provider", "kind", "external_id", "attributes"))
        for number, one in enumerate(made):
            mode = json.dumps({"mode": "va_auto", "account": one["account"]})
            rows.writerow((f"customer-{number}", 2, "due", "virtual_account", one["virtual_account"], mode))
            rows.writerow((f"customer-{number}", 2, "alpaca", "brokerage_account", one["brokerage_account"], ""))
    command = [sys.executable, "-m", "ops.cli.main", "customers", "import", str(file), "--yes", "--by", "demo"]
    subprocess.run(  # noqa: S603 -- our own command line
        command, env=dict(system.environment), cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return made


def _send(system: System, accounts: list[dict[str, str]], flows: int, draw: random.Random) -> None:
    for number in range(flows):
        one = draw.choice(accounts)
        system.control(
            "POST",
            "due/deposits",
            {
                "virtual_account_id": one["virtual_account"],
                "amount": f"{draw.randint(5, 900)}.{draw.randint(0, 99):02d}",
                "path": RETURNED if number % RETURNED_EVERY == RETURNED_EVERY - 1 else PATH,
                "step_seconds": draw.choice((0.2, 1.0, 3.0)),
                "expects_account": one["brokerage_account"],
            },
        )
    _say(f"{flows} deposits are on their way")


def _watch(system: System, engine: Engine, flows: int, *, kills: bool, until: float) -> None:
    """Show progress until every deposit is finished or parked; kill each kind of process once on the way."""
    victims = list(PRODUCT) if kills else []
    kill_at = time.monotonic() + 4
    told = ""
    while time.monotonic() < until:
        counted = demo_figures.progress(engine)
        line = f"{counted.finished} of {flows} finished, {counted.parked} parked, {counted.moving} moving"
        if line != told:
            _say(line)
            told = line
        if victims and time.monotonic() >= kill_at:
            name = victims.pop(0)
            _say(f"killing {name}")
            system.supervisor.kill(name)
            kill_at = time.monotonic() + 6
        if counted.finished + counted.parked >= flows and not victims:
            return
        time.sleep(0.5)


def _summary(system: System, engine: Engine, flows: int, seconds: float) -> dict[str, Any]:
    effects = system.control("GET", "effects")
    counts = system.control("GET", "counts")["webhooks"]
    ours = demo_figures.summary(engine, system.control("GET", "balances"))
    supervised = system.supervisor.counts
    return {
        **ours,
        "webhooks": {
            "sent": counts.get("sent", 0),
            "dropped": counts.get("dropped", 0),
            "duplicated": counts.get("doubled", 0),
            "reordered": counts.get("reordered", 0),
        },
        "processes": {"killed": sum(supervised.killed.values()), "restarted": sum(supervised.restarted.values())},
        "provider_effects": {name: effects[name] for name in ("intended", "made", "duplicates")},
        "seconds": {**ours["seconds"], "total": round(seconds, 1)},
        "lost": flows - sum(ours["flows"]["started"].values()),
    }


def _report(system: System, summary: dict[str, Any]) -> Path:
    path = system.instance.folder / "summary.json"
    path.write_text(json.dumps(summary, indent=2), encoding="utf-8")
    return path


def _print(summary: dict[str, Any], *, as_json: bool) -> None:
    click.echo(json.dumps(summary) if as_json else json.dumps(summary, indent=2))


def _is_well(summary: dict[str, Any]) -> bool:
    effects = summary["provider_effects"]
    settled = effects["made"] == effects["intended"] and not any(summary["flows"]["unfinished"].values())
    books = summary["ledger"]["balanced"] and not summary["ledger"]["clearing_differences"]
    return bool(settled and books and not effects["duplicates"] and not summary["lost"])


def _say(text: str) -> None:
    click.echo(text, err=True)
