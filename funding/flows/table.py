"""Every flow there is, by its name."""

from funding.flow import Flow
from funding.flows.due_deposit import due_deposit

FLOWS: dict[str, Flow] = {flow.name: flow for flow in (due_deposit,)}
