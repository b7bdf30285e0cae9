"""A customer of ours becomes one of Bridge's: a page where they prove who they are, and what comes of it.

Read from top to bottom. One call makes something: the KYC link. Who they are is in the flow's data until then, and
nowhere in the records of that call.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from funding.backoff import HOUR, freshness_wait
from funding.calls import Call
from funding.errors import NeedsPerson, ProviderRejected
from funding.flow import Flow
from funding.flows.bridge_standing import STOPPED, behind_hints, plain_reasons
from funding.outcomes import Advance, BreakFound, LinkMade, Notification, Outcome, Snooze, WatchEnded
from funding.ports.bridge import BridgeCustomer, CustomerStatus
from funding.ports.bridge_customers import KycLink, KycOrder
from funding.refusals import ApiError
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where the identity check is."""

    REQUESTED = "requested"  # asked for here; nothing at Bridge yet
    LINK_MADE = "link_made"  # the customer is to prove who they are, and to accept the terms
    PENDING = "pending"  # the customer is done; Bridge is looking at it
    APPROVED = "approved"  # resting: accounts may be opened
    REJECTED = "rejected"  # resting: may be approved later
    SUSPENDED = "suspended"  # resting: Bridge has paused the customer, or let them go
    FAILED = "failed"  # closed: Bridge would not begin


DECIDED: Final = (State.SUSPENDED, State.REJECTED, State.APPROVED)
NOBODY: Final[Mapping[str, Any]] = {"full_name": None, "email": None}  # what is left of them once the link is there
CUSTOMER: Final = ("bridge", "customer")
KYC_LINK: Final = ("bridge", "kyc_link")
WATCH_CEILING: Final = timedelta(days=7)
READINGS_OF_A_DAY: Final = 24  # an hour of growing waits, then one an hour
ALWAYS: Final = timedelta(days=36_500)  # for as long as they are a customer: Bridge may change its mind at any time

bridge_customer = Flow(
    "bridge_customer",
    start=State.REQUESTED,
    noun="kyc",
    open=(State.REQUESTED, State.LINK_MADE, State.PENDING),
    resting=dict.fromkeys(DECIDED, ALWAYS),
    closed=(State.FAILED,),
    way=(State.REQUESTED, State.LINK_MADE, State.PENDING, State.APPROVED),
    limits={State.REQUESTED: timedelta(hours=1), State.PENDING: timedelta(days=14)},
)


@bridge_customer.step(on=(State.REQUESTED,), may_reach=(State.LINK_MADE, State.FAILED), provider="bridge", creates=True)
def make_link(flow: Snapshot, call: Call) -> Outcome:
    """Have Bridge make a customer and their page; one whom it knows already is only followed."""
    known = flow.link(*CUSTOMER)
    if known is not None:
        return Advance(to=State.LINK_MADE, references=(Reference(*CUSTOMER, known.id),), data=NOBODY)
    order = KycOrder(full_name=_told(flow, "full_name"), email=_told(flow, "email"))
    try:
        link = call.create(
            "kyc_link",
            provider="bridge",
            # What is kept with the key names nobody: the body is made of the flow's data, which stays as it is.
            request=json.dumps({"customer": flow.customer}),
            send=lambda _, key: call.bridge.create_kyc_link(order, key=key),
            look_up=lambda: call.bridge.find_kyc_links(order.email),
        )
    except ProviderRejected as refusal:
        refused = f"Bridge refused to begin: {refusal.code or refusal.status}"
        return Advance(to=State.FAILED, data={**NOBODY, "refused": ApiError.code}, reason=refused)
    references, links = _found(link)
    return Advance(
        to=State.LINK_MADE,
        references=(Reference(*KYC_LINK, link.id), *references),
        links=links,
        data=NOBODY,
        due_in=call.backstop,
    )


@bridge_customer.step(
    on=(State.LINK_MADE, State.PENDING),
    may_reach=(State.LINK_MADE, State.PENDING, *DECIDED),
    provider="bridge",
)
def follow_check(flow: Snapshot, call: Call) -> Outcome:
    """Read from Bridge itself how far the customer has come."""
    customer = flow.reference(*CUSTOMER)
    if customer is None:
        references, links = _found(call.bridge.get_kyc_link(_known(flow.reference(*KYC_LINK))))
        wait = freshness_wait(0) if references else call.backstop
        return Snooze(wait=wait, reason="Bridge has just made the customer", references=references, links=links)
    _must_be_ours(flow, customer)
    shown = call.bridge.get_customer(customer)
    if behind_hints(shown, flow):
        older = "Bridge's answer is older than what its event said"
        return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)
    decided = _decided(flow, shown)
    if decided is not None:
        return decided
    waiting = f"Bridge says {shown.raw_status}{'' if shown.terms_accepted else ', the terms are not accepted yet'}"
    looking = shown.status is CustomerStatus.UNDER_REVIEW
    state = State.PENDING if looking else State.LINK_MADE
    if state != flow.state and shown.status is not CustomerStatus.UNKNOWN:
        return Advance(to=state, reason=waiting, due_in=call.backstop)
    # Many never come back to their page: after a day of reading, a webhook or once a day is enough.
    wait = call.backstop if flow.snoozes < READINGS_OF_A_DAY else timedelta(days=1)
    return Snooze(wait=wait, reason=waiting, breaks=_unknown(flow, shown))


