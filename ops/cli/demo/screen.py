"""How the demo shows itself while it runs: bars that move on a terminal, plain lines elsewhere. All on stderr."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ops.cli.demo.scene import STATES, Scene, empty
from ops.cli.demo.story import Kind

LINES_KEPT: Final = 9
LINE_EVERY_S: Final = 3.0
BAR: Final = 32
STYLES: Final = {Kind.BLOW: "bold red", Kind.PROVIDERS: "yellow", Kind.PERSON: "bold cyan", Kind.NOTE: "dim"}
COLOURS: Final = {"broker_funded": "green", "returned": "blue", "failed": "red", "parked": "magenta"}


class Screen:
    """Told what happens and what can be seen; methods may be called from any thread."""

    def __init__(self, flows: int) -> None:
        self._flows = flows
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
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=24)
        table.add_column(justify="right", min_width=3)
        table.add_column(width=BAR)
        for state in (*STATES, "parked"):
            count = scene.deposits.parked if state == "parked" else scene.deposits.states.get(state, 0)
            bar = "━" * min(BAR, round(BAR * count / max(self._flows, 1)) or int(count > 0))
            table.add_row(
                state.replace("_", " "),
                str(count),
                Text(bar, COLOURS.get(state, "yellow")),
                style="" if count else "dim",
            )
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
        done = scene.deposits.finished
        return Panel(
            Group(table, Text(), facts, *self._lines),
            title=f"rampkeeper demo: {done} of {self._flows} deposits finished, {scene.sent} sent",
            subtitle=f"{clock:.0f} s",
            border_style="green" if done == self._flows else "bright_black",
        )
