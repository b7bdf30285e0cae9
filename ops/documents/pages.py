"""Fills the made parts of `docs/how-money-moves.md`: `python -m ops.documents.pages`; a test says when they are stale.

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`; everything around it is written by hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from funding.flows.table import FLOWS
from ops.documents import flow_diagram, ledger_example

PAGE: Final = Path("docs/how-money-moves.md")  # from the root of the checkout
_PART: Final = re.compile(r"(<!-- made: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def parts() -> Mapping[str, str]:
    """Every made part by its name, in Markdown."""
    flows = {
        f"flow {name}": f"```mermaid\n{flow_diagram.diagram(flow)}\n```\n\n{flow_diagram.tables(flow)}"
        for name, flow in FLOWS.items()
    }
    return {**flows, "ledger due_deposit": ledger_example.text()}


def filled(page: str) -> str:
    """The page with every made part as the code makes it now. Raises: KeyError: a part nothing makes."""
    made = parts()
    return _PART.sub(lambda found: f"{found[1]}\n{made[found['name']]}\n\n{found[3]}", page)


def missing(page: str) -> list[str]:
    """The parts that the page has no place for."""
    return sorted(parts().keys() - {found["name"] for found in _PART.finditer(page)})


def main() -> None:
    """Write the page."""
    path = Path(__file__).resolve().parents[2] / PAGE
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
