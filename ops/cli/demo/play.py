"""The demo from its first deposit to its last comparison."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sqlalchemy import Engine

from db import demo_story
from ops.cli.demo import cast as casting
from ops.cli.demo import desk, disturbances, faults
from ops.cli.demo.cast import Cast, Order
from ops.cli.demo.commands import CommandFailed
from ops.cli.demo.story import Stopped, Story
from ops.cli.system import System

LINGER_S: Final = 6.0  # how long the providers misbehave on, once the last deposit is sent
SETTLE_S: Final = 120.0  # how long what moves may take to finish or park, once nothing disturbs it
REPLAYS: Final = 3  # a letter may die again of the next thing that was wrong with it


class Play:
    """What is done, in order. `run` belongs in a thread of its own; `stop` makes it end soon."""

    def __init__(self, system: System, engine: Engine, story: Story, *, flows: int, seed: int, faulty: bool) -> None:
        self._system = system
        self._engine = engine
        self._story = story
        self._faulty = faulty
        self._flows = flows
        self._draw = random.Random(seed)
        self.command = f"bin/demo --flows {flows} --seed {seed}{'' if faulty else ' --no-faults'}"
        self.orders: list[Order] = []

    def run(self) -> None:
        """Play it to its end, or until it is stopped."""
        try:
            self._play(casting.gather(self._system, troubled=self._faulty))
        except Stopped:
            pass
        except CommandFailed as failed:
            self._story.trouble(str(failed))

    def _play(self, cast: Cast) -> None:
        system, story = self._system, self._story
        self.orders = casting.orders(cast, self._flows, self._draw)
        if self._faulty:
            faults.begin(system, story)
        story.note(f"{self._flows} deposits set out")
        with ThreadPoolExecutor(1, "arrivals") as arrivals:
            sending = arrivals.submit(casting.send, system, story, self.orders)
            try:
                if self._faulty:
                    disturbances.let_fall(story, self._engine, disturbances.blows(system, self._engine))
                    for person in cast.unknown:
                        desk.link(system, story, person)
                sending.result()
            except BaseException:
                story.stop.set()  # or leaving would wait for the last deposit
                raise
        if self._faulty:
            story.pause(LINGER_S)
            faults.end(system, story)
        self._settle("the deposits")
        if self._faulty:
            self._repair(cast)
        self._reconcile()

    def _repair(self, cast: Cast) -> None:
        """Take the causes away, then replay what they killed, until nothing is dead."""
        system, story = self._system, self._story
        desk.mend(system, story, cast.refused)
        for _ in range(REPLAYS):
            if not demo_story.progress(self._engine).letters_open or not desk.replay(system, story):
                break
            self._settle("what was replayed")

    def _settle(self, what: str) -> None:
        """Wait until each deposit sent is finished or waits for a person."""

        def settled() -> bool:
            now = demo_story.progress(self._engine)
            return now.moving == 0 and now.finished + now.parked >= self._flows

        if not self._story.wait_for(settled, within_s=SETTLE_S):
            self._story.trouble(f"{what} did not settle within {SETTLE_S:.0f} s")

    def _reconcile(self) -> None:
        desk.reconcile(self._system, self._story, since=self._story.began_at)
