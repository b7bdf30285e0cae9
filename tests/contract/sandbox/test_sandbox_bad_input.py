"""Whatever is sent, the answer is the provider's own refusal, never a crash."""

import itertools
from typing import Any

from werkzeug.routing import Map

from sandbox.alpaca.app import create_alpaca_app
from sandbox.control import create_control_app
from sandbox.due.app import create_due_app
from tests.contract.sandbox.stage import Caller, Stage

ODD: tuple[Any, ...] = (None, True, -1, 1.5, "", "\x00", "x" * 2000, [], [1], {}, {"a": {"b": []}})
NAMES = (
    *(
        "type",
        "name",
        "email",
        "country",
        "url",
        "events",
        "enabled",
        "details",
        "destination",
        "schemaIn",
        "reference",
    ),
    *(
        "railOut",
        "currencyOut",
        "currencyIn",
        "quote",
        "recipient",
        "source",
        "amount",
        "virtualAccountId",
        "transferId",
    ),
    *("entry_type", "from_account", "to_account", "entries", "description", "accountId", "transfer_type", "direction"),
    *("applicationFeeBps", "relationship_id", "currency", "ipAddress", "address"),
)
QUERY = "limit={0}&offset={0}&page_size={0}&startDate={0}&since={0}&until={0}&after={0}&next={0}&order={0}&start={0}"


def bodies(stage: Stage) -> list[dict[str, Any]]:
    whole = {
        "entry_type": "JNLC",
        "from_account": stage.firm,
        "to_account": stage.customer["brokerage_account"],
        "transfer_type": "ach",
        "direction": "INCOMING",
    }
    return [*(dict.fromkeys(NAMES, odd) for odd in ODD), *({**whole, "amount": odd} for odd in ODD)]


def shoot(stage: Stage, caller: Caller, routes: Map) -> list[str]:
    """Every route with every odd body or query; the requests that were answered 500 or not in JSON."""
    values = {
        "account_id": stage.customer["brokerage_account"],
        "key": stage.customer["key"],
        "recipient_id": stage.customer["recipient"],
    }
    crashed = []
    for rule in routes.iter_rules():
        if rule.endpoint == "static" or "/events/journals" in rule.rule or "/events/funding" in rule.rule:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", values.get(name, "none"))
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            shots: Any = bodies(stage) if method in {"POST", "PUT"} else ["0", "%00", "x", "-1", "2026-13-45", "%2B"]
            for shot in shots:
                if isinstance(shot, str):
                    answer = caller.call(method, f"{path}?{QUERY.format(shot)}")
                else:
                    answer = caller.call(method, path, json=shot)
                if answer.status_code >= 500:
                    crashed.append(f"{method} {path} {shot} -> {answer.status_code}")
    return crashed


def test_nothing_crashes_due(stage: Stage) -> None:
    assert shoot(stage, stage.due, create_due_app(stage.server.world).url_map) == []


def test_nothing_crashes_alpaca(stage: Stage) -> None:
    assert shoot(stage, stage.alpaca, create_alpaca_app(stage.server.world).url_map) == []


def test_nothing_crashes_the_control(stage: Stage) -> None:
    assert shoot(stage, stage.control, create_control_app(stage.server.world).url_map) == []


def test_duplicate_keys_and_wrong_types_move_nothing(stage: Stage) -> None:
    for one, other in itertools.permutations((b"100", b'"1e3"', b"[]"), 2):
        body = b'{"entry_type":"JNLC","amount":' + one + b',"amount":' + other + b"}"
        assert stage.alpaca.call("POST", "/v1/journals", data=body).status_code in {404, 422}
    assert stage.alpaca.get("/v1/journals").json() == []
