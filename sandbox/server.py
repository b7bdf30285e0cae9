"""The sandbox as a running server: a port for control, and one for each provider."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, Self

from flask import Flask

from sandbox.alpaca.app import create_alpaca_app
from sandbox.bridge.app import create_bridge_app
from sandbox.control import create_control_app
from sandbox.due.app import create_due_app
from sandbox.http_server import HttpServer
from sandbox.ibex.app import create_ibex_app
from sandbox.pump import Pump
from sandbox.stripe.app import create_stripe_app
from sandbox.world import World

APPS: Final[Mapping[str, Callable[[World], Flask]]] = {
    "due": create_due_app,
    "alpaca": create_alpaca_app,
    "bridge": create_bridge_app,
    "ibex": create_ibex_app,
    "stripe": create_stripe_app,
}


class SandboxServer:
    """A world with its servers and its pump; also a context manager.

    `ports` by name, `control` or a provider's; one that is absent or 0 is given by the system. A port can be listened
    on again as soon as `stop()` is back. `config` takes the names of `sandbox.config.Config`. Raises: OSError: a port
    is taken.
    """

    def __init__(
        self, ports: Mapping[str, int] | None = None, seed: int = 0, config: Mapping[str, Any] | None = None
    ) -> None:
        self.world = World(seed, config=config)
        apps = {"control": create_control_app(self.world), **{name: make(self.world) for name, make in APPS.items()}}
        self._servers: dict[str, HttpServer] = {}
        try:
            for name, app in apps.items():
                self._servers[name] = HttpServer(app, (ports or {}).get(name, 0))
        except OSError:
            for server in self._servers.values():
                server.stop()
            raise
        self._pump = Pump(self.world)

    @property
    def urls(self) -> dict[str, str]:
        """`control` and each provider: scheme, host and port."""
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
            **self.world.bridge.ready(),
            **self.world.ibex.ready(),
            **self.world.stripe.ready(),
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


def serve(ports: Mapping[str, int] | None = None, seed: int = 0, config: Mapping[str, Any] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says when and where it is ready."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with SandboxServer(ports, seed, config) as server:
        sys.stdout.write(json.dumps(server.ready()) + "\n")
        sys.stdout.flush()
        stopping.wait()
