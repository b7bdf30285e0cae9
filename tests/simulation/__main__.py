"""Play one history again, as a failing test says: its story, then what is wrong at its end."""

import argparse
import sys

from embedded.postgres import PostgresServer
from migrations.run import upgrade
from tests.simulation.plan import PLANS
from tests.simulation.play import told
from tests.simulation.stage import Stage
from tests.simulation.truth import untrue_at_the_end
from tests.support.databases import Databases


def main() -> int:
    """Exit code 1 when the history ends badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--plan", choices=PLANS, default="rough")
    chosen = parser.parse_args()
    with PostgresServer() as server:
        databases = Databases(server.url)
        databases.make_template("simulation", upgrade)
        with Stage(databases.url_of("simulation")) as stage:
            history = told(stage, chosen.seed, chosen.plan)
            wrong = [*history.wrong, *untrue_at_the_end(history.world, history.quiet)]
    sys.stdout.write("\n".join([str(history.story), *(wrong or ["it ends well"]), ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
