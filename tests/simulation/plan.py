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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rough a history is. Probabilities; `crash` and the rest are per boundary crossed.

    `faults`: how many kinds of `menu` are drawn, each striking with probability `fault`. `people`: how often somebody
    at our desk or at a provider does something in a round. `strangers`: the share of deposits on an account that no
    customer has. `polls`, `stream`: whether the clock's polls and Alpaca's event stream are there at all.
    """

    deposits: int = 3
    rounds: int = 50
    fault: float = 0.15
    faults: int = 4
    menu: tuple[Fault, ...] = FAULTS
    paths: tuple[tuple[tuple[str, ...], int], ...] = PATHS
    crash: float = 0.02
    cut_off: float = 0.01
    pause: float = 0.02
    hear: float = 0.7
    repeat: float = 0.2
    people: float = 0.2
    strangers: float = 0.2
    polls: bool = True
    stream: bool = True


_PLAIN = Plan(deposits=2, rounds=40, faults=0, paths=((QUICK, 1),), crash=0, cut_off=0, pause=0, people=0, strangers=0)


def _plain(**changed: Any) -> Plan:
    """A smooth history but for what is named."""
    return Plan(**{name: getattr(_PLAIN, name) for name in Plan.__slots__} | changed)


PLANS: Final = {
    "rough": Plan(),
    "crash": _plain(crash=0.1),
    "duplicate": _plain(faults=1, fault=0.7, menu=(("webhook_doubled", "due", {}),), repeat=0.7),
    "late_wake": _plain(pause=0.1, strangers=1.0, polls=False, deposits=4, paths=((ARRIVES, 1),)),
    "lost_claim": _plain(crash=0.1),
    "lost_reply": _plain(faults=1, fault=0.5, menu=(("reply_lost", "alpaca", {}),)),
    "late_record": _plain(pause=0.15),
}
