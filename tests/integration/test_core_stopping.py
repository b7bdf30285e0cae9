"""A worker asked to stop takes nothing more, ends within 25 s whatever hangs, and gives back what it holds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db.engine import unit_of_work
from funding.flow import Step
from tests.support.odd_server import OddServer, hang
from tests.support.rows import add_flow
from tests.support.waiting import eventually
from workers.pull import Pull

HERE = Path(__file__).parents[2]


class Desk:
    """Does nothing but begin; everything it has begun waits for `go_on`."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.go_on = threading.Event()

    def step(self, _step: Step, flow: UUID) -> bool:
        self.begun.append(flow)
        return self.go_on.wait(20)

    def events(self, *_: object) -> None: ...

    def tick(self, *_: object) -> bool:
        return True

    def look(self, *_: object) -> bool:
        return True

    def notification(self, *_: object) -> None: ...


def test_pulling_begins_nothing_more_once_it_is_asked_to_stop(engine: Engine) -> None:
    """A hundred rows in hand and a slow provider: the platform's patience is 30 s."""
    with engine.begin() as connection:
        for _ in range(10):
            add_flow(connection, due_at=datetime.now(UTC))
    desk = Desk()
    pull = Pull(unit_of_work(engine), desk, threads=2, heard=lambda: False)
    with ThreadPoolExecutor(2) as pool:
        under_way = threading.Thread(target=pull.once, args=(pool,))
        under_way.start()
        eventually(lambda: desk.begun)
        pull.stop()
        desk.go_on.set()
        under_way.join(20)
    assert len(desk.begun) <= 2


@pytest.mark.timeout(120)
def test_a_worker_whose_provider_hangs_ends_in_time_and_frees_its_flow(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        flow = add_flow(connection, due_at=datetime.now(UTC))
        connection.execute(
            text("""
                INSERT INTO flow_references (provider, kind, external_id, flow_id) VALUES ('due', 'transfer', 'tf', :id)
            """),
            {"id": flow},
        )
    log = tmp_path / "worker.log"

    def one(query: str) -> object:
        with engine.begin() as connection:
            return connection.execute(text(query)).scalar()

    with OddServer(hang) as due, log.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "workers"],
            cwd=HERE,
            env={
                **{name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")},
                "DATABASE_URL": database_url,
                "REDIS_URL": "redis://127.0.0.1:9/0",  # nobody there: rows are pulled
                "DUE_API_KEY": "k",
                "DUE_BASE_URL": due.url,
            },
            stdout=out,
            stderr=out,
        )
        try:
            eventually(
                lambda: one("SELECT 1 FROM flows WHERE attempt_id IS NOT NULL"), within_s=60, what=log.read_text()
            )
            asked = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(40) == 0, log.read_text()[-3000:]
            took = time.monotonic() - asked
        finally:
            worker.kill()
            worker.wait()
    assert took < 29, "a platform waits for 30 s"
    assert one("SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL") == 0
    assert one("SELECT count(*) FROM flows WHERE attempt_id IS NOT NULL OR due_at IS NULL") == 0
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "worker.stopped"
