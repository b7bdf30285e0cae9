"""The product's own runner in a thread of the test, for commands that wait for what workers do."""

import random
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from db import due_work
from db.engine import UnitOfWork
from db.gates import GateRows
from funding.backoff import Backoff
from funding.calls import Ports
from funding.flows.table import FLOWS
from providers.provider import Config
from providers.registry import POLICIES, ProvidersConfig, Surroundings, build
from tests.simulation.heard import Heard
from workers.doors import Doors
from workers.recorder import Recorder
from workers.runner import Runner
from workers.session import Session

LOOK_S: Final = 0.05


class ThreadWorker:
    """It does what is due until it is stopped."""

    def __init__(self, begin: UnitOfWork, configs: Sequence[Config]) -> None:
        self._begin = begin
        self._providers = build(
            ProvidersConfig(each=configs, threads=4, redis_url=None), Surroundings(gate_store=GateRows(begin))
        )
        self._session = Session(begin)
        self._session.start()
        retry = Backoff(first=timedelta(seconds=1))
        self._runner = Runner(
            begin=begin,
            at_once=begin,
            flows=FLOWS,
            ports=Ports(each=self._providers.ports(), policies=POLICIES),
            session=self._session,
            recorder=Recorder(begin=begin, flows=FLOWS, retry=retry, channels=(), draw=random.Random(1)),
            wake=Heard(),
            doors=Doors(self._providers.gates),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._providers.close()

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self._session.beat()
            with self._begin() as connection:
                due = due_work.flows(connection, limit=10)
            for flow, kind, state in due:
                step = FLOWS[kind].step_of(state)
                if step is not None:
                    self._runner.run(step, flow)