@bridge_customer.step(on=DECIDED, may_reach=DECIDED, provider="bridge")
def watch_standing(flow: Snapshot, call: Call) -> Outcome:
    """Listen on: a rejected customer may be approved later, an approved one suspended."""
    if flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    shown = call.bridge.get_customer(_known(flow.reference(*CUSTOMER)))
    if behind_hints(shown, flow):
        return Snooze(wait=freshness_wait(flow.snoozes), reason="Bridge's answer is older than what its event said")
    decided = _decided(flow, shown)
    if decided is not None and decided.to != flow.state:
        return decided
    return Snooze(
        wait=min(HOUR * (1 << min(flow.snoozes, 10)), WATCH_CEILING),
        reason=f"Bridge says {shown.raw_status}",
        breaks=_unknown(flow, shown),
    )


def _decided(flow: Snapshot, shown: BridgeCustomer) -> Advance | None:
    """Where a standing leads that Bridge has decided on; None: it has not."""
    said = f"Bridge says {shown.raw_status}"
    if shown.status is CustomerStatus.APPROVED and shown.terms_accepted:
        text = "The identity check was passed. Bank transfers can be set up now."
        told = flow.data.get("told") == "approved"  # one who was suspended meanwhile knows it already
        notices = () if told else (Notification(type="kyc.approved", text=text, cause=str(flow.visit)),)
        return Advance(to=State.APPROVED, reason=said, notifications=notices, data={"told": "approved"}, due_in=HOUR)
    if shown.status is CustomerStatus.REJECTED:
        text = " ".join(("The identity check was not passed.", *plain_reasons(shown)))
        notice = Notification(type="kyc.rejected", text=text, cause=str(flow.visit))
        return Advance(
            to=State.REJECTED,
            reason=said,
            notifications=(notice,),
            data={"told": "rejected", "reasons": plain_reasons(shown)},
            due_in=HOUR,
        )
    if shown.status in STOPPED:
        return Advance(to=State.SUSPENDED, reason=said, due_in=HOUR)
    return None


def _found(link: KycLink) -> tuple[tuple[Reference, ...], tuple[LinkMade, ...]]:
    """What a KYC link tells of the customer it is for, once Bridge has one."""
    if link.customer is None:
        return (), ()
    return (Reference(*CUSTOMER, link.customer),), (LinkMade(provider="bridge", kind="customer", id=link.customer),)


def _must_be_ours(flow: Snapshot, customer: str) -> None:
    """Bridge keeps one customer for an e-mail: it may be the one of somebody else here. Raises: NeedsPerson."""
    if any((link.provider, link.kind, link.id) == (*CUSTOMER, customer) for link in flow.links):
        return
    raise NeedsPerson(
        "Bridge has one customer for this e-mail, and that one belongs to another customer here.",
        blame="customer",
        break_type="duplicate",
        ours="another customer's",
        theirs=f"customer {customer}",
        suggested_action="find out whether both are one person; begin again with an e-mail of their own",
    )


def _unknown(flow: Snapshot, shown: BridgeCustomer) -> tuple[BreakFound, ...]:
    """A standing that Bridge has not documented stays as it is, and people are told."""
    if shown.status is not CustomerStatus.UNKNOWN:
        return ()
    return (
        BreakFound(
            provider="bridge",
            type="state_differs",
            subject=f"customer {shown.id}",
            ours=flow.state,
            theirs="an unknown status",
            suggested_action="ask Bridge what it means",
        ),
    )


def _told(flow: Snapshot, name: str) -> str:
    found = flow.data.get(name)
    if not isinstance(found, str):
        raise NeedsPerson(f"{name}: its records here were damaged", suggested_action="abandon it and begin again")
    return found


def _known(value: str | None) -> str:
    if value is None:
        raise NeedsPerson("its records here were damaged", suggested_action="look at the flow's references")
    return value
