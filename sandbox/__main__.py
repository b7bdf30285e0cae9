"""`python -m sandbox`: the providers, pretended, until Ctrl-C."""

from __future__ import annotations

import argparse
import json

from sandbox.server import APPS, serve


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="sandbox", description="The providers, pretended, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="of the control API and page; 0: any")
    for name in APPS:
        parser.add_argument(f"--{name}-port", type=int, default=0, help="0: any")
    parser.add_argument("--seed", type=int, default=0, help="every id and fault is drawn from it")
    parser.add_argument("--config", type=json.loads, default={}, help="a JSON object, names as in sandbox/config.py")
    given = parser.parse_args()
    ports = {"control": given.port, **{name: getattr(given, f"{name}_port") for name in APPS}}
    try:
        serve(ports, given.seed, given.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
