"""Bridge's customers: their identity check, virtual account and banks, as an operator asks for them.

What creates is a flow: begun here, done by workers, found again when it is asked for again. Pages, tokens and deposit
instructions are read from Bridge when asked for, given to whoever asked, and kept nowhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection

from db import asked, customers, flows
from db.asked import Asked
from db.customers import NewLink
from funding.errors import ProviderError
from funding.flow import CLOSED, Flow
from funding.flows import bridge_customer as kyc
from funding.flows import bridge_leaving as leaving
from funding.flows import bridge_virtual_account as opening
from funding.flows.bridge_standing import STOPPED, plain_reasons, refusal_of_standing
from funding.ids import flow_id
from funding.ports.bridge import BridgeCustomer, BridgeMoney, CustomerStatus
from funding.ports.bridge_customers import BankAccount, BankLinking, VirtualAccount
from funding.refusals import CustomerMissing, KycPending, refusal_of
from ops.actions.desk import Desk, Refused, Sheet
from ops.actions.operations import Waiting, must_be_allowed

ASSET: Final = "USDT"
_WAITING: Final = (CustomerStatus.NOT_STARTED, CustomerStatus.INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Where a customer's identity check is, and the pages on which it goes on. `flow` None: begun elsewhere."""

    flow: UUID | None
    state: str
    page: str | None
    terms_page: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A customer's standing as Bridge says it now, with what may be told the customer."""

    status: str
    terms_accepted: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeDesk:
    """Where operators act on Bridge's customers. `enabled`: which providers take new operations."""

    desk: Desk
    bridge: BridgeMoney
    enabled: Mapping[str, bool]
    waiting: Waiting

    def kyc_link(self, customer: str, *, full_name: str, email: str) -> Papers:
        """Have the customer's identity check begun, and give the pages; asked again it finds the same one.

        Raises: Refusal.
        """
        with self.desk.sheet() as sheet:
            must_be_allowed(sheet.connection, customer, enabled=self.enabled["bridge"])
            data = {"full_name": full_name, "email": email}
            flow = _begin(sheet, customer, kyc.bridge_customer, data=data)
        found = self.waiting.until_left(flow, {kyc.State.REQUESTED})
        with self.desk.begin() as connection:
            owned = asked.references(connection, flow)
        link, known = owned.get(kyc.KYC_LINK), owned.get(kyc.CUSTOMER)
        if found.state not in {kyc.State.LINK_MADE, kyc.State.PENDING, kyc.State.REJECTED}:
            return Papers(flow=flow, state=found.state, page=None, terms_page=None)
        with plainly():
            if link is not None:
                shown = self.bridge.get_kyc_link(link)
                return Papers(flow=flow, state=found.state, page=shown.page, terms_page=shown.terms_page)
            page = self.bridge.kyc_page(known) if known is not None else None
        return Papers(flow=flow, state=found.state, page=page, terms_page=None)

    def kyc_status(self, customer: str) -> Standing:
        """How the customer stands at Bridge now. Raises: Refusal."""
        shown = self._shown(customer)
        return Standing(status=shown.status, terms_accepted=shown.terms_accepted, text=_in_words(shown))

    def virtual_account(self, customer: str, *, network: str, fee_percent: str) -> VirtualAccount:
        """The customer's virtual account with its deposit instructions, as Bridge shows it now.

        It is opened if there is none: USDT goes on to the customer's address of that network, less our fee in percent.
        Raises: Refusal.
        """
        account = self._account_of(customer)
        if account is not None:
            return account
        on = self.enabled["bridge"] and self.enabled["ibex"]
        with self.desk.begin() as connection:
            must_be_allowed(connection, customer, enabled=on)
        at_bridge = self._may_begin(customer)
        with self.desk.sheet() as sheet:
            must_be_allowed(sheet.connection, customer, enabled=on)
            at_ibex = _link(sheet.connection, customer, "ibex", "account")
            if at_ibex is None:
                raise CustomerMissing(detail=f"customer {customer} has no link ibex:account")
            data = {
                "account": at_ibex,
                "customer": at_bridge,
                "asset": ASSET,
                "network": network,
                "fee_percent": fee_percent,
            }
            flow = _begin(sheet, customer, opening.bridge_virtual_account, data=data)
        self.waiting.until_left(flow, {opening.State.REQUESTED, opening.State.ADDRESS_MADE})
        account = self._account_of(customer)
        if account is None:
            raise CustomerMissing(detail="the link of the virtual account was taken away")
        return account

    def link_bank(self, customer: str) -> BankLinking:
        """A hosted page on which the customer links a bank of theirs, good for hours. Raises: Refusal."""
        with self.desk.begin() as connection:
            must_be_allowed(connection, customer, enabled=self.enabled["bridge"])
        at_bridge = self._may_begin(customer)
        with self.desk.sheet() as sheet:
            sheet.note("bridge.link_bank", customer)
        with plainly():
            return self.bridge.link_bank(at_bridge, key=uuid4())

    def external_accounts(self, customer: str) -> Sequence[BankAccount]:
        """The banks that the customer has linked, as Bridge shows them now; each becomes a link here.

        Raises: Refusal.
        """
        with plainly():
            shown = self.bridge.list_bank_accounts(self._customer(customer))
        links = [
            NewLink(
                customer=customer,
                provider="bridge",
                kind="external_account",
                external_id=one.id,
                attributes={
                    name: said
                    for name, said in (("bank_name", one.bank_name), ("last4", one.last4))
                    if said is not None
                },
            )
            for one in shown
            if one.active
        ]
        with self.desk.sheet() as sheet:
            added, changed = customers.put_links(sheet.connection, links)
            if added or changed:
                sheet.note("bridge.external_accounts", customer, added=len(added), changed=len(changed))
        return shown

    def leave(self, customer: str) -> Sequence[Asked]:
        """Have the customer's virtual accounts switched off, each once nothing of theirs is under way.

        It waits for nobody: what is under way may take days. Allowed whatever the level, and with the flag off.
        Raises: Refusal, Refused.
        """
        at_bridge = self._customer(customer)
        with self.desk.begin() as connection:
            accounts = asked.links(connection, customer, "bridge", "virtual_account")
        with plainly():
            active = [one for one in accounts if self.bridge.get_virtual_account(at_bridge, one).active]
        with self.desk.sheet() as sheet:
            customers.lock_customers(sheet.connection, [customer])
            return [_leave(sheet, customer, at_bridge, account) for account in active]

    def _may_begin(self, customer: str) -> str:
        """Bridge's id of a customer who may begin something there now. Raises: Refusal."""
        shown = self._shown(customer)
        refusal = refusal_of_standing(shown)
        if refusal is not None:
            raise refusal
        return shown.id

    def _shown(self, customer: str) -> BridgeCustomer:
        with plainly():
            return self.bridge.get_customer(self._customer(customer))

    def _customer(self, customer: str) -> str:
        """Bridge's id of the customer. Raises: CustomerMissing, KycPending: the check has begun, and has no id yet."""
        with self.desk.begin() as connection:
            known = _link(connection, customer, "bridge", "customer")
            begun = asked.newest(connection, customer, kyc.bridge_customer.name)
        if known is not None:
            return known
        if begun is not None and begun.status != CLOSED:
            raise KycPending(detail=f"flow {begun.id} is {begun.state}")
        raise CustomerMissing(detail=f"customer {customer} has no link bridge:customer: `rampkeeper bridge kyc-link`")

    def _account_of(self, customer: str) -> VirtualAccount | None:
        """The virtual account that the customer was given last, as Bridge shows it now."""
        with self.desk.begin() as connection:
            account = _link(connection, customer, "bridge", "virtual_account")
        if account is None:
            return None
        with plainly():
            return self.bridge.get_virtual_account(self._customer(customer), account)


