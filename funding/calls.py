"""What a step may do: read through its ports, and create through intentions that outlive a crash."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from funding.backoff import backstop
from funding.errors import (
    Misconfigured,
    NeedsPerson,
    OutcomeUnknown,
    ProviderRejected,
    ProviderUnavailable,
    RampkeeperError,
    WouldCreate,
)
from funding.intentions import NOTHING_HAPPENED, AskPerson, LookUp, Send, Wait, intention_key, plan
from funding.ledger.entries import LedgerAccount
from funding.money import Money
from funding.policy import Policy
from funding.ports.alpaca import AlpacaJournals
from funding.ports.bridge import BridgeMoney
from funding.ports.due import DueTransfers
from funding.ports.ibex import IbexTokens
from funding.ports.stripe import StripeSessions
from funding.snapshot import Intention, Snapshot

Made = TypeVar("Made")


class SettleFirst(RampkeeperError):
    """Nothing may be sent before `wait` has passed: an old call may still be on its way. Costs no try."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("waiting until an earlier call can no longer take effect")
        self.wait = wait


class IntentionStore(Protocol):
    """Keeps intentions, each in a short transaction of its own, refused when the claim has moved on."""

    def open(self, *, call: str, generation: int, key: UUID, request: str) -> Intention:
        """Write down what is about to be sent, durably. Raises: StaleClaim: the claim is no longer ours."""
        ...

    def looked(self, key: UUID) -> Intention:
        """Note a complete look-up that found nothing. Raises: StaleClaim."""
        ...


class Arrived(NamedTuple):
    """A receipt: its transaction's id, and what it brought."""

    transaction: str
    amount: Money


class Arrivals(NamedTuple):
    """Receipts that no other flow has, the oldest first; those on their way, and those that failed, are not there.

    `polled`: the account was read within the last minutes, so what is not among them was not there then.
    """

    there: Sequence[Arrived]
    polled: bool


class OtherFlows(Protocol):
    """What a step must know of our other flows before it makes what bears no reference of ours. Read when asked."""

    def owned(self, provider: str, kind: str, ids: Sequence[str]) -> Collection[str]:
        """Those of the provider's ids that belong to another flow."""
        ...

    def one_before(self, provider: str, kind: str, *, alike: str) -> bool:
        """Whether an older open flow in the same state, of the same amount and data `alike`, has no such object yet."""
        ...

    def one_alike(self, provider: str, kind: str, *, alike: str) -> bool:
        """Whether another flow waits in the same state for such an object, of the same `amount_out` and data `alike`.

        Parked ones count: what comes may be theirs.
        """
        ...

    def on_ramp_waits(self, amount: Money, *, chain_hash: str | None) -> bool:
        """Whether an open on-ramp of this flow's customer waits for tokens of that amount, which may be these.

        By their chain's hash, where both are known. Parked ones count.
        """
        ...

    def arrivals(self, provider: str, account: str, *, since: datetime) -> Arrivals:
        """What came to an account from then on, as far as our own polls and looks have read it."""
        ...

    def under_way(self, kinds: Sequence[str]) -> bool:
        """Whether another open flow of these kinds is the customer's; parked ones count."""
        ...

    def available(self, account: LedgerAccount) -> Money:
        """What a customer's account holds beyond its holds; nothing where it has no postings yet."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The providers by name, as far as flows speak to them, and the rules of each.

    One without credentials is there too: whatever is asked of it raises ProviderUnavailable.
    """

    each: Mapping[str, Any]
    policies: Mapping[str, Policy]


