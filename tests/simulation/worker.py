"""A worker of the simulation: the product's own runner and ingest, driven by hand."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from requests.adapters import BaseAdapter

from db.gates import GateRows
from db.sealing import Sealer
from funding.backoff import Backoff
from funding.calls import Ports
from funding.flows.table import FLOWS
from providers.provider import Config
from providers.registry import (
    INTERPRETERS,
    POLICIES,
    ProvidersConfig,
    Surroundings,
    build,
)
from tests.simulation.clock import Boundary, Clock, moved_unit_of_work, one_after_the_other
from tests.simulation.heard import Heard
from tests.simulation.quick import Connects
from workers.doors import Doors
from workers.ingest import Ingest
from workers.listings import looks_of, polls_of
from workers.polls import Polls
from workers.recorder import Recorder
from workers.runner import Runner
from workers.session import Session
from workers.walks import Walker

RETRY: Final = Backoff(first=timedelta(seconds=60), tries=3)
POLLED_EVERY: Final = timedelta(minutes=5)
KEYLESS: Final = {name: replace(policy, key_lifetime=None) for name, policy in POLICIES.items()}


class Unlimited:
    """No limit of our own: a history's calls come faster than virtual time passes."""

    def spend(self) -> None:
        return None


class SimulatedWorker:
    """One worker process. `alive` turns false when it crashes; `frozen` while it is paused."""

    def __init__(
        self,
        engine: Connects,
        clock: Clock,
        boundary: Boundary,
        wires: Mapping[str, BaseAdapter],
        *,
        configs: Sequence[Config],
        wake: Heard,
        draw: random.Random,
        keys_live: bool = True,
    ) -> None:
        self.alive = True
        self.frozen = False
        self.held: dict[UUID, int] = {}  # what it held when it stood still, and how often each had been woken
        begin = moved_unit_of_work(engine, clock, boundary)
        stepping = one_after_the_other(begin, clock)
        quiet = moved_unit_of_work(engine, clock, lambda _: None)
        self.session = Session(quiet, monotonic=clock.monotonic)
        self.session.start()
        self.providers = build(
            ProvidersConfig(
                each=configs,
                threads=64,
                redis_url=None,
            ),
            Surroundings(gate_store=GateRows(quiet), clock=clock, transports=wires),
        )
        for gate in self.providers.gates.values():
            gate._rate = Unlimited()
            gate._monotonic = clock.monotonic
            gate._jitter = draw
        for client in self.providers.clients.values():
            for tokens in client._keys._tokens():
                tokens._monotonic = clock.monotonic  # type: ignore[attr-defined]  # a `TokenHolder`
        doors = Doors(self.providers.gates)
        self.runner = Runner(
            begin=stepping,
            at_once=stepping,
            flows=FLOWS,
            ports=Ports(each=self.providers.ports(), policies=POLICIES if keys_live else KEYLESS),
            session=self.session,
            recorder=Recorder(begin=stepping, flows=FLOWS, retry=RETRY, channels=("webhook",), draw=draw),
            wake=wake,
            doors=doors,
            sleep=clock.rest,
        )
        self.ingest = Ingest(begin=begin, flows=FLOWS, interpreters=INTERPRETERS, sealer=Sealer(), wake=wake)
        self.polls = Polls(
            begin=begin,
            walker=Walker(begin=begin, wake=wake, sealer=Sealer(), sleep=clock.rest),
            wake=wake,
            doors=doors,
            polls=polls_of(self.providers, POLLED_EVERY),
            looks=looks_of(self.providers, begin),
            chores={},
        )

    def close(self) -> None:
        self.providers.close()
