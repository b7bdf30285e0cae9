"""What is fed with any bytes at all, and what must hold whatever they are. A target raises when it does not.

A target reads its bytes as text a person can write, so that the seeds under `seeds/` can be read: a request as it is
sent, settings as in a file of them, one value a line.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tests.fuzz.as_read import (
    alpaca_interpret,
    alpaca_sse,
    bridge_interpret,
    due_interpret,
    ibex_interpret,
    json_object,
    provider_answer,
    stripe_interpret,
)
from tests.fuzz.as_written import customers, money, record_file, settings
from tests.fuzz.at_the_door import (
    bridge_signed,
    door,
    due_legacy_signature,
    due_signature,
    ibex_proved,
    stripe_signed,
)

Target = Callable[[bytes], None]

TARGETS: Final[Mapping[str, Target]] = {
    each.__name__: each
    for each in (
        door,
        due_signature,
        due_legacy_signature,
        bridge_signed,
        ibex_proved,
        stripe_signed,
        due_interpret,
        alpaca_interpret,
        bridge_interpret,
        ibex_interpret,
        stripe_interpret,
        alpaca_sse,
        json_object,
        provider_answer,
        settings,
        customers,
        record_file,
        money,
    )
}
