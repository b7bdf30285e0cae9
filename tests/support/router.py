"""What stands before several web processes: each request goes to the next of them, to another if that one is away."""

import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Self

import requests

PATIENCE_S = 10.0


class Router:
    """Listens on loopback until the block is left. `answered`: how many requests each web process has answered."""

    def __init__(self, webs: Sequence[str]) -> None:
        self.answered: Counter[str] = Counter()
        self._webs = cycle(webs)
        self._count = len(webs)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.router = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def pass_on(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """The answer of the first that can be reached; 502 when none can, or when it died over it."""
        for _ in range(self._count):
            with self._lock:
                web = next(self._webs)
            try:
                answer = requests.post(f"{web}{path}", data=body, headers=headers, timeout=PATIENCE_S)
            except requests.ConnectionError:
                continue
            except requests.RequestException:
                break
            with self._lock:
                self.answered[web] += 1
            return answer.status_code, answer.content
        return 502, b""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    router: Router


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        status, answer = self.server.router.pass_on(self.path, kept, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass
