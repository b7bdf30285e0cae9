"""What the kinds of flow have in common in `bin/bench missed`: a scene is played while no webhook arrives."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from benchmarks._fleet import say
from benchmarks._heard import Heard
from benchmarks._load import percentile
from tests.support.fleet import Fleet

LOOK_S: Final = 3.0
FINISHED_WITHIN_S: Final = 900.0  # after the last of a scene's acts
WORKER: Final = "worker"
QUICK_WORKER: Final = "quick_worker"

Acts = Sequence[tuple[float, Callable[[], object]]]  # when, in seconds from the beginning, and what is done then


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many flows, of which how many wait for one provider at a time; over how long the providers decide."""

    flows: int
    waiting: int
    minutes_of_waiting: float  # how long one waits there, as a rule

    @property
    def decided_within_s(self) -> float:
        """So long it takes until the last of them has had its turn."""
        return self.flows / self.waiting * self.minutes_of_waiting * 60


class Scene(Protocol):
    """Flows of one kind. `waits` are seconds from a provider's decision to our record, by what was decided."""

    providers: Sequence[str]

    def prepare(self) -> None:
        """What comes before webhooks are dropped."""
        ...

    def acts(self) -> Acts:
        """What customers and providers do, in its order."""
        ...

    def left(self) -> int:
        """How many flows are not where they should end."""
        ...

    def waits(self) -> Mapping[str, Sequence[float]]:
        """The one named "" is that of the whole flow: from when all that must know did."""
        ...

    def counted(self) -> Mapping[str, int]:
        """`lost` and `doubled`, against the sandbox's own books."""
        ...


@dataclass(slots=True)
class Crowd:
    """How many flows waited at once for each provider, at most."""

    fleet: Fleet
    most: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Count them now."""
        query = "SELECT provider, count(*) AS n FROM flows WHERE status = 'open' AND provider IS NOT NULL GROUP BY 1"
        for row in self.fleet.rows(query):
            self.most[row["provider"]] = max(self.most.get(row["provider"], 0), row["n"])


def play(fleet: Fleet, scene: Scene) -> dict[str, float]:
    """The figures, by name. Raises: AssertionError: some are not finished for too long, or a process gave up."""
    scene.prepare()
    drop(fleet, *scene.providers)
    heard = [Heard(fleet, provider) for provider in scene.providers]
    for one in heard:
        one.begin()
    crowd = Crowd(fleet)
    acts = list(scene.acts())
    flows = scene.left()
    say(f"{len(acts)} acts within {acts[-1][0]:.0f} s, all webhooks dropped")
    began = looked = time.monotonic()
    while acts or scene.left():
        now = time.monotonic()
        if not acts and now - began > FINISHED_WITHIN_S:
            raise AssertionError(f"{scene.left()} are not finished after {FINISHED_WITHIN_S:.0f} s\n{fleet.picture()}")
        while acts and acts[0][0] <= now - began:
            acts.pop(0)[1]()
            if not acts:
                say("nothing more happens; waiting until we know all of it")
                began = now
        if now - looked > LOOK_S:
            looked = now
            crowd.look()
            for one in heard:
                one.look()
        time.sleep(0.1 if acts else LOOK_S)
    return figures(scene, heard, crowd, flows)


def figures(scene: Scene, heard: Sequence[Heard], crowd: Crowd, flows: int) -> dict[str, float]:
    """Percentiles, what was lost, and what asking has cost."""
    found: dict[str, float] = {}
    for name, seconds in scene.waits().items():
        before = f"{name}_" if name else ""
        found |= {f"{before}p50_s": percentile(seconds, 0.5), f"{before}p99_s": percentile(seconds, 0.99)}
    found |= scene.counted()
    shares = {one.provider: one.shares() for one in heard}
    found |= {
        name: max(share[name] for share in shares.values()) for name in ("share_of_rate_limit", "share_with_steps")
    }
    for one in heard:
        found |= {f"{one.provider}_{name}": share for name, share in shares[one.provider].items()}
        found[f"{one.provider}_calls_per_flow"] = one.calls() / flows
        found[f"{one.provider}_waiting"] = crowd.most.get(one.provider, 0)
    return found


def drop(fleet: Fleet, *providers: str) -> None:
    """No webhook of theirs arrives from now on."""
    fleet.faults(*({"name": "webhook_dropped", "provider": one, "probability": 1.0} for one in providers))


def evenly(acts: Sequence[Callable[[], object]], *, after_s: float, within_s: float) -> Acts:
    """One after the other, as far apart as they may be."""
    return [(after_s + within_s * number / len(acts), act) for number, act in enumerate(acts)]


def without_our_rates(fleet: Fleet, add: Callable[[Fleet, str], None], work: Callable[[], Any]) -> None:
    """Do it with a worker that knows no rates of providers: to get to where the measuring begins."""
    fleet.retire(WORKER)
    add(fleet, QUICK_WORKER)
    work()
    fleet.retire(QUICK_WORKER)
    fleet.add(WORKER, "worker")
