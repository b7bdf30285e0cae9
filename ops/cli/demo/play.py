"""The demo from its first movement of money to its last comparison."""

import random
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import requests
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import demo_story
from ops.cli.demo import arrivals, desk, disturbances, faults, orders
from ops.cli.demo import cast as casting
from ops.cli.demo.cast import Cast, Depositor, Holder
from ops.cli.demo.commands import CommandFailed
from ops.cli.demo.orders import Order
from ops.cli.demo.story import Stopped, Story
from ops.cli.demo.wishes import Wishes
from ops.cli.system import System

LINGER_S: Final = 6.0  # how long the providers misbehave on, once the last of them is sent
SETTLE_S: Final = 150.0  # how long what moves may take to finish or park, once nothing disturbs it
REPAIRS: Final = 6  # what waited for a mended one may need mending itself, and a letter may die again of the next wrong


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
        except (CommandFailed, requests.RequestException) as failed:
            self._story.trouble(str(failed))

    def _play(self, cast: Cast) -> None:
        system, story = self._system, self._story
        self.orders = orders.orders(cast, self._flows, self._draw, troubled=self._faulty)
        if self._faulty:
            faults.begin(system, story)
        story.note(f"{self._flows} movements of money set out")
        with Wishes(system, self._engine, story) as wishes:
            with ThreadPoolExecutor(1, "arrivals") as sender:
                self._disturb(cast, wishes, sender.submit(arrivals.send, system, story, wishes, self.orders))
            if self._faulty:
                story.pause(LINGER_S)
                faults.end(system, story)
            self._repair(cast, wishes)
        desk.reconcile(system, story, since=story.began_at)

    def _disturb(self, cast: Cast, wishes: Wishes, sending: Future[None]) -> None:
        """Let everything bad happen while money sets out.

        Withdrawals wait until no worker is killed any more: IBEX knows no key, and a send that was cut off is made
        again only once two look-ups, two minutes apart, have found nothing.
        """
        try:
            falling = disturbances.blows(self._system, self._engine) if self._faulty else []
            while any(blow.mid_call for blow in falling):
                disturbances.let_fall(self._story, self._engine, falling[:1])
                falling = falling[1:]
            wishes.may_withdraw.set()
            disturbances.let_fall(self._story, self._engine, falling)
            if self._faulty:
                unknown: list[Depositor | Holder] = [*cast.unknown, *cast.newcomers]
                for person in unknown:
                    desk.link(self._system, self._story, person)
            sending.result()
        except BaseException:
            self._story.stop.set()  # or leaving would wait for the last of them
            raise

    def _repair(self, cast: Cast, wishes: Wishes) -> None:
        """Let all of it settle; take causes away, then replay what they killed, until nothing waits for a person."""
        system, story = self._system, self._story
        if not self._settled(wishes):
            return
        if self._faulty:
            desk.mend(system, story, cast.refused)
        for _ in range(REPAIRS):
            if not demo_story.progress(self._engine).letters_open or not desk.replay(system, story):
                break
            if not self._settled(wishes):
                break

    def _settled(self, wishes: Wishes) -> bool:
        """Wait until nothing moves: all of it is finished, or something must be mended first. As long as it goes on."""
        before = -1

        def quiet() -> bool:
            now = demo_story.progress(self._engine)
            fulfilled = now.finished >= self._flows and wishes.fulfilled()
            return now.moving == 0 and (now.parked > 0 or fulfilled)

        while not self._story.wait_for(quiet, within_s=SETTLE_S):
            try:
                finished = demo_story.progress(self._engine).finished
            except DBAPIError:
                continue
            if finished == before:
                self._story.trouble(f"it did not settle: nothing finished within {SETTLE_S:.0f} s")
                return False
            before = finished
        return True
