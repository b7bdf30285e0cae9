"""What customers do during the demo: withdraw, top up and claim, by the command line, as the team's backend would."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import requests
from sqlalchemy import Engine

from db import demo_story
from db.demo_story import Standing
from funding.flows.bridge_withdrawal import State as Withdrawal
from funding.flows.stripe_top_up import State as TopUp
from ops.cli.demo import commands, desk
from ops.cli.demo.cast import Holder
from ops.cli.demo.commands import CommandFailed
from ops.cli.demo.orders import Fate, Order
from ops.cli.demo.story import Stopped, Story
from ops.cli.system import System

PATIENCE_S: Final = 300.0  # longer than all that is awaited: what never comes is told of at the end
AT_ONCE: Final = 2  # commands: they share the machine with those whom they ask
BUYERS: Final = 4  # top-ups that are under way at once
TRIES: Final = 8
AGAIN_S: Final = 2.0
PART: Final = "5.00"  # of a payment that is refunded in part


class NeverCame(Exception):
    """Something that was waited for did not happen."""


class Wishes:
    """Each wish is followed from its beginning to its end; those of one wallet one after another.

    Nobody withdraws before `may_withdraw` is set.
    """

    def __init__(self, system: System, engine: Engine, story: Story) -> None:
        self._system = system
        self._engine = engine
        self._story = story
        self._commands = threading.BoundedSemaphore(AT_ONCE)
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._running: list[Future[None]] = []
        self.may_withdraw = threading.Event()

    def __enter__(self) -> Self:
        """Nothing is wished for yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Those that are under way end, at once if something went wrong."""
        if error is not None:
            self._story.stop.set()
        for lane in self._lanes.values():
            lane.shutdown(cancel_futures=error is not None)

    def take(self, order: Order, act: Callable[[Order, Holder], None], *, lane: str, at_once: int = 1) -> None:
        """Follow this one, in its lane: so many at once there."""
        if lane not in self._lanes:
            self._lanes[lane] = ThreadPoolExecutor(at_once, lane)
        self._running.append(self._lanes[lane].submit(self._follow, order, act))

    def fulfilled(self) -> bool:
        """Whether none is under way."""
        return all(one.done() for one in self._running)

    # What is wished for ----------------------------------------------------------------------------------------------

    def withdraw(self, order: Order, holder: Holder) -> None:
        """Have tokens paid out to a bank, once there are enough; the bank may give them back."""
        self._until("leave to withdraw", self.may_withdraw.is_set)
        self._until(f"{order.amount} USDT of {holder.name}", lambda: self._has(holder, order.amount))
        if order.fate is Fate.ANSWER_LOST:
            self._system.control("POST", "ibex/sends", {"outcomes": ["unknown_made"]})
        self._story.note(f"{holder.name} withdraws {order.amount} USDT")
        flow = json.loads(
            self._ask(
                *("withdrawals", "create", "--customer", holder.name, "--amount", order.amount),
                *("--external-account", holder.bank, "--reference", order.reference, "--json"),
            )
        )["id"]
        self._reaches(flow, Withdrawal.PAID_OUT)
        if order.fate is Fate.GIVEN_BACK:
            transfer = self._standing(flow=flow).ids["transfer"]
            self._story.note(f"the bank of {holder.name} returns {order.amount} USDT")
            self._system.control("POST", f"bridge/payments/{transfer}", {"give_back": True})
            self._reaches(flow, Withdrawal.RELEASED)

    def buy(self, order: Order, holder: Holder) -> None:
        """Buy coins at Stripe's onramp, and claim them."""
        made = json.loads(
            self._ask(
                *("top-ups", "create", "--customer", holder.name, "--network", "ethereum", "--asset", "USDC"),
                *("--amount", order.amount, "--reference", order.reference, "--json"),
            )
        )
        session = f"stripe/onramp_sessions/{made['session']}"
        if order.fate is Fate.REJECTED:
            self._system.control("POST", f"{session}/reject", {"after_seconds": order.step_seconds})
            self._reaches(made["flow"], TopUp.REJECTED)
            return
        self._system.control("POST", f"{session}/pay", {"step_seconds": order.step_seconds})
        self._claim(holder, made["flow"])

    def pay(self, order: Order, holder: Holder) -> None:
        """Pay on a Checkout page that the team's backend has made, and claim what no refund takes."""
        wanted = {"amount": order.amount, "client_reference_id": holder.name}
        page = self._system.control("POST", "stripe/checkout_sessions", wanted)["id"]
        self._story.arrives(page)
        paid = self._system.control("POST", f"stripe/checkout_sessions/{page}/pay", {})
        charge = f"stripe/charges/{self._charge_of(paid['payment_intent'])}"
        if order.fate is Fate.REVERSED:
            self._system.control("POST", f"{charge}/refunds", {})
        self._until(f"the top-up of page {page}", lambda: self._known(page) is not None)
        flow = str(self._standing(page).id)
        if order.fate is Fate.REVERSED:
            self._reaches(flow, TopUp.REVERSED)
            return
        self._claim(holder, flow)
        if order.fate is Fate.PART_REFUNDED:
            posted = self._standing(flow=flow).entries
            self._system.control("POST", f"{charge}/refunds", {"amount": PART})
            self._until(f"{flow} to notice a refund", lambda: self._standing(flow=flow).entries > posted)
        if order.fate is Fate.DISPUTED:
            dispute = self._system.control("POST", f"{charge}/disputes", {})["id"]
            self._reaches(flow, TopUp.DISPUTED)
            self._system.control("POST", f"stripe/disputes/{dispute}/close", {"status": "won"})
            self._reaches(flow, TopUp.CLAIMED)

    def recover(self, order: Order, holder: Holder, deposit: str) -> None:
        """Somebody on call gives a deposit to its owner, whose virtual account nobody has linked."""
        self._until(f"deposit {deposit}", lambda: self._is_parked(deposit))
        with self._commands:
            desk.give(self._system, self._story, str(self._standing(deposit).id), holder)
        self._reaches(str(self._standing(deposit).id), order.ends)

    def _claim(self, holder: Holder, flow: str) -> None:
        self._reaches(flow, TopUp.CLAIMABLE)
        self._story.note(f"{holder.name} claims a top-up")
        self._ask("top-ups", "claim", flow, unless="already claimed")
        self._reaches(flow, TopUp.CLAIMED)

    # How -------------------------------------------------------------------------------------------------------------

    def _follow(self, order: Order, act: Callable[[Order, Holder], None]) -> None:
        if not isinstance(order.person, Holder):
            raise TypeError(f"{order.person.name} has nothing at Bridge")
        try:
            act(order, order.person)
        except Stopped:
            pass
        except (CommandFailed, NeverCame, requests.RequestException) as failed:
            self._story.trouble(f"{order.kind} {order.number} ({order.fate}): {failed}")

    def _ask(self, *words: str, unless: str | None = None) -> str:
        """Run a command, again where a disturbance broke it: the same words mean the same wish.

        `unless`: what it says where it has happened, though an earlier command did not live to tell.
        Raises: CommandFailed: time after time.
        """
        for left in reversed(range(TRIES)):
            try:
                with self._commands:
                    return commands.acting(self._system, *words)
            except CommandFailed as failed:
                if unless is not None and unless in str(failed):
                    break
                if not left:
                    raise
                self._story.note(f"{' '.join(words[:2])} failed, and is said again: {str(failed)[-120:]}")
            self._story.pause(AGAIN_S)
        return ""

    def _reaches(self, flow: str, state: str) -> None:
        self._until(f"flow {flow} to be {state}", lambda: self._standing(flow=flow).state == state)

    def _until(self, what: str, fact: Callable[[], bool]) -> None:
        if not self._story.wait_for(fact, within_s=PATIENCE_S):
            raise NeverCame(f"waited {PATIENCE_S:.0f} s for {what}")

    def _known(self, external_id: str) -> Standing | None:
        return demo_story.standing(self._engine, external_id=external_id)

    def _is_parked(self, external_id: str) -> bool:
        known = self._known(external_id)
        return known is not None and known.parked

    def _standing(self, external_id: str | None = None, *, flow: str | None = None) -> Standing:
        found = demo_story.standing(self._engine, external_id=external_id, flow=flow)
        if found is None:
            raise NeverCame(f"no flow {flow or external_id}")
        return found

    def _has(self, holder: Holder, amount: str) -> bool:
        return demo_story.tokens_available(self._engine, holder.name, amount)

    def _charge_of(self, intent: str) -> Any:
        charges = self._system.control("GET", "stripe/charges")
        return next(one["id"] for one in charges if one["payment_intent"] == intent)
