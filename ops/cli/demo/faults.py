"""How the pretended providers misbehave."""

from typing import Any, Final

from ops.cli.demo.story import Kind, Story
from ops.cli.system import PRETENDED, System

# IBEX knows no key: a send that it answers 500 to is made again only once two look-ups, two minutes apart, have found
# nothing. The demo is shorter than that, so only its reads fail so. A look-up that shows the past costs as much.
READS_OF_IBEX: Final = ("GET /v2/transaction/*", "GET /v2/transaction/account/*/all")
RULES: Final[tuple[dict[str, Any], ...]] = (
    {"name": "webhook_dropped", "provider": "*", "probability": 0.5},
    {"name": "webhook_doubled", "provider": "*", "probability": 0.33},
    {"name": "webhook_reordered", "provider": "*", "probability": 0.3},
    {"name": "reply_lost", "provider": "*", "probability": 0.1},
    *(
        {"name": "server_error", "provider": provider, "probability": 0.03, "only": only}
        for provider in PRETENDED
        for only in (READS_OF_IBEX if provider == "ibex" else (None,))
    ),
    {"name": "throttled", "provider": "*", "probability": 0.01, "seconds": 1},
    {"name": "stream_dropped", "provider": "alpaca", "probability": 0.2},
    *(
        {"name": "stale_read", "provider": provider, "probability": 0.1, "age_seconds": 1 if provider == "ibex" else 2}
        for provider in PRETENDED
    ),
)
SAID: Final = {
    "webhook_dropped": "webhooks never sent",
    "webhook_doubled": "webhooks sent twice",
    "webhook_reordered": "webhooks sent after a later one",
    "reply_lost": "requests done, their answer lost",
    "server_error": "requests answered 500",
    "throttled": "requests answered 429",
    "stream_dropped": "frames missing from Alpaca's stream",
    "stale_read": "reads that showed the past",
}


def chances() -> list[tuple[str, str, float]]:
    """Each fault: its name, what it does in words, its probability."""
    return [
        (name, SAID[name], chance) for name, chance in {rule["name"]: rule["probability"] for rule in RULES}.items()
    ]


def begin(system: System, story: Story) -> None:
    """From now on the providers drop, double, reorder, lose, fail, throttle and show the past."""
    happening = story.begin(Kind.PROVIDERS, "All five providers begin to misbehave")
    system.control("PUT", "faults", {"faults": list(RULES)})
    story.end(happening, "webhooks and answers are lost, doubled, late and wrong from now on")


def end(system: System, story: Story) -> None:
    """From now on they behave."""
    happening = story.begin(Kind.PROVIDERS, "All five providers behave again")
    system.control("DELETE", "faults")
    story.end(happening, "no more faults")