@dataclass(slots=True, kw_only=True)
class Call:
    """Handed to a step with its snapshot. `results` gathers what became of intentions, for the record."""

    flow: Snapshot
    step: str
    ports: Ports
    intentions: IntentionStore
    others: OtherFlows
    results: list[tuple[UUID, str]] = field(default_factory=list)

    @property
    def due(self) -> DueTransfers:
        """Due."""
        due: DueTransfers = self.ports.each["due"]
        return due

    @property
    def alpaca(self) -> AlpacaJournals:
        """Alpaca. Journals are created only through `create`, as conversions at Due are."""
        alpaca: AlpacaJournals = self.ports.each["alpaca"]
        return alpaca

    @property
    def bridge(self) -> BridgeMoney:
        """Bridge. Payouts are created only through `create`."""
        bridge: BridgeMoney = self.ports.each["bridge"]
        return bridge

    @property
    def ibex(self) -> IbexTokens:
        """IBEX. Tokens are sent only through `create`."""
        ibex: IbexTokens = self.ports.each["ibex"]
        return ibex

    @property
    def stripe(self) -> StripeSessions:
        """Stripe. Sessions are created only through `create`."""
        stripe: StripeSessions = self.ports.each["stripe"]
        return stripe

    @property
    def backstop(self) -> timedelta:
        """How long to sleep when nothing wakes this flow sooner."""
        return backstop(self.flow.snoozes)

    def create(
        self,
        name: str,
        *,
        provider: str,
        request: str,
        send: Callable[[str, UUID], Made],
        look_up: Callable[[], Sequence[Made]],
        key_forgotten: bool = False,
        told_of_one: bool = False,
        always_look: bool = False,
    ) -> Made:
        """Make one object at a provider, at most once for this flow, step and visit.

        `look_up` finds objects made under our reference, in a listing walked to its end. `key_forgotten`: had we made
        it before our database was restored, its key may not be honoured any more, so a first sending looks first.
        `told_of_one`: somebody has heard of such an object, so what we know nothing of is looked for first; an earlier
        call of ours is answered again under its key.
        `always_look`: there is no key, and somebody else may have made it: every sending looks first.
        Raises: WouldCreate (a parked flow only listens), SettleFirst, NeedsPerson, StaleClaim, and what `send` raises.
        """
        intention = self.flow.intention(name)
        if self.flow.parked:
            # A parked flow only listens: it may find what an earlier call of its own has made.
            found = self._look(name, provider, look_up) if intention is not None else None
            if found is None:
                raise WouldCreate(f"{name} waits until a person has dealt with the dead letter")
            return found
        nothing_known = intention is None or intention.outcome in NOTHING_HAPPENED
        look_first = (
            self.flow.look_first
            or always_look
            or (told_of_one and nothing_known)
            or (key_forgotten and intention is None)
        )
        while True:
            decision = plan(intention, policy=self.ports.policies[provider], now=self.flow.now, look_first=look_first)
            match decision:
                case Send(generation=generation, again=again):
                    return self._send(name, request, send, generation=generation, kept=intention if again else None)
                case LookUp(then=then):
                    found = self._look(name, provider, look_up)
                    if found is not None:
                        return found
                    if then is not None or intention is None:
                        return self._send(name, request, send, generation=then.generation if then else 0, kept=None)
                    intention = self.intentions.looked(intention.key)
                case Wait(wait=wait):
                    raise SettleFirst(wait)
                case AskPerson(reason=reason):
                    raise NeedsPerson(
                        f"whether {name} was made is unknown: {reason}",
                        suggested_action=f"look at {provider} for our reference {self.flow.id}, then replay or abandon",
                    )

    def _send(
        self,
        name: str,
        request: str,
        send: Callable[[str, UUID], Made],
        *,
        generation: int,
        kept: Intention | None,
    ) -> Made:
        if kept is not None and kept.request != request:
            raise NeedsPerson(
                f"{name} would now be sent with another content than under its live key",
                suggested_action="compare the flow's amounts with the request kept in its intention",
            )
        key = intention_key(self.flow.id, self.step, name, visit=self.flow.visit, generation=generation)
        self.intentions.open(call=name, generation=generation, key=key, request=request)
        try:
            made = send(request, key)
        except OutcomeUnknown as error:
            self.results.append((key, "answered_5xx" if error.answered else "unknown"))
            raise
        except (ProviderUnavailable, Misconfigured) as error:
            # "Slow down", "who are you", or never sent: nothing happened under this key, unless an earlier call did.
            if kept is None:
                self.results.append((key, "unsent" if error.status is None else "refused"))
            raise
        except ProviderRejected as error:
            if kept is None:
                self.results.append((key, "refused"))
                raise
            # Only this repeat is known to be refused: what the first call did is as unknown as before. Look it up.
            self.results.append((key, "answered_5xx"))
            raise OutcomeUnknown(
                f"refused on a repeat, the first call's outcome being unknown: {error}",
                provider=error.provider,
                request_id=error.request_id,
                status=error.status,
                code=error.code,
            ) from error
        self.results.append((key, "done"))
        return made

    def _look(self, name: str, provider: str, look_up: Callable[[], Sequence[Made]]) -> Made | None:
        found = look_up()
        if len(found) > 1:
            raise NeedsPerson(
                f"{provider} has {len(found)} objects for the one {name} of this flow",
                blame="us",
                break_type="duplicate",
                ours="1",
                theirs=str(len(found)),
                suggested_action=f"reverse all but one of them at {provider}, then replay",
            )
        return found[0] if found else None
