"""The sandbox as a running server: one port for control, one for each provider."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any, Self

from sandbox.alpaca.app import create_alpaca_app
from sandbox.control import create_control_app
from sandbox.due.app import create_due_app
from sandbox.http_server import HttpServer
from sandbox.pump import Pump
from sandbox.world import World


class SandboxServer:
    """A world with its three servers and its pump; also a context manager.

    Ports 0 are given by the system; a port can be listened on again as soon as `stop()` is back. `config` takes the
    names of `sandbox.config.Config`. Raises: OSError: a port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        due_port: int = 0,
        alpaca_port: int = 0,
        seed: int = 0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.world = World(seed, config=config)
        apps = (
            ("control", create_control_app(self.world), port),
            ("due", create_due_app(self.world), due_port),
            ("alpaca", create_alpaca_app(self.world), alpaca_port),
        )
        self._servers: dict[str, HttpServer] = {}
        try:
            for name, app, wanted in apps:
                self._servers[name] = HttpServer(app, wanted)
        except OSError:
            for server in self._servers.values():
                server.stop()
            raise
        self._pump = Pump(self.world)

    @property
    def urls(self) -> dict[str, str]:
        """`control`, `due` and `alpaca`: scheme, host and port."""
        return {name: server.url for name, server in self._servers.items()}

    def ready(self) -> dict[str, Any]:
        """What a caller needs to know to use it: urls, credentials, the first endpoint's key, the firm's account."""
        config, due = self.world.config, self.world.due
        return {
            **self.urls,
            "due_public_key": due.endpoints.key(0).der_base64,
            "due_webhook_endpoint_id": next(iter(due.endpoints.by_id), None),
            "due_api_key": config.due_api_keys[0],
            "due_legacy_secret": config.due_legacy_secret,
            "alpaca_key_id": config.alpaca_keys[0][0],
            "alpaca_secret": config.alpaca_keys[0][1],
            "alpaca_firm_account_id": self.world.alpaca.firm_account_id,
            "seed": self.world.seed,
        }

    def start(self) -> Self:
        """Begin to serve."""
        for server in self._servers.values():
            server.start()
        self._pump.start()
        return self

    def stop(self) -> None:
        """End every connection and thread."""
        for server in self._servers.values():
            server.stop()
        self._pump.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(
    port: int = 0,
    due_port: int = 0,
    alpaca_port: int = 0,
    seed: int = 0,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says when and where it is ready."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with SandboxServer(port, due_port, alpaca_port, seed, config) as server:
        sys.stdout.write(json.dumps(server.ready()) + "\n")
        sys.stdout.flush()
        stopping.wait()
