"""`bin/bench NAME ...` runs the benchmark of that name; without a name it lists them."""

import ast
import runpy
import sys
from pathlib import Path


def benchmarks() -> dict[str, str]:
    """Name and first line of each module here that can be run: those with a function `main`."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main() -> int:
    """Exit code 2 for a name that is none."""
    known = benchmarks()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in known:
        sys.path.append(str(Path(__file__).parents[1]))  # some play what tests hold, and only the product is installed
        sys.argv = sys.argv[1:]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
        return 0
    out = sys.stdout if name in {"", "-h", "--help"} else sys.stderr
    if out is sys.stderr:
        print(f"No benchmark is named {name!r}. There are:", file=out)
    for each, line in known.items():
        print(f"{each:<12} {line}", file=out)
    return 0 if out is sys.stdout else 2


if __name__ == "__main__":
    sys.exit(main())
