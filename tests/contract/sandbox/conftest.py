"""A running sandbox, and someone who receives its webhooks."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.server import SandboxServer
from tests.contract.sandbox.stage import Receiver, Stage, make_stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Quick journals, a firm with cash."""
    config = {"firm_cash": "1000000", "journal_queue_seconds": 0.02, "journal_clearing_seconds": 0.02}
    with SandboxServer(config={**config, "heartbeat_seconds": 0.1}) as server:
        yield make_stage(server)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somewhere for webhooks to go."""
    box = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.got.append((dict(self.headers), body))
            self.send_response(box.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.url = f"http://127.0.0.1:{server.server_port}/webhooks/due"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield box
    server.shutdown()
    server.server_close()
    thread.join()
