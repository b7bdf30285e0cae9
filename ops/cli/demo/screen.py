"""How the demo shows itself while it runs: bars that move on a terminal, plain lines elsewhere. All on stderr."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from ops.cli.demo import kinds
from ops.cli.demo.scene import Scene, empty
from ops.cli.demo.story import Kind

LINES_KEPT: Final = 8
LINE_EVERY_S: Final = 3.0
TITLE: Final = 20
COUNT: Final = 12
BAR: Final = 38
STYLES: Final = {Kind.BLOW: "bold red", Kind.PROVIDERS: "yellow", Kind.PERSON: "bold cyan", Kind.NOTE: "dim"}
COLOURS: Final = {kinds.DONE: "green", kinds.UNDONE: "blue", kinds.FAILED: "red", kinds.PARKED: "magenta"}
MOVING: Final = "yellow"


class Screen:
    """Told what happens and what can be seen; methods may be called from any thread."""

    def __init__(self, wanted: Mapping[str, int]) -> None:
        """`wanted`: how many of each kind are to be sent, in the order in which kinds are shown."""
        self._wanted = wanted
        self._flows = sum(wanted.values())
        self._console = Console(stderr=True, highlight=False)
        self._began = time.monotonic()
        self._scene = empty()
        self._lines: deque[Text] = deque(maxlen=LINES_KEPT)
        self._live: Live | None = None
        self._said = ""
        self._say_at = 0.0

    def tell(self, text: str, *, kind: Kind = Kind.NOTE) -> None:
        """One line about what happens now."""
        line = Text(f"{time.monotonic() - self._began:6.1f} s  {text}")
        line.stylize(STYLES[kind], 8)
        if self._live is not None:
            self._lines.append(line)
        elif self._console.is_terminal:
            self._console.print(line)
        else:
            sys.stderr.write(f"{line.plain}\n")
            sys.stderr.flush()

    def show(self, scene: Scene) -> None:
        """What can be seen now."""
        self._scene = scene
        said = scene.line(self._flows)
        if self._live is None and said != self._said and time.monotonic() >= self._say_at:
            self._said, self._say_at = said, time.monotonic() + LINE_EVERY_S
            self.tell(said)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Draw all of it anew several times a second, on a terminal that can; its last state stays."""
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=5, get_renderable=self._drawn) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def _drawn(self) -> Panel:
        scene = self._scene
        clock = time.monotonic() - self._began
        rows: list[Text] = []
        for kind, wanted in self._wanted.items():
            finished = f"{scene.flows.finished_by_kind.get(kind, 0)} of {wanted}".rjust(COUNT)
            rows.append(
                Text.assemble((kinds.title(kind).ljust(TITLE), "bold"), finished, "  ", self._bar(kind, wanted))
            )
            rows.append(self._states(kind))
        hooks = scene.webhooks
        facts = Text.assemble(
            ("webhooks  ", "bold"),
            f"{hooks.get('sent', 0)} sent, {hooks.get('dropped', 0)} dropped, {hooks.get('doubled', 0)} doubled, "
            f"{hooks.get('reordered', 0)} reordered\n",
            ("providers ", "bold"),
            f"{scene.faults.get('reply_lost', 0)} answers lost, {scene.faults.get('server_error', 0)} errors, "
            f"{scene.faults.get('throttled', 0)} throttled\n",
            ("processes ", "bold"),
            *((f"{'●' if up else '○'} {name}  ", "green" if up else "bold red") for name, up in scene.running.items()),
            f" {scene.killed} killed\n",
        )
        done = scene.flows.finished
        return Panel(
            Group(*rows, Text(), facts, *self._lines),
            title=f"rampkeeper demo: {done} of {self._flows} finished, {scene.flows.moving} moving",
            subtitle=f"{clock:.0f} s",
            border_style="green" if done == self._flows else "bright_black",
        )

    def _bar(self, kind: str, wanted: int) -> Text:
        """As long as the share of them that were begun, the finished first."""
        flows = self._scene.flows
        shares = dict.fromkeys((kinds.DONE, kinds.UNDONE, kinds.FAILED, kinds.PARKED, MOVING), 0)
        for state, count in flows.states.get(kind, {}).items():
            tone = kinds.tone(kind, state)
            shares[tone if tone in COLOURS else MOVING] += count
        shares[kinds.PARKED] += flows.parked_by_kind.get(kind, 0)
        bar, begun, drawn = Text(), 0, 0
        for tone, count in shares.items():
            begun += count
            until = min(BAR, round(BAR * begun / max(wanted, 1)))
            bar.append("━" * (until - drawn), COLOURS.get(tone, MOVING))
            drawn = until
        return bar.append("─" * (BAR - drawn), "dim")

    def _states(self, kind: str) -> Text:
        """How many are in each state, in the order of their way."""
        flows = self._scene.flows
        here, parked = flows.states.get(kind, {}), flows.parked_by_kind.get(kind, 0)
        said = [f"{here[state]} {kinds.plain(state)}" for state in kinds.states(kind) if here.get(state)]
        line = ", ".join([*([f"{parked} parked"] if parked else []), *said])
        return Text(f"  {line}", "dim", no_wrap=True, overflow="ellipsis")  # the panel must not jump
