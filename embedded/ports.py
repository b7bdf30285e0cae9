"""Free ports on this machine's loopback."""

import random
import socket

# Below the ports that systems hand to outgoing connections (32768 up on Linux, 49152 up on macOS): a server that is
# restarted finds its port still free.
FIRST, LAST = 15_000, 32_000
TRIES = 200


def free_port() -> int:
    """A port nobody listens on at 127.0.0.1 right now.

    Another process may take it before you do: be ready to ask again.

    Raises: OSError when none is found.
    """
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port found between {FIRST} and {LAST} on 127.0.0.1")


def is_listening(port: int) -> bool:
    """Whether something accepts connections at 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
