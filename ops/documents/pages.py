"""Fills the made parts of the pages about flows: `python -m ops.documents.pages`; a test says when they are stale.

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`; everything around it is written by hand.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from funding.flow import Flow
from funding.flows.table import FLOWS
from ops.documents import (
    example_bridge_on_ramp,
    example_bridge_withdrawal,
    example_due_deposit,
    example_stripe_top_up,
    flow_diagram,
    ledger_example,
)

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = tuple(
    sorted(path.relative_to(ROOT) for path in (ROOT / "docs/how-money-moves.md", *ROOT.glob("docs/flows/*.md")))
)
EXAMPLES: Final = {
    "due_deposit": example_due_deposit.stories,
    "bridge_on_ramp": example_bridge_on_ramp.stories,
    "bridge_withdrawal": example_bridge_withdrawal.stories,
    "stripe_top_up": example_stripe_top_up.stories,
}
_PART: Final = re.compile(r"(<!-- made: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def parts() -> Mapping[str, str]:
    """Every made part by its name, in Markdown."""
    flows = {
        f"flow {name}": f"```mermaid\n{flow_diagram.diagram(flow)}\n```\n\n{flow_diagram.tables(flow)}"
        for name, flow in FLOWS.items()
    }
    ledgers = {f"ledger {name}": ledger_example.text(stories()) for name, stories in EXAMPLES.items()}
    return {**flows, **ledgers, "flows": _flows()}


def filled(page: str) -> str:
    """The page with every made part as the code makes it now. Raises: KeyError: a part nothing makes."""
    made = parts()
    return _PART.sub(lambda found: f"{found[1]}\n{made[found['name']]}\n\n{found[3]}", page)


def missing(pages: Iterable[str]) -> list[str]:
    """The parts that none of the pages has a place for."""
    return sorted(parts().keys() - {found["name"] for page in pages for found in _PART.finditer(page)})


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


def _flows() -> str:
    lines = ["| flow | when all goes well | other ends | file |", "|--|--|--|--|"]
    for flow in FLOWS.values():
        way = ", ".join(f"`{state}`" for state in flow.way)
        others = ", ".join(f"`{state}`" for state in _other_ends(flow))
        lines.append(f"| `{flow.name}` | {way} | {others} | `funding/flows/{flow.name}.py` |")
    return "\n".join(lines)


def _other_ends(flow: Flow) -> list[str]:
    return [str(state) for state in (*flow.resting, *flow.closed) if state not in flow.way]


if __name__ == "__main__":
    main()
