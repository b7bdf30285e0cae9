"""How rough a history is, and the plans by name that tests and the command line play."""

from dataclasses import dataclass
from typing import Any, Final

Fault = tuple[str, str, dict[str, Any]]  # its name in the sandbox, the provider, its parameters

FAULTS: Final[tuple[Fault, ...]] = (
    ("webhook_dropped", "due", {}),
    ("webhook_doubled", "due", {}),
    ("webhook_late", "due", {"seconds": 40.0}),
    ("webhook_reordered", "due", {}),
    ("reply_lost", "*", {}),
    ("slow_reply", "*", {"seconds": 6.0}),
    ("hanging_socket", "*", {"seconds": 30.0}),
    ("reset_before", "*", {}),
    ("throttled", "*", {}),
    ("throttled_bare", "*", {}),
    ("server_error", "*", {}),
    ("server_error_after", "*", {}),
    ("stale_read", "*", {}),
    ("truncated_listing", "*", {"keep": 0.5}),
)
ARRIVES: Final = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")
QUICK: Final = ("funds_received", "payment_processed")
PATHS: Final = (
    (ARRIVES, 8),
    (QUICK, 4),
    (("funds_received", "manual_review", "approved", "payment_processed"), 2),
    (("funds_received", "manual_review", "refund_submitted", "refund_processed"), 1),
    (("funds_received", "approved", "failed"), 1),
    (("funds_received", "manual_review", "canceled"), 1),
)

DEPOSITS_ALONE: Final = ("due_deposit",)
EVERY_KIND: Final = (*DEPOSITS_ALONE, "bridge_on_ramp", "bridge_withdrawal", "stripe_top_up", "checkout")
EVERYBODY: Final = ("due", "alpaca", "bridge", "ibex", "stripe")
ACTS: Final = (  # of `tests.simulation.people.People`; what is named twice is done twice as often
    "pause_or_resume",
    "wake_flow",
    "replay_event",
    "replay_letter",
    "replay_letter",
    "abandon_letter",
    "find_owner",
    "refuse_or_relent",
    "settle_journal",
    "correct_journal",
    "recover",
)

