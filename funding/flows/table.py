"""Every flow there is, by its name."""

from funding.flow import Flow
from funding.flows.bridge_customer import bridge_customer
from funding.flows.bridge_leaving import bridge_leaving
from funding.flows.bridge_on_ramp import bridge_on_ramp
from funding.flows.bridge_virtual_account import bridge_virtual_account
from funding.flows.bridge_withdrawal import bridge_withdrawal
from funding.flows.due_deposit import due_deposit
from funding.flows.stripe_top_up import stripe_top_up

FLOWS: dict[str, Flow] = {
    flow.name: flow
    for flow in (
        due_deposit,
        bridge_on_ramp,
        bridge_withdrawal,
        stripe_top_up,
        bridge_customer,
        bridge_virtual_account,
        bridge_leaving,
    )
}
