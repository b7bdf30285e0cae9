"""Hosts of their own on one machine: network namespaces, each joined to this one by cables that can be pulled.

Needs no special right where ordinary users may make namespaces. A namespace lives as long as the processes in it, and
those end with us: nothing is left to clean up.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, Self

from embedded.guardian import Guardian

TOOLS: Final = ("ip", "nsenter", "unshare")
READY_WITHIN_S: Final = 20.0
CHUNK_BYTES: Final = 65_536
LISTEN: Final = """
import socket, sys
with socket.socket(fileno=int(sys.argv[1])) as asked:
    listening = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[2:]]
    socket.send_fds(asked, [b"."], [each.fileno() for each in listening])
"""


def _apart() -> list[str] | None:
    """The command that runs another with a network of its own, None where there is none to be had."""
    if not all(shutil.which(tool) for tool in TOOLS):
        return None
    for more in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *more, "--net"]
        cable = ["ip", "link", "add", "one", "type", "veth", "peer", "name", "other"]
        if subprocess.run([*command, *cable], capture_output=True, check=False).returncode == 0:
            return command
    return None


APART: Final = _apart()


class Host:
    """A machine as the processes on it see it. `enter` goes before a command that is to run there."""

    def __init__(self, number: int, enter: Sequence[str], network: "Network") -> None:
        self.number = number
        self.enter = [*enter]
        self._network = network

    def cut(self, cable: str) -> None:
        """From now on packets vanish on it, both ways; nobody is told."""
        self._network.wire("ip", "link", "set", _end(self.number, cable), "down")

    def mend(self, cable: str) -> None:
        """From now on they arrive."""
        self._network.wire("ip", "link", "set", _end(self.number, cable), "up")

    def settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """The same settings, with addresses as they are seen from here."""
        return {name: self._seen(value) for name, value in given.items()}

    def _seen(self, value: str) -> str:
        for place, ports in enumerate(self._network.cables.values(), start=1):
            for port in ports:
                value = value.replace(f"127.0.0.1:{port}", f"10.{self.number}.{place}.1:{port}")
        return value


class Network:
    """Hosts and the cables that lead from each to servers on our loopback; `cables` are their ports by name.

    Between them lies a namespace that only passes on what arrives: its listeners are served from here. A host's
    connection therefore ends there, and the server's side of it stays open when a cable is cut.
    """

    def __init__(self, cables: Mapping[str, Sequence[int]]) -> None:
        if APART is None:
            raise RuntimeError("no namespaces here")
        self.cables = cables
        self._apart = APART
        self._hosts = 0
        self._stack = ExitStack()
        self._enter_wire: list[str] = []

    def __enter__(self) -> Self:
        with self._stack:
            self._guardian = self._stack.enter_context(Guardian())
            self._enter_wire = self._namespace("wire", self._apart)
            self._stack.enter_context(_Relay(self._listeners()))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def host(self) -> Host:
        """One more, with every cable plugged in."""
        self._hosts += 1
        number = self._hosts
        enter = self._namespace(f"host-{number}", [*self._enter_wire, "unshare", "--net"])
        pid = enter[enter.index("--target") + 1]
        run(*enter, "ip", "link", "set", "lo", "up")
        for place, cable in enumerate(self.cables, start=1):
            end = _end(number, cable)
            self.wire("ip", "link", "add", end, "type", "veth", "peer", "name", cable, "netns", pid)
            self.wire("ip", "address", "add", f"10.{number}.{place}.1/30", "dev", end)
            self.wire("ip", "link", "set", end, "up")
            run(*enter, "ip", "address", "add", f"10.{number}.{place}.2/30", "dev", cable)
            run(*enter, "ip", "link", "set", cable, "up")
        return Host(number, enter, self)

    def wire(self, *command: str) -> None:
        """Run a command where the near ends of all cables are."""
        run(*self._enter_wire, *command)

    def _namespace(self, name: str, apart: Sequence[str]) -> list[str]:
        """Make one, held by a process that sleeps; the command that enters it."""
        pid = self._guardian.start(name, [*apart, "sleep", "infinity"], env=dict(os.environ))
        deadline = time.monotonic() + READY_WITHIN_S
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":  # until then it is still on its way in
            if time.monotonic() > deadline:
                raise RuntimeError(f"the namespace of {name} is not ready")
            time.sleep(0.01)
        user = ["--user", "--preserve-credentials"] if "--user" in self._apart else []
        return ["nsenter", "--target", str(pid), *user, "--net"]

    def _listeners(self) -> dict[int, socket.socket]:
        """By port, listening in the wire's namespace though we are not in it."""
        ports = [port for several in self.cables.values() for port in several]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            asked = [*self._enter_wire, sys.executable, "-ISc", LISTEN, str(theirs.fileno()), *map(str, ports)]
            subprocess.run(asked, check=True, pass_fds=[theirs.fileno()])
            _, listening, _, _ = socket.recv_fds(ours, 1, len(ports))
        return {port: socket.socket(fileno=each) for port, each in zip(ports, listening, strict=True)}


def run(*command: str) -> None:
    """Raises: CalledProcessError."""
    subprocess.run(command, check=True)


def _end(host: int, cable: str) -> str:
    """The name of the near end of a host's cable: at most 15 characters."""
    return f"{cable}-{host}"


class _Relay:
    """Passes on what arrives at each listener to the same port on our loopback, on a thread of its own."""

    def __init__(self, listeners: Mapping[int, socket.socket]) -> None:
        self._listeners = listeners
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # it ends what is still passed on
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with AsyncExitStack() as listening:
            for port, listener in self._listeners.items():
                served = partial(_pass_on, port=port)
                await listening.enter_async_context(await asyncio.start_server(served, sock=listener))
            self._begun.set()
            await self._stop.wait()


async def _pass_on(here: asyncio.StreamReader, back: asyncio.StreamWriter, port: int) -> None:
    """A connection that has come in, until either end closes it or all is over."""
    with suppress(OSError, asyncio.CancelledError):  # a cancelled handler would be told of as an error
        there, onward = await asyncio.open_connection("127.0.0.1", port)
        ways = {asyncio.ensure_future(_copy(here, onward)), asyncio.ensure_future(_copy(there, back))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            onward.transport.abort()
    back.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until one of the two is gone."""
    with suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            target.write(data)
            await target.drain()