RAMP_ACTS: Final = (  # of `tests.simulation.ramps.Ramps`
    "withdraw",
    "withdraw",
    "pay_session",
    "pay_session",
    "claim",
    "claim",
    "refund",
    "fail_refund",
    "dispute",
    "close_dispute",
    "return_payout",
    "decide_send",
)
RAMP_FAULTS: Final[tuple[Fault, ...]] = (
    *FAULTS,
    *(
        (name, provider, more)
        for provider in ("bridge", "ibex", "stripe")
        for name, more in (("webhook_dropped", {}), ("webhook_doubled", {}), ("webhook_late", {"seconds": 40.0}))
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rough a history is. Probabilities; `crash` and the rest are per boundary crossed.

    A round takes one of `times`, or as long as nothing happens (a share of `leaps`), and Due one of `steps` from status
    to status, in seconds.
    A process that pauses stands still for at most `stall` rounds of the others, `deepest` of them at once; crashes and
    pauses strike at the boundaries named in `only`, or at all.
    `faults`: how many kinds of `menu` are drawn, each striking with probability `fault`. `people`: how often somebody
    at our desk or at a provider does one of `acts` in a round. `strangers`: the share of deposits on an account that
    no customer has. `mended`: how often what is broken is mended at the end; the rest stays parked with its reason.
    `late`: how often a creating call is given up and takes effect later. `jumps`: how often in a round the database's
    clock steps. `failovers`: the share of histories in which the last commits are lost. Without `keys_live` no
    idempotency key is relied on: what was sent is looked up.
    `polls`: how often the clock has any from the beginning, which unless it is 0 it has in every history with a
    failover; at the end it always has. `kinds`: what moves, of each as often as another; `providers`: who is there.
    """

    deposits: tuple[int, ...] = (1, 1, 1, 1, 1, 2, 2, 3)
    steps: tuple[float, ...] = (0.5, 5.0, 30.0)
    rounds: tuple[int, ...] = (6, 8, 10, 12, 25)
    times: tuple[float, ...] = (0.2, 1.0, 3.0, 8.0, 20.0, 75.0)
    leaps: float = 0.5
    fault: float = 0.15
    faults: int = 4
    menu: tuple[Fault, ...] = FAULTS
    paths: tuple[tuple[tuple[str, ...], int], ...] = PATHS
    crash: float = 0.02
    cut_off: float = 0.01
    pause: float = 0.02
    stall: int = 4
    deepest: int = 2
    only: tuple[str, ...] = ()
    hear: float = 0.7
    repeat: float = 0.2
    people: float = 0.2
    acts: tuple[str, ...] = ACTS
    strangers: float = 0.2
    mended: float = 0.8
    polls: float = 0.25
    providers: tuple[str, ...] = ("due", "alpaca")
    kinds: tuple[str, ...] = DEPOSITS_ALONE
    late: float = 0.03
    jumps: float = 0.02
    failovers: float = 0.1
    keys_live: bool = True


_PLAIN = Plan(
    deposits=(2,),
    rounds=(20,),
    leaps=0,
    late=0,
    jumps=0,
    failovers=0,
    polls=1,
    faults=0,
    paths=((QUICK, 1),),
    crash=0,
    cut_off=0,
    pause=0,
    people=0,
    strangers=0,
)


def _plain(**changed: Any) -> Plan:
    """A smooth history but for what is named."""
    return Plan(**{name: getattr(_PLAIN, name) for name in Plan.__slots__} | changed)


PLANS: Final = {
    "rough": Plan(),
    "every_kind": Plan(
        kinds=EVERY_KIND,
        providers=EVERYBODY,
        deposits=(1, 1, 2, 2, 3),
        menu=RAMP_FAULTS,
        people=0.5,
        acts=(*ACTS, *RAMP_ACTS, *RAMP_ACTS),
    ),
    # Each of these is rough in one way: `test_guards` takes the guard against it away.
    "fence": _plain(
        steps=(0.5,), polls=0, rounds=(15,), pause=0.5, stall=20, deepest=1, only=("due GET answered",), hear=1.0
    ),
    "attempt_id": _plain(
        deposits=(3,),
        paths=((ARRIVES, 1),),
        steps=(1.0, 3.0),
        polls=0,
        rounds=(25,),
        times=(0.2, 1.0),
        crash=0.3,
        pause=0.4,
        stall=12,
        deepest=1,
        only=("due GET answered",),
        hear=1.0,
        failovers=1,
    ),
    "wake_counter": _plain(
        paths=((ARRIVES, 1),),
        polls=0,
        steps=(0.5, 1.0),
        times=(0.2, 0.5),
        pause=0.5,
        stall=12,
        deepest=1,
        only=("due GET answered",),
        hear=1.0,
    ),
    "settle_time": _plain(late=0.6, people=0.6, acts=("recover",), polls=0, times=(3.0, 8.0, 20.0), keys_live=False),
    "key_generation": _plain(faults=1, fault=0.5, menu=(("reply_lost", "alpaca", {}),)),
    "cause_uniqueness": _plain(people=0.5, acts=("replay_event",)),
    "session_check": _plain(pause=0.2, stall=12, deepest=1, only=("begins", "committed"), polls=0),
    "group_commit_order": _plain(cut_off=0.5, only=("nowhere else",), polls=0),
    "slot_term": _plain(pause=0.1, stall=12, deepest=1, only=("begins", "committed"), times=(20.0, 75.0)),
    "deferred_release": _plain(
        pause=0.7, stall=14, deepest=1, only=("alpaca POST answered",), times=(0.2, 0.5), hear=1.0, polls=0
    ),
    "clue": Plan(),
    "crash": _plain(crash=0.6, only=("alpaca POST answered",)),
    "ownership": _plain(
        kinds=("bridge_withdrawal",), providers=EVERYBODY, deposits=(3,), rounds=(40,), people=0.9, acts=("withdraw",)
    ),
    "look_before_sending": _plain(
        kinds=("bridge_withdrawal",),
        providers=EVERYBODY,
        deposits=(3,),
        rounds=(40,),
        late=0.5,
        people=0.9,
        acts=("withdraw",),
    ),
    "refund_once": _plain(
        kinds=("checkout",), providers=EVERYBODY, people=0.9, acts=("pay_session", "claim", "refund", "fail_refund")
    ),
    "lost_claim": _plain(crash=0.5, only=("due GET answered",), polls=0),
}