@contextmanager
def plainly() -> Iterator[None]:
    """Errors of a provider become refusals: whoever waits is told in plain words."""
    try:
        yield
    except ProviderError as error:
        raise refusal_of(error) from error


def _begin(sheet: Sheet, customer: str, flow: Flow, *, data: Mapping[str, Any]) -> UUID:
    """Begin a flow that the customer, who is locked, asked for, or find the one that is there.

    One that failed is over: another is begun. What `data` says goes into no audit line.
    """
    before = asked.newest(sheet.connection, customer, flow.name)
    if before is not None and before.status != CLOSED:
        return before.id
    number = 0 if before is None else before.number + 1
    begun = flow_id("rampkeeper", flow.name, f"{customer}/{number}")
    first = flow.step_of(flow.start)
    flows.begin_flow(
        sheet.connection,
        id=begun,
        flow_kind=flow.name,
        state=flow.start,
        step_provider=first.provider if first else None,
        customer=customer,
        amount=None,
        data=data,
        reason="asked for",
    )
    sheet.note(f"{flow.name}.begin", customer, flow=str(begun))
    sheet.due.append((begun, flow.name, flow.start))
    return begun


def _leave(sheet: Sheet, customer: str, at_bridge: str, account: str) -> Asked:
    flow = leaving.bridge_leaving
    begun = flow_id("bridge", "leaving", account)
    fresh = flows.begin_flow(
        sheet.connection,
        id=begun,
        flow_kind=flow.name,
        state=flow.start,
        step_provider="bridge",
        customer=customer,
        amount=None,
        data={"customer": at_bridge, "virtual_account": account},
        reason="the customer leaves",
    )
    found = asked.by_id(sheet.connection, begun)
    if found is None or found.status == CLOSED:
        raise Refused("the virtual account was switched off here once and is on again: have it switched off at Bridge")
    if fresh:
        sheet.note("bridge.leave", customer, flow=str(begun))
        sheet.due.append((begun, flow.name, flow.start))
    return found


def _link(connection: Connection, customer: str, provider: str, kind: str) -> str | None:
    """The customer's newest link of that kind."""
    return next(reversed(asked.links(connection, customer, provider, kind)), None)


def _in_words(shown: BridgeCustomer) -> str:
    """A standing as it may be told the customer."""
    if shown.status is CustomerStatus.REJECTED:
        return " ".join(("The identity check was not passed.", *plain_reasons(shown)))
    if shown.status in STOPPED:
        return "This account is suspended at the moment."
    if shown.status is CustomerStatus.APPROVED:
        accepted = "The identity check was passed."
        return accepted if shown.terms_accepted else f"{accepted} The terms of service are not accepted yet."
    if shown.status in _WAITING:
        return "The identity check waits for the customer."
    return "The identity check is being looked at."
