"""What is done to the system while money moves through it: processes killed, the queue emptied, servers restarted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import redis
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import demo_story
from db.demo_story import Pulse
from ops.cli.demo.story import Kind, Story
from ops.cli.system import PRODUCT, System, is_ready

BREATH_S: Final = 1.5  # between the end of one and the next
LONGEST_S: Final = 60.0  # an outage that lasts longer is a failure of the demo


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One disturbance. `is_over` is asked, with the pulse from before, until everything works again.

    `mid_call`: it may end a call that creates something, and nobody hears how that went.
    """

    title: str
    name: str
    over: str = "is back"
    strike: Callable[[], None]
    is_over: Callable[[Pulse], bool]
    mid_call: bool = False


def blows(system: System, engine: Engine) -> list[Blow]:
    """Every blow this system can take, in the order they fall: servers that are yours are left alone."""
    valkey, postgres = system.services.valkey, system.services.postgres
    back: dict[str, Callable[[Pulse], bool]] = {
        "web": lambda _: system.supervisor.pid("web") is not None and is_ready(system.web),
        "worker": lambda before: demo_story.worker_is_back(engine, before),
        "clock": lambda before: demo_story.clock_is_back(engine, before),
    }

    def kill(*names: str) -> Blow:
        def strike() -> None:
            for name in names:
                system.supervisor.kill(name)

        whole = len(names) == len(PRODUCT)
        return Blow(
            title=f"SIGKILL {'of web, worker and clock at once' if whole else names[0]}",
            name="everything" if whole else names[0],
            strike=strike,
            is_over=lambda before: all(back[name](before) for name in names),
            mid_call="worker" in names,
        )

    found = [kill("web"), kill("worker")]
    if valkey is not None:
        found.append(
            Blow(
                title="FLUSHALL: the queue is emptied",
                name="the queue",
                over="is empty and in use again",
                strike=valkey.flush,
                is_over=lambda _: _answers(system.services.redis_url),
            )
        )
    found.append(kill("clock"))
    if valkey is not None:
        found.append(
            Blow(
                title="SIGKILL of Valkey, started again empty",
                name="Valkey",
                strike=_one_after_another(valkey.kill, valkey.start),
                is_over=lambda _: _answers(system.services.redis_url),
            )
        )
    found.append(kill(*PRODUCT))
    if postgres is not None:
        found.append(
            Blow(
                title="Postgres restarted, every connection cut",
                name="Postgres",
                strike=postgres.restart,
                is_over=lambda before: is_ready(system.web) and demo_story.all_go_on(engine, before),
            )
        )
    return found


def let_fall(story: Story, engine: Engine, falling: Sequence[Blow]) -> None:
    """One after another, each once the last is over. What does not recover is a trouble. Raises: Stopped."""
    for blow in falling:
        story.pause(BREATH_S)
        before = _pulse(engine, story)
        happening = story.begin(Kind.BLOW, blow.title)
        blow.strike()
        if story.wait_for(lambda blow=blow, before=before: blow.is_over(before), within_s=LONGEST_S):  # type: ignore[misc]
            story.end(happening, f"{blow.name} {blow.over} after {story.now_s() - happening.at_s:.1f} s")
        else:
            story.end(happening, "not back in time")
            story.trouble(f"{blow.name} was not back {LONGEST_S:.0f} s after: {blow.title}")


def _pulse(engine: Engine, story: Story) -> Pulse:
    """The pulse now; a connection that an earlier blow has cut is made again first."""
    try:
        return demo_story.pulse(engine)
    except DBAPIError:
        story.pause(BREATH_S)
        return demo_story.pulse(engine)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _one_after_another(*acts: Callable[[], object]) -> Callable[[], None]:
    def strike() -> None:
        for act in acts:
            act()

    return strike
