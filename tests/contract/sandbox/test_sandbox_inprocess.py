"""The whole sandbox without a socket or a thread: one seed, one story, however often it is told."""

import json
import threading
from typing import Any

from sandbox.alpaca.app import create_alpaca_app
from sandbox.due.app import create_due_app
from sandbox.inprocess import call
from tests.support.clockwork import make_stage

FAULTS = ("reply_lost", "server_error", "server_error_after", "throttled", "stale_read", "slow_reply", "hanging_socket")


def tell(seed: int) -> list[Any]:
    """Deposits read and funded through the apps, with everything misbehaving now and then."""
    stage = make_stage(seed, firm_cash="10000", alpaca_keys=[["CKEXAMPLE0000000001", "sEcReT0000"]])
    due, alpaca = create_due_app(stage.world), create_alpaca_app(stage.world)
    as_due = {"Authorization": "Bearer due-sandbox-key", "Due-Account-Id": stage.account}
    as_alpaca = {"Authorization": "Basic Q0tFWEFNUExFMDAwMDAwMDAwMTpzRWNSZVQwMDAw"}
    for name in FAULTS:
        stage.world.faults.set(name, "*", 0.15)
    parties = {"from_account": stage.world.alpaca.firm_account_id, "to_account": stage.brokerage}
    story: list[Any] = []
    for number in range(20):
        transfer_id = stage.deposit(expects_account=stage.brokerage)
        story.append(stage.run(1))
        story.append(call(due, "GET", f"/v1/transfers/{transfer_id}", as_due))
        body = json.dumps({"entry_type": "JNLC", "amount": "249.25", "description": transfer_id, **parties}).encode()
        for _ in range(3):
            key = {"Idempotency-Key": f"key-{number}"}
            story.append(call(alpaca, "POST", "/v1/journals", as_alpaca | key, body))
        story.append(call(alpaca, "GET", "/v2/events/journals/status?since=2020-01-01", as_alpaca))
    stage.run(60)
    return [*story, stage.world.effects.summary(), stage.world.alpaca.balances(), dict(stage.world.faults.counts)]


def test_one_seed_tells_one_story_on_one_thread() -> None:
    before = threading.active_count()
    story = tell(11)
    assert story == tell(11)
    assert story != tell(12)
    assert threading.active_count() == before


def test_three_tries_under_one_key_have_one_effect() -> None:
    effects, balances, faults = tell(11)[-3:]
    assert (effects["intended"], effects["made"], effects["duplicates"]) == (20, 20, 0)
    assert "4985.00" in balances.values()
    assert set(faults) == set(FAULTS)
