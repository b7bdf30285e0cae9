"""`python -m sandbox`: Due and Alpaca, pretended, until Ctrl-C."""

from __future__ import annotations

import argparse
import json

from sandbox.server import serve


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Due and Alpaca, pretended, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="of the control API and page; 0: any")
    parser.add_argument("--due-port", type=int, default=0)
    parser.add_argument("--alpaca-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="every id and fault is drawn from it")
    parser.add_argument("--config", type=json.loads, default={}, help="a JSON object, names as in sandbox/config.py")
    given = parser.parse_args()
    try:
        serve(given.port, given.due_port, given.alpaca_port, given.seed, given.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
